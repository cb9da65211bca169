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

func (t *tenure) isReady() bool {
	select {
	case <-t.ready:
		return true
	default:
		return false
	}
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
			n.leaders.notify()
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
	asked, err := n.barrier(t)
	if err != nil || n.raft.CurrentTerm() != t.term {
		return // raft announces what follows
	}
	n.fresh.confirm(asked)
	n.learnTime()
	close(t.ready)
	n.transport.reached.begin(n.members())
	if err := n.settleIn(); err != nil {
		if !isLostOffice(err) {
			n.giveUpStart(err)
		}
		return
	}
	n.setReady()
}

const (
	// stuckTimeouts is how many election timeouts after its election a leader may
	// still be kept by a transfer that it began before; two are all that one takes.
	stuckTimeouts = 10
	transferPace  = 20 * time.Millisecond
)

// barrier returns once an entry of t's term has passed the state machine, and when
// it was asked for. Raft refuses it while a transfer of an earlier term ends. One
// that never ends (see handover) would make this a leader that takes nothing: the
// node fails, and is healed by its next start.
func (n *Node) barrier(t *tenure) (asked time.Time, err error) {
	began := time.Now()
	for {
		asked = time.Now()
		if err = n.raft.Barrier(0).Error(); !errors.Is(err, raft.ErrLeadershipTransferInProgress) {
			return asked, err
		}
		if took := time.Since(began); took > stuckTimeouts*n.cfg.ElectionTimeout {
			n.fail(fmt.Errorf("this node leads and can write nothing, for raft has not ended a transfer of leadership within %v: restart it", took.Round(time.Second)))
			return asked, err
		}
		select {
		case <-time.After(transferPace):
		case <-t.over:
			return asked, err
		case <-n.stop:
			return asked, err
		}
	}
}

// settleIn does what the first leader after a founding or a recovery has to do.
// Where this one leaves off, the next one goes on.
func (n *Node) settleIn() error {
	if id, _ := n.store.Cluster(); id == "" {
		if err := n.found(); err != nil {
			return fmt.Errorf("found the cluster: %w", err)
		}
	}
	if err := n.recordFounders(); err != nil {
		return fmt.Errorf("found the cluster: %w", err)
	}
	if err := n.finishRecovery(); err != nil {
		return fmt.Errorf("finish the recovery: %w", err)
	}
	return nil
}

// found proposes the first command of a new cluster.
func (n *Node) found() error {
	self := n.disk.self.get()
	id := self.cluster()
	if id == "" {
		id = newUUID()
	}
	_, err := n.proposeHere(store.Command{
		Kind: store.KindInit, ClusterID: id, ClusterSecret: newSecret(), Tenant: DefaultTenant, Actor: actor,
	})
	return err
}

// actor is who proposes what nobody asked for.
const actor = "pemba"

// proposeHere is Propose for what only a leader decides: it is not passed on.
// Any outcome but OK is an *store.OutcomeError.
func (n *Node) proposeHere(c store.Command) (store.Outcome, error) {
	ctx := context.Background() // the node's own end ends it
	p, err := n.submit(ctx, c, true)
	if err != nil {
		return store.Outcome{}, err
	}
	out, err := p.Wait(ctx)
	if err != nil {
		return out, err
	}
	return out, out.Err()
}

// giveUpStart ends the start that waits for the node to get ready, if one
// still does.
func (n *Node) giveUpStart(err error) {
	select {
	case n.unready <- err:
	default:
	}
}

// isLostOffice reports whether err only says that this node leads no more; the
// next leader founds the cluster.
func isLostOffice(err error) bool {
	return errors.Is(err, ErrNotLeader) || errors.Is(err, ErrClosed) || errors.Is(err, raft.ErrLeadershipLost)
}

// IsLeader reports whether raft believes that this node leads.
func (n *Node) IsLeader() bool { return n.raft.State() == raft.Leader }

// setReady says that the node has applied a leader's commit index once, after
// it has noted durably of which cluster it is.
func (n *Node) setReady() {
	n.readyOnce.Do(func() {
		id, _ := n.store.Cluster()
		if err := n.noteIdentity(n.disk.self.belong(id)); err != nil {
			n.giveUpStart(err)
			return
		}
		close(n.ready)
	})
}

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
		if goal > 0 && n.caughtUp(goal) {
			if id, _ := n.store.Cluster(); id != "" {
				n.fresh.confirm(n.fresh.began) // nothing was heard that was sent before
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

// isFollowing reports whether the node has been keeping up with a leader, so that
// what it applies next has been committed a moment ago.
func (n *Node) isFollowing() bool { return n.Ready() && n.LastContact() < n.cfg.HeartbeatTimeout }

// caughtUp reports whether the store has all commands up to a log index.
func (n *Node) caughtUp(index uint64) bool {
	return n.raft.CommitIndex() >= index && n.store.Revision() >= n.logs.gaps.lastCommand(index)
}

// CommittedCommand returns the newest revision that this node knows to be
// committed, applied or not.
func (n *Node) CommittedCommand() uint64 {
	return max(n.store.Revision(), n.logs.gaps.lastCommand(n.raft.CommitIndex()))
}
