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
	err := n.raft.Snapshot().Error()
	if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("take snapshot: %w", err)
	}
	return nil
}

// trimTrailing turns TrailingBytes into the number of entries that raft asks for,
// on leaders and followers alike. It is called when a snapshot is about to be
// durable; then raft deletes the log behind it.
func (n *Node) trimTrailing(r *raft.Raft) error {
	last, err := n.logs.LastIndex()
	if err != nil {
		return err
	}
	c := r.ReloadableConfig()
	c.TrailingLogs = max(n.logs.tail.entries(last, n.logs.bytes.Load()), minTrailingLogs)
	return r.ReloadConfig(c)
}
