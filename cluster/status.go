package cluster

import (
	"time"

	"github.com/hashicorp/raft"
)

// Status is what a node knows about itself and its cluster. Its parts are read
// one after the other, so that they may be of slightly different moments.
type Status struct {
	NodeID      string
	State       string // Leader, Follower, Candidate or Shutdown
	Ready       bool
	Leader      string // node id, "" = none known
	Term        uint64
	ClusterID   string
	Incarnation uint64

	CommitIndex   uint64 // log index known to be committed
	Applied       uint64 // revision of the store
	LastLogIndex  uint64
	Horizon       uint64 // oldest readable revision
	SnapshotIndex uint64 // log index that the newest snapshot covers, 0 = none
	LogBytes      int64  // log written since that snapshot
	DiskFree      int64  // -1 = not known

	// ClockOff is how far the node's clock is ahead of what commands may say, or,
	// below 0, behind the cluster's time; 0 = not so far that it matters.
	ClockOff time.Duration

	Members []Member
}

// Member is one node of the configuration.
type Member struct {
	ID, Addr string
	Voter    bool
}

// Status describes the node.
func (n *Node) Status() Status {
	_, leader := n.raft.LeaderWithID()
	s := Status{
		NodeID: n.cfg.NodeID, State: n.raft.State().String(), Ready: n.Ready(),
		Leader: string(leader), Term: n.raft.CurrentTerm(),
		CommitIndex: n.raft.CommitIndex(), Applied: n.store.Revision(),
		LastLogIndex: n.raft.LastIndex(), Horizon: n.store.Horizon(),
		LogBytes: n.logs.since(), ClockOff: n.clock.off(),
	}
	s.ClusterID, s.Incarnation = n.store.Cluster()
	if index, err := n.disk.snaps.newest(); err == nil {
		s.SnapshotIndex = index
	}
	var err error
	if s.DiskFree, err = n.freeDisk(); err != nil {
		s.DiskFree = -1
	}
	for _, m := range n.raft.GetConfiguration().Configuration().Servers {
		s.Members = append(s.Members, Member{string(m.ID), string(m.Address), m.Suffrage == raft.Voter})
	}
	return s
}
