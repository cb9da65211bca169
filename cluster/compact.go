package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// retrySnapshot is how long after a failed snapshot the next one is tried.
const retrySnapshot = 10 * time.Second

// compact runs until the node stops and takes a snapshot whenever enough bytes
// of log have come since the last. Raft itself watches the number of entries.
func (n *Node) compact() {
	defer n.loops.Done()
	for {
		select {
		case <-n.logs.onFull:
		case <-n.stop:
			return
		}
		for n.logs.isFull() {
			err := n.Snapshot()
			if err == nil {
				break
			}
			if n.isStopping() {
				return // it has been abandoned
			}
			n.log.Error("take snapshot", "err", err)
			select {
			case <-time.After(retrySnapshot):
			case <-n.stop:
				return
			}
		}
	}
}

// isStopping reports whether Close has begun.
func (n *Node) isStopping() bool {
	select {
	case <-n.stop:
		return true
	default:
		return false
	}
}

// Snapshot writes the state to disk now and lets go of the log it covers, but
// for the trailing part. Nothing new since the last snapshot is no error.
func (n *Node) Snapshot() error {
	if err := n.trimTrailing(); err != nil {
		return fmt.Errorf("take snapshot: %w", err)
	}
	err := n.raft.Snapshot().Error()
	if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("take snapshot: %w", err)
	}
	return nil
}

// trimTrailing turns TrailingBytes into the number of entries that raft asks
// for, by the mean size of those since the last snapshot.
func (n *Node) trimTrailing() error {
	since := n.logs.since()
	if since.entries == 0 {
		return nil
	}
	entries := n.cfg.TrailingBytes * since.entries / max(since.bytes, 1)
	c := n.raft.ReloadableConfig()
	c.TrailingLogs = uint64(min(max(entries, minTrailingLogs), maxTrailingLogs))
	return n.raft.ReloadConfig(c)
}
