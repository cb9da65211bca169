package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Operation is what an operator asks of the leader.
type Operation struct {
	Kind  OperationKind
	ID    string // of the member that it is about
	Force bool   // also if too few voters are left that answer
}

// OperationKind is what an Operation does.
type OperationKind string

const (
	Remove   OperationKind = "remove"
	Promote  OperationKind = "promote"
	Demote   OperationKind = "demote"
	Transfer OperationKind = "transfer"
)

// RemoveNode takes a member out of the cluster for good: its disk cannot come
// back. It refuses, as do the operations below, with a *RefusedError, among
// others when too few voters would be left that answer, unless force is set.
// ErrNotLeader means that there is no leader; ErrUnknownOutcome that it may
// have happened. They work on every node.
func (n *Node) RemoveNode(ctx context.Context, id string, force bool) error {
	_, err := n.operate(ctx, Operation{Remove, id, force})
	return err
}

// PromoteNode gives a nonvoter that has caught up a vote.
func (n *Node) PromoteNode(ctx context.Context, id string) error {
	_, err := n.operate(ctx, Operation{Promote, id, false})
	return err
}

// DemoteNode makes a voter a nonvoter.
func (n *Node) DemoteNode(ctx context.Context, id string, force bool) error {
	_, err := n.operate(ctx, Operation{Demote, id, force})
	return err
}

// TransferLeadership makes the voter to lead, "" = the one that lags least, and
// returns who does.
func (n *Node) TransferLeadership(ctx context.Context, to string) (leader string, err error) {
	return n.operate(ctx, Operation{Transfer, to, false})
}

// operate has the leader do o. The leader hands over its office first if o is
// about itself.
func (n *Node) operate(ctx context.Context, o Operation) (string, error) {
	var s search
	for {
		changed := n.leaders.changed()
		answer, err := n.operateOnce(ctx, o)
		if !errors.Is(err, ErrNotLeader) || errors.Is(err, ErrUnknownOutcome) || !n.again(ctx, &s, changed) {
			return answer, err
		}
	}
}

func (n *Node) operateOnce(ctx context.Context, o Operation) (string, error) {
	to := n.route()
	if to.local {
		return (&Service{n}).Operate(ctx, o)
	}
	if to.addr == "" {
		return "", notProposed(ErrNotLeader)
	}
	peer := n.cfg.Peers.Peer(to.addr)
	// If the leader is gone, that is learned before it is asked to do something.
	if _, err := peer.Sight(ctx); err != nil {
		return "", notProposed(fmt.Errorf("%w: leader %s at %s: %v", ErrNotLeader, to.id, to.addr, err))
	}
	return peer.Operate(ctx, o)
}

// Operate does o, on a leader.
func (s *Service) Operate(ctx context.Context, o Operation) (string, error) {
	n := s.node
	if err := n.beginOffice(ctx); err != nil {
		return "", err
	}
	defer n.endOffice()
	if o.Kind == Transfer {
		return n.transfer(ctx, o.ID)
	}
	m, ok := n.member(o.ID)
	if !ok && o.Kind == Remove {
		return "", n.forget(o.ID)
	}
	if !ok {
		return "", unknownNode(o.ID)
	}
	if o.ID == n.cfg.NodeID && o.Kind != Promote {
		if err := n.checkLoss(m, o.Force); err != nil {
			return "", err
		}
		if _, err := n.transfer(ctx, ""); err != nil {
			return "", err
		}
		return "", notProposed(ErrNotLeader) // the next leader does it
	}
	switch o.Kind {
	case Remove:
		return "", n.remove(m, o.Force)
	case Promote:
		return "", n.promote(ctx, m)
	case Demote:
		return "", n.demote(m, o.Force)
	}
	return "", fmt.Errorf("unknown operation %q", o.Kind)
}

func unknownNode(id string) error {
	return &RefusedError{"UNKNOWN_NODE", fmt.Sprintf("there is no member %q", id), "look at the members with pemba cluster status"}
}

// voterSilence is how many heartbeat timeouts a voter may be silent and still
// count as one that answers.
const voterSilence = 3

// checkLoss says why the cluster cannot do without the voter m.
func (n *Node) checkLoss(m raft.Server, force bool) error {
	if m.Suffrage != raft.Voter {
		return nil
	}
	left, answer := 0, 0
	for _, v := range n.members() {
		if v.Suffrage != raft.Voter || v.ID == m.ID {
			continue
		}
		left++
		if n.answers(v.ID, voterSilence*n.cfg.HeartbeatTimeout) {
			answer++
		}
	}
	switch {
	case left == 0:
		return &RefusedError{"LAST_VOTER", fmt.Sprintf("node %s is the last voter", m.ID), "promote or add another node first"}
	case answer < left/2+1 && !force:
		return &RefusedError{"QUORUM", fmt.Sprintf("without node %s only %d of %d voters answer, which is no quorum", m.ID, answer, left),
			"bring the others back first, or force it"}
	}
	return nil
}

// answers reports whether id has answered this leader within d.
func (n *Node) answers(id raft.ServerID, d time.Duration) bool {
	return id == raft.ServerID(n.cfg.NodeID) || n.transport.reached.since(id) < d
}

