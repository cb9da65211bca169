package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/internal/faulty"
)

// readIndex answers "up to where must I read to see every write acknowledged
// before I asked?" (Raft dissertation, section 6.4). Callers share rounds: one
// joins the next round, never the one under way, whose commit index may have
// been taken before the write that the caller knows of.
type readIndex struct {
	wake chan struct{} // capacity 1

	mu   sync.Mutex
	next *round // guarded by mu; nil = nobody waits
}

// round is one confirmation of leadership. rev and err are set before done
// closes.
type round struct {
	done chan struct{}
	rev  uint64
	err  error
}

func (r *readIndex) join() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return r.next
}

// take closes the next round to newcomers.
func (r *readIndex) take() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.next
	r.next = nil
	return next
}

// ReadIndex returns a revision such that a view at it reflects every write
// acknowledged anywhere before the call; Wait for it before reading. Where this
// node does not lead it asks the leader, and waits for one for a few seconds if
// ctx allows. It fails with ErrNotLeader, the context's error, ErrFailed or
// ErrClosed.
func (n *Node) ReadIndex(ctx context.Context) (uint64, error) {
	var s search
	for {
		changed := n.leaders.changed()
		rev, err := n.joinRound(ctx)
		if !errors.Is(err, ErrNotLeader) || !n.again(ctx, &s, changed) {
			return rev, err
		}
	}
}

func (n *Node) joinRound(ctx context.Context) (uint64, error) {
	r := n.reads.join()
	select {
	case <-r.done:
		return r.rev, r.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-n.failed:
		return 0, failedBy(n.Err())
	case <-n.closed:
		return 0, ErrClosed
	}
}

// serveReads runs the rounds, one after the other, until the node stops.
func (n *Node) serveReads() {
	defer n.loops.Done()
	for {
		select {
		case <-n.reads.wake:
		case <-n.stop:
			if r := n.reads.take(); r != nil {
				r.err = ErrClosed
				close(r.done)
			}
			return
		}
		if r := n.reads.take(); r != nil {
			r.rev, r.err = n.confirm()
			close(r.done)
		}
	}
}

// confirm is one round.
func (n *Node) confirm() (uint64, error) {
	if faulty.StaleRead {
		return n.logs.gaps.lastCommand(n.raft.CommitIndex()), nil
	}
	changed := n.leaders.changed()
	t := n.tenure.Load()
	if t == nil {
		return n.askLeader(changed)
	}
	// Before an entry of its own term is committed, a leader does not know
	// what its predecessors committed.
	select {
	case <-t.ready:
	case <-t.over:
		return 0, ErrNotLeader
	case <-n.stop:
		return 0, ErrClosed
	}
	if n.raft.CurrentTerm() != t.term {
		return 0, ErrNotLeader
	}
	since := n.transport.reached.tick()
	commit := n.raft.CommitIndex()
	if err := n.verify(since, t.term); err != nil {
		return 0, err
	}
	if n.raft.CurrentTerm() != t.term || !n.IsLeader() {
		return 0, ErrNotLeader
	}
	return n.logs.gaps.lastCommand(commit), nil
}

// maxVerifies bounds the tries of verify: each makes raft send a heartbeat, and
// one that was under way before costs a try.
const maxVerifies = 10

// verify returns nil if a majority of voters obeyed the leader of term after
// since. Raft alone would also count answers to heartbeats that were sent
// before, of which a process that was stopped for a while may find some in its
// buffers, and those of nonvoters.
func (n *Node) verify(since, term uint64) error {
	for range maxVerifies {
		if err := n.raft.VerifyLeader().Error(); err != nil {
			if errors.Is(err, raft.ErrRaftShutdown) {
				return ErrClosed
			}
			return fmt.Errorf("verify leader: %w", ErrNotLeader)
		}
		if n.transport.reached.isAffirmed(raft.ServerID(n.cfg.NodeID), n.voters(), since, term) {
			return nil
		}
	}
	return fmt.Errorf("verify leader: no majority answers: %w", ErrNotLeader)
}

// askLeaderTimeouts is how many heartbeat timeouts the leader may take to
// answer a round; by then there should be another one.
const askLeaderTimeouts = 3

// askLeader is one round where another member leads: the leader begins a round
// of its own after it is asked. It ends early when changed closes.
func (n *Node) askLeader(changed <-chan struct{}) (uint64, error) {
	to := n.route()
	if to.id == "" {
		return 0, ErrNotLeader
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLeaderTimeouts*n.cfg.HeartbeatTimeout)
	defer cancel()
	n.loops.Go(func() {
		select {
		case <-changed:
		case <-n.stop:
		case <-ctx.Done():
		}
		cancel()
	})
	rev, err := n.cfg.Peers.Peer(to.addr).ReadIndex(ctx)
	if err != nil {
		// Not %w: an error from there may say what only writes can be, unknown.
		return 0, fmt.Errorf("%w: leader %s at %s: %v", ErrNotLeader, to.id, to.addr, err)
	}
	return rev, nil
}

// CheckAhead says whether rev, which this node has not applied yet, is
// committed: nil if so, ErrFuture if the cluster has not come that far, else
// why nobody knows.
func (n *Node) CheckAhead(ctx context.Context, rev uint64) error {
	if rev <= n.CommittedCommand() {
		return nil
	}
	newest, err := n.ReadIndex(ctx)
	if err != nil {
		return err
	}
	if rev > newest {
		return fmt.Errorf("revision %d: %w (%d)", rev, ErrFuture, newest)
	}
	return nil
}
