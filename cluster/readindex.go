package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
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
// acknowledged anywhere before the call; Wait for it before reading. It fails
// with ErrNotLeader, the context's error, ErrFailed or ErrClosed.
func (n *Node) ReadIndex(ctx context.Context) (uint64, error) {
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
	t := n.tenure.Load()
	if t == nil {
		return 0, ErrNotLeader
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
	commit := n.raft.CommitIndex()
	if err := n.raft.VerifyLeader().Error(); err != nil {
		if errors.Is(err, raft.ErrRaftShutdown) {
			return 0, ErrClosed
		}
		return 0, fmt.Errorf("verify leader: %w", ErrNotLeader)
	}
	if n.raft.CurrentTerm() != t.term || !n.isLeader() {
		return 0, ErrNotLeader
	}
	return n.logs.gaps.lastCommand(commit), nil
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
