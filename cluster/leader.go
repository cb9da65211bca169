package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

// tenure is one term in which this node leads.
type tenure struct {
	term  uint64
	ready chan struct{} // closed once an entry of this term is committed and all before it is applied
	over  chan struct{} // closed once the node learns that it leads no more
}

// DefaultTenant is the tenant that every new cluster starts with.
const DefaultTenant = "default"

// lead runs until the node stops and follows raft's changes of leadership.
func (n *Node) lead() {
	defer n.loops.Done()
	for {
		select {
		case leads := <-n.raft.LeaderCh():
			if old := n.tenure.Swap(nil); old != nil {
				close(old.over)
			}
			n.log.Debug("leadership", "leader", leads, "term", n.raft.CurrentTerm())
			if leads {
				t := &tenure{term: n.raft.CurrentTerm(), ready: make(chan struct{}), over: make(chan struct{})}
				n.tenure.Store(t)
				n.loops.Go(func() { n.takeOffice(t) })
			}
		case <-n.stop:
			return
		}
	}
}

// takeOffice waits until this leader knows all that earlier ones committed:
// the barrier is an entry of its own term, and has passed the state machine.
func (n *Node) takeOffice(t *tenure) {
	if err := n.raft.Barrier(0).Error(); err != nil || n.raft.CurrentTerm() != t.term {
		return // raft announces what follows
	}
	close(t.ready)
	if id, _ := n.store.Cluster(); id == "" {
		if err := n.found(); err != nil {
			if !isLostOffice(err) {
				n.giveUpFounding(fmt.Errorf("found the cluster: %w", err))
			}
			return
		}
	}
	n.setReady()
}

// found proposes the first command of a new cluster.
func (n *Node) found() error {
	out, err := n.Propose(context.Background(), store.Command{
		Kind: store.KindInit, ClusterID: newUUID(), ClusterSecret: newSecret(), Tenant: DefaultTenant, Actor: "pemba",
	})
	if err != nil {
		return fmt.Errorf("propose init: %w", err)
	}
	return out.Err()
}

// giveUpFounding ends the start that waits for the cluster, if one still does.
func (n *Node) giveUpFounding(err error) {
	select {
	case n.unfounded <- err:
	default:
	}
}

// isLostOffice reports whether err only says that this node leads no more; the
// next leader founds the cluster.
func isLostOffice(err error) bool {
	return errors.Is(err, ErrNotLeader) || errors.Is(err, ErrClosed) || errors.Is(err, raft.ErrLeadershipLost)
}

// isLeader reports whether raft believes that this node leads.
func (n *Node) isLeader() bool { return n.raft.State() == raft.Leader }

// setReady says that the node has applied a leader's commit index once.
func (n *Node) setReady() { n.readyOnce.Do(func() { close(n.ready) }) }

// followUp runs on a node that starts as a follower, until it is ready: it has
// applied all that a leader had committed when it first heard of it.
func (n *Node) followUp() {
	defer n.loops.Done()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var goal uint64
	for {
		select {
		case <-n.ready:
			return
		case <-n.stop:
			return
		case <-tick.C:
		}
		if goal == 0 {
			goal = n.transport.heard.Load()
		}
		if goal > 0 && n.raft.CommitIndex() >= goal && n.store.Revision() >= n.logs.gaps.lastCommand(goal) {
			if id, _ := n.store.Cluster(); id != "" {
				n.setReady()
			}
		}
	}
}

// Ready reports whether the node has applied a leader's commit index since it
// started. Before that its views may be arbitrarily old.
func (n *Node) Ready() bool {
	select {
	case <-n.ready:
		return true
	default:
		return false
	}
}

// LastContact returns how long ago this node last heard of a leader: 0 on the
// leader itself, and a very long time when it never has.
func (n *Node) LastContact() time.Duration {
	if t := n.tenure.Load(); t != nil && n.isLeader() {
		return 0
	}
	last := n.raft.LastContact()
	if last.IsZero() {
		return time.Duration(1<<63 - 1)
	}
	return time.Since(last)
}

// CommittedCommand returns the newest revision that this node knows to be
// committed, applied or not.
func (n *Node) CommittedCommand() uint64 {
	return max(n.store.Revision(), n.logs.gaps.lastCommand(n.raft.CommitIndex()))
}
