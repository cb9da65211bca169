//go:build faults

package faulty

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
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
