//go:build faults

package faulty

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// On reports whether there are faults at all.
const On = true

// The bugs.
var (
	// StaleRead: a read index is the commit index that this node knows of,
	// without asking anybody whether it still leads, or who does.
	StaleRead = bug("stale-read")
	// EarlyAck: the log says that entries are durable before it has written them.
	EarlyAck = bug("early-ack")
	// NoSync: the log says that entries are durable when it has handed them to
	// the kernel.
	NoSync = bug("no-sync")
	// CacheForEver: a cached answer holds at every revision and every time.
	CacheForEver = bug("cache-for-ever")
	// SnapshotDrops: a snapshot lacks the newest tuple.
	SnapshotDrops = bug("snapshot-drops")
	// HeartbeatFastPath: heartbeats overtake everything else that Raft does
	// (hashicorp/raft #695).
	HeartbeatFastPath = bug("heartbeat-fast-path")
	// LocalHorizon: each node moves its horizon by its own clock.
	LocalHorizon = bug("local-horizon")
	// NoWait: a token is judged, and a question under it answered, with what
	// there is.
	NoWait = bug("no-wait")
	// StaleAny: a node does not mind for how long it has heard of no leader.
	StaleAny = bug("stale-any")
)

func bug(name string) bool {
	return slices.Contains(strings.Split(os.Getenv("PEMBA_FAULT"), ","), name)
}

// Control returns what the file of that name in PEMBA_FAULT_DIR says, and
// whether there is one.
func Control(name string) (string, bool) {
	dir := os.Getenv("PEMBA_FAULT_DIR")
	if dir == "" {
		return "", false
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(text)), err == nil
}

// Setting is a setting that no flag has, as PEMBA_FAULT_SNAPSHOT_BYTES.
func Setting(name string) string { return os.Getenv("PEMBA_FAULT_" + name) }

// lookAgain is how often a clock looks whether it is to be wrong, in nanoseconds.
const lookAgain = int64(10 * time.Millisecond)

// Clock returns now, wrong by as much as the control file "clock" says. It is
// safe for concurrent use if now is.
func Clock(now func() int64) func() int64 {
	var seen, offset atomic.Int64
	return func() int64 {
		t := now()
		if last := seen.Load(); (t < last || t-last > lookAgain) && seen.CompareAndSwap(last, t) {
			text, _ := Control("clock")
			d, _ := time.ParseDuration(text) // 0 when nothing is asked for
			offset.Store(int64(d))
		}
		return t + offset.Load()
	}
}
