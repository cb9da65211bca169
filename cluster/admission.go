package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// JoinRequest is how a node asks to be a member, and how a member says what it
// is: each does so after every start, and when it has lost its leader.
type JoinRequest struct {
	ID, Disk   string
	Addr       string // of the node port
	ClientAddr string
	Voter      bool // what it wants to be, when it is new
	Level      int
	Cluster    string // that it belongs to or has been accepted by, "" = none
	Generation uint64 // of Cluster
	Ready      bool   // it has caught up with Cluster, and has noted that
	Revision   uint64 // of its store
}

// Joined is the leader's answer.
type Joined struct {
	Cluster    string
	Generation uint64
	Known      bool // the disk was known before
	Done       bool // the configuration is as it should be; else ask again
}

// promotionLag is how many revisions a nonvoter may lag behind when it gets its
// vote: from then on the leader may have to wait for it.
const promotionLag = 10_000

// Join admits a member, on a leader. The first request of a fresh node only
// makes the node known: it must note that it was accepted, and so open itself
// to Raft's messages, before the leader counts on it.
func (s *Service) Join(ctx context.Context, r JoinRequest) (Joined, error) {
	n := s.node
	if err := n.beginOffice(ctx); err != nil {
		return Joined{}, err
	}
	defer n.endOffice()
	cluster, _ := n.store.Cluster()
	if err := n.finishRemoved(r.ID); err != nil {
		return Joined{}, err
	}
	known, has, err := n.checkJoin(&r, cluster)
	if err != nil {
		return Joined{}, err
	}
	want := record{Disk: r.Disk, Addr: r.Addr, Client: r.ClientAddr, Voter: r.Voter, Level: r.Level}
	if has {
		want.Voter = known.Voter // the cluster has decided since
	}
	if !has || want != known {
		if err := n.setMember(r.ID, &want); err != nil {
			return Joined{}, err
		}
	}
	reply := Joined{Cluster: cluster, Generation: n.disk.self.get().Generation, Known: has}
	if r.Cluster == "" {
		return reply, nil
	}
	reply.Done, err = n.place(&r, want.Voter)
	return reply, err
}

// finishRemoved frees the id of a node whose removal an earlier leader did not
// finish after it was out of the configuration.
func (n *Node) finishRemoved(id string) error {
	r, has, err := n.memberRecord(id)
	if _, isIn := n.member(id); err != nil || !has || !r.Removed || isIn {
		return err
	}
	return n.noteRemoved(id, r)
}

// beginOffice makes the caller the only one that changes the members, until
// endOffice, on a leader that knows all that its predecessors did.
func (n *Node) beginOffice(ctx context.Context) error {
	select {
	case n.office <- struct{}{}:
	case <-ctx.Done():
		return notProposed(context.Cause(ctx))
	case <-n.stop:
		return notProposed(ErrClosed)
	}
	// Where it is ready, what settleIn does is done.
	if t := n.tenure.Load(); t != nil && t.isReady() && n.Ready() {
		return nil
	}
	n.endOffice()
	return notProposed(ErrNotLeader)
}

func (n *Node) endOffice() { <-n.office }

// checkJoin says why r's node may not be a member, and what is known of it.
func (n *Node) checkJoin(r *JoinRequest, cluster string) (known record, has bool, err error) {
	if known, has, err = n.memberRecord(r.ID); err != nil {
		return known, has, err
	}
	_, isIn := n.member(r.ID)
	generation := n.disk.self.get().Generation
	switch {
	case r.Cluster != "" && r.Cluster != cluster:
		err = &RefusedError{"OTHER_CLUSTER", fmt.Sprintf("node %s belongs to cluster %s, and this is cluster %s", r.ID, r.Cluster, cluster),
			"empty its data dir and start it again, or give it the addresses of its own cluster"}
	case r.Cluster != "" && r.Generation != generation:
		err = &RefusedError{"OTHER_CLUSTER", fmt.Sprintf("the cluster was recovered from a lost quorum without what node %s has", r.ID),
			"empty its data dir and start it again"}
	case n.ownRecord(removedKey+r.Disk) != nil || has && known.Removed && known.Disk == r.Disk:
		err = &RefusedError{"REMOVED", fmt.Sprintf("node %s was removed from the cluster", r.ID), "to have it back, empty its data dir and start it again"}
	case has && known.Disk != r.Disk, !has && isIn && r.Cluster == "":
		err = &RefusedError{"OTHER_DISK", fmt.Sprintf("node %s is known with another disk", r.ID),
			fmt.Sprintf("remove it (pemba cluster remove %s) and let this one join, best under a new id", r.ID)}
	case r.Level < n.clusterLevel():
		err = &RefusedError{"LEVEL", fmt.Sprintf("node %s has feature level %d, the cluster has %d", r.ID, r.Level, n.clusterLevel()),
			"start it with a newer version of pemba"}
	default:
		err = n.checkAddress(r)
	}
	return known, has, err
}

// checkAddress refuses an address that leads to another member.
func (n *Node) checkAddress(r *JoinRequest) error {
	for _, m := range n.members() {
		if string(m.Address) == r.Addr && string(m.ID) != r.ID {
			return &RefusedError{"ADDRESS_IN_USE", fmt.Sprintf("node %s wants address %s, which is member %s's", r.ID, r.Addr, m.ID),
				fmt.Sprintf("if %s is gone for good, remove it (pemba cluster remove %s)", m.ID, m.ID)}
		}
	}
	return nil
}

// place brings Raft's configuration in line with what r's node is and is to be,
// one change at a time, and reports whether nothing is left to do.
func (n *Node) place(r *JoinRequest, voter bool) (done bool, err error) {
	id, addr := raft.ServerID(r.ID), raft.ServerAddress(r.Addr)
	m, isIn := n.member(r.ID)
	switch {
	case !isIn, m.Suffrage != raft.Voter && m.Address != addr:
		n.log.Info("add a member", "id", r.ID, "addr", r.Addr)
		return false, n.configured(n.raft.AddNonvoter(id, addr, 0, 0))
	case m.Address != addr:
		n.log.Info("a member has a new address", "id", r.ID, "addr", r.Addr, "was", m.Address)
		return false, n.configured(n.raft.AddVoter(id, addr, 0, 0))
	case !r.Ready:
		return false, nil
	case voter && m.Suffrage != raft.Voter:
		if r.Revision+promotionLag < n.store.Revision() {
			return false, nil
		}
		n.log.Info("a member has caught up and gets its vote", "id", r.ID)
		return false, n.configured(n.raft.AddVoter(id, addr, 0, 0))
	}
	return true, nil
}

// configured waits for a change of the configuration.
func (n *Node) configured(f raft.IndexFuture) error {
	err := f.Error()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return notProposed(fmt.Errorf("%w: %w", ErrNotLeader, err))
	}
	return unknownOutcome(fmt.Errorf("change the members: %w", err))
}
