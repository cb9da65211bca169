//go:build !faults

package faulty

// On reports whether there are faults at all.
const On = false

// The bugs; see on.go.
const (
	StaleRead         = false
	EarlyAck          = false
	NoSync            = false
	CacheForEver      = false
	SnapshotDrops     = false
	HeartbeatFastPath = false
	LocalHorizon      = false
	NoWait            = false
	StaleAny          = false
)

// Control does nothing.
func Control(string) (string, bool) { return "", false }

// Setting is empty.
func Setting(string) string { return "" }

// Clock is now.
func Clock(now func() int64) func() int64 { return now }
