package cluster

import (
	"errors"

	"github.com/hashicorp/raft"
)

// hasInstalled reports whether this node has all that a snapshot of another
// member brings. Raft does not ask: it would go back to the snapshot's state and
// empty the log, with entries that this node has acknowledged since. A request
// that comes that late is one that the leader has given up, and whose bytes waited
// in the buffers of a process that was stopped, or behind a cut.
//
// It is called between two requests, and first waits until raft is done with the
// one before.
func (n *Node) hasInstalled(r *raft.InstallSnapshotRequest) bool {
	// Raft's main loop answers this, by its own state or by followers' answers.
	if err := n.raft.VerifyLeader().Error(); errors.Is(err, raft.ErrRaftShutdown) || r.Term < n.raft.CurrentTerm() {
		return false // raft refuses it
	}
	if r.LastLogIndex <= n.raft.AppliedIndex() {
		return true // applied is committed, and committed is the same everywhere
	}
	var e raft.Log
	err := n.logs.GetLog(r.LastLogIndex, &e)
	return err == nil && e.Term == r.LastLogTerm
}