// remove notes that m is to go, so that a later leader goes on, removes it, and
// notes that its disk must not come back.
func (n *Node) remove(m raft.Server, force bool) error {
	if err := n.checkLoss(m, force); err != nil {
		return err
	}
	r, _, err := n.memberRecord(string(m.ID))
	if err != nil {
		return err
	}
	r.Addr, r.Removed = string(m.Address), true
	if err := n.setMember(string(m.ID), &r); err != nil {
		return err
	}
	return n.finishRemoval(m, r)
}

func (n *Node) finishRemoval(m raft.Server, r record) error {
	n.log.Info("remove a member", "id", m.ID, "addr", m.Address)
	if err := n.configured(n.raft.RemoveServer(m.ID, 0, 0)); err != nil {
		return err
	}
	return n.noteRemoved(string(m.ID), r)
}

// noteRemoved is the last step of a removal: the id is free, its disk is not
// wanted any more.
func (n *Node) noteRemoved(id string, r record) error {
	e := edit{node: n}
	e.set(memberKey+id, nil)
	if r.Disk != "" {
		e.set(removedKey+r.Disk, []byte(id))
	}
	return e.commit()
}

// forget removes a node that is not in the configuration, but known: it has been
// accepted and never came, or a leader got no further with its removal.
func (n *Node) forget(id string) error {
	r, has, err := n.memberRecord(id)
	if err != nil {
		return err
	}
	if !has {
		return unknownNode(id)
	}
	return n.noteRemoved(id, r)
}

// promote gives m a vote once it says itself that it has caught up: before, it
// may have noted nothing yet that its vote would rely on.
func (n *Node) promote(ctx context.Context, m raft.Server) error {
	if m.Suffrage == raft.Voter {
		return nil
	}
	st, err := n.cfg.Peers.Peer(string(m.Address)).Status(ctx)
	if err != nil || !st.Ready || st.Applied+promotionLag < n.store.Revision() {
		return &RefusedError{"NOT_CAUGHT_UP", fmt.Sprintf("node %s has not caught up", m.ID), "wait until it has; see pemba cluster status"}
	}
	if err := n.setVoter(string(m.ID), true); err != nil {
		return err
	}
	return n.configured(n.raft.AddVoter(m.ID, m.Address, 0, 0))
}

func (n *Node) demote(m raft.Server, force bool) error {
	if m.Suffrage != raft.Voter {
		return nil
	}
	if err := n.checkLoss(m, force); err != nil {
		return err
	}
	if err := n.setVoter(string(m.ID), false); err != nil {
		return err
	}
	return n.configured(n.raft.DemoteVoter(m.ID, 0, 0))
}

// setVoter notes what a member is to be, if it has a record.
func (n *Node) setVoter(id string, voter bool) error {
	r, has, err := n.memberRecord(id)
	if err != nil || !has || r.Voter == voter {
		return err
	}
	r.Voter = voter
	return n.setMember(id, &r)
}

// transfer hands the office over, and returns who has it then.
func (n *Node) transfer(ctx context.Context, to string) (string, error) {
	if to == n.cfg.NodeID {
		return to, nil
	}
	term := n.raft.CurrentTerm()
	if err := n.handOver(to); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, searchTimeouts*n.cfg.ElectionTimeout)
	defer cancel()
	for {
		changed := n.leaders.changed()
		switch id, _ := n.leader(); {
		case id != "" && id != n.cfg.NodeID:
			return id, nil
		case n.IsLeader() && n.raft.CurrentTerm() > term:
			return "", unknownOutcome(errors.New("transfer leadership: the heir has lost the election, and this node leads again"))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", unknownOutcome(context.Cause(ctx))
		case <-n.stop:
			return "", unknownOutcome(ErrClosed)
		}
	}
}

// AddNode asks the fresh node whose client address is given to join this
// cluster, and returns its id once it is a member, as this node sees it.
func (n *Node) AddNode(ctx context.Context, clientAddr string) (id string, err error) {
	if n.cfg.Discovery == nil || !n.isRouted() {
		return "", &RefusedError{"NO_NODE_PORT", "this node has no port for other nodes", "start it with --raft-addr"}
	}
	sights, err := n.cfg.Discovery.Discover(ctx, clientAddr)
	if err != nil && ctx.Err() == nil {
		return "", &RefusedError{"NO_ANSWER", fmt.Sprintf("no node answers at %s", clientAddr), "start it with --raft-addr and --join, and give the address that it serves clients at"}
	} else if err != nil {
		return "", notProposed(context.Cause(ctx))
	}
	if len(sights) != 1 {
		return "", &RefusedError{"NOT_FRESH", fmt.Sprintf("%s leads to %d nodes", clientAddr, len(sights)), "give the address of one node"}
	}
	s := sights[0]
	if err := n.cfg.Peers.Peer(s.Addr).Invite(ctx, n.addr()); err != nil {
		return "", err
	}
	for {
		if _, ok := n.member(s.NodeID); ok {
			return s.NodeID, nil
		}
		select {
		case <-time.After(firstPause):
		case <-ctx.Done():
			return s.NodeID, unknownOutcome(fmt.Errorf("wait for node %s to join: %w", s.NodeID, context.Cause(ctx)))
		case <-n.stop:
			return s.NodeID, unknownOutcome(ErrClosed)
		}
	}
}
