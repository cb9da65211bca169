package cluster

import (
	"context"

	"github.com/pemba-authz/pemba/store"
)

// Service answers other members. It is what Peers.Serve is given; its methods
// may be called from any goroutine. None passes a request on.
type Service struct{ node *Node }

// Submit queues the commands of one encoded store entry, in order, and returns
// how to wait for their results, one a command. It does not block.
func (s *Service) Submit(ctx context.Context, entry []byte) (results func() []Result) {
	e, err := store.DecodeEntry(entry)
	if err != nil {
		// The asking node knows how many there are, this one does not.
		return func() []Result { return nil }
	}
	pending := make([]Pending, len(e.Commands))
	out := make([]Result, len(e.Commands))
	for i, c := range e.Commands {
		pending[i], out[i].Err = s.node.submit(ctx, c, true)
	}
	return func() []Result {
		for i, p := range pending {
			if out[i].Err == nil {
				out[i].Outcome, out[i].Err = p.Wait(ctx)
			}
		}
		return out
	}
}

// ReadIndex is Node.ReadIndex on a leader. The round begins after the call.
func (s *Service) ReadIndex(ctx context.Context) (uint64, error) {
	if !s.node.IsLeader() {
		return 0, ErrNotLeader
	}
	return s.node.joinRound(ctx)
}

// Sight says who this node is.
func (s *Service) Sight() Sighting { return s.node.Sight() }

// Sight says who this node is, to anybody who looks for members.
func (n *Node) Sight() Sighting {
	id := n.disk.self.get()
	s := Sighting{
		NodeID: id.NodeID, DiskID: id.DiskID, Addr: n.addr(), Stage: n.stage(), ClusterID: id.cluster(),
		Expect: n.cfg.BootstrapExpect, Level: n.cfg.Level,
	}
	if s.ClusterID == "" && s.Stage == InCluster {
		s.ClusterID, _ = n.store.Cluster()
	}
	if s.Stage == Promised {
		s.Proposer = id.Promise.Founders[0].ID
	}
	_, s.Leader = n.leader()
	return s
}

// addr is where other members reach this node.
func (n *Node) addr() string { return string(n.transport.LocalAddr()) }

// stage says how far this node has come on its way into a cluster.
func (n *Node) stage() Stage { return stageOf(n.disk.self.get(), n.hasLog()) }

// hasLog reports whether this node has any replicated data.
func (n *Node) hasLog() bool { return n.raft.LastIndex() > 0 }

// cluster returns the cluster that the node is or will be part of.
func (id *identity) cluster() string {
	switch {
	case id.ClusterID != "":
		return id.ClusterID
	case id.Joining != "":
		return id.Joining
	case id.Promise != nil:
		return id.Promise.Cluster
	}
	return ""
}

// lineage says whose Raft messages this node exchanges.
func (n *Node) lineage() lineage {
	id := n.disk.self.get()
	return lineage{id.cluster(), id.Generation}
}
