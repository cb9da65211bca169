package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

const (
	maxGroup       = 128       // commands in one log entry
	maxGroupBytes  = 256 << 10 // of an entry with more than one command
	maxInFlight    = 2         // entries proposed and not yet applied
	maxQueuedBytes = 64 << 20
)

// proposer groups the commands of many callers into few log entries. There is
// no timer: while entries are in flight the next group gathers.
type proposer struct {
	raft   *raft.Raft
	admit  func() error  // nil, or why no command may be proposed now
	wake   chan struct{} // capacity 1
	stop   chan struct{} // closed by the node
	slots  chan struct{} // capacity maxInFlight; full = wait
	flight chan *flight  // capacity maxInFlight; in log order

	max int // commands in queue

	mu     sync.Mutex
	queue  []*proposal // guarded by mu
	bytes  int         // guarded by mu; of the commands in queue
	closed bool        // guarded by mu
}

// proposal is one caller's command.
type proposal struct {
	data  []byte // encoded
	state atomic.Uint32
	done  chan struct{} // closed after out and err are set
	out   store.Outcome
	err   error
}

// A proposal is queued, and then either taken into an entry or left by its
// caller; who moves it first decides.
const (
	queued = iota
	taken
	left
)

// flight is one log entry on its way.
type flight struct {
	group  []*proposal
	future raft.ApplyFuture
}

func newProposer(r *raft.Raft, limit int, admit func() error, stop chan struct{}) *proposer {
	return &proposer{
		raft: r, admit: admit, max: limit, stop: stop,
		wake:   make(chan struct{}, 1),
		slots:  make(chan struct{}, maxInFlight),
		flight: make(chan *flight, maxInFlight),
	}
}

// Propose replicates c and returns what it came to on the state machine. It
// sets c's time. Every error is either ErrNotProposed or ErrUnknownOutcome, and
// says why (ErrNotLeader, ErrOverloaded, ErrTooLarge, ErrDiskFull, ErrFailed,
// ErrClosed, the context's error). An Outcome that is a refusal is no error.
func (n *Node) Propose(ctx context.Context, c store.Command) (store.Outcome, error) {
	p, err := n.Submit(ctx, c)
	if err != nil {
		return store.Outcome{}, err
	}
	return p.Wait(ctx)
}

// Pending is a command on its way.
type Pending struct {
	node     *Node
	proposal *proposal
}

// Submit is Propose without the wait. Commands that one goroutine submits take
// effect in the order of its calls, if they do. An error is ErrNotProposed and
// says why.
func (n *Node) Submit(ctx context.Context, c store.Command) (Pending, error) {
	c.Time = max(n.cfg.Now(), n.store.Time())
	if err := c.Validate(); err != nil {
		return Pending{}, notProposed(fmt.Errorf("validate command: %w", err))
	}
	p := &proposal{data: c.Append(nil), done: make(chan struct{})}
	if err := n.enqueue(ctx, p); err != nil {
		return Pending{}, notProposed(err)
	}
	return Pending{n, p}, nil
}

// Wait returns what the command came to, as Propose does.
func (p Pending) Wait(ctx context.Context) (store.Outcome, error) {
	select {
	case <-p.proposal.done:
		return p.proposal.out, p.proposal.err
	case <-ctx.Done():
		return p.proposal.leave(context.Cause(ctx))
	case <-p.node.failed:
		return p.proposal.leave(failedBy(p.node.Err()))
	case <-p.node.closed:
		return p.proposal.leave(ErrClosed)
	}
}

func (n *Node) enqueue(ctx context.Context, p *proposal) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case n.Err() != nil:
		return failedBy(n.Err())
	case len(p.data) > store.MaxCommandBytes:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(p.data), store.MaxCommandBytes)
	case !n.isLeader():
		return ErrNotLeader
	}
	return n.proposer.add(p)
}

// leave gives the wait up because of why.
func (p *proposal) leave(why error) (store.Outcome, error) {
	if p.state.CompareAndSwap(queued, left) {
		return store.Outcome{}, notProposed(why)
	}
	select {
	case <-p.done: // it was decided at the same moment
		return p.out, p.err
	default:
		return store.Outcome{}, unknownOutcome(why)
	}
}

func (p *proposal) finish(out store.Outcome, err error) {
	p.out, p.err = out, err
	close(p.done)
}

func (q *proposer) add(p *proposal) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrClosed
	case len(q.queue) >= q.max || q.bytes+len(p.data) > maxQueuedBytes:
		return ErrOverloaded
	}
	q.queue = append(q.queue, p)
	q.bytes += len(p.data)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// take removes the next group from the queue.
func (q *proposer) take() []*proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	var group []*proposal
	i, size := 0, 0
	for ; i < len(q.queue) && len(group) < maxGroup; i++ {
		p := q.queue[i]
		if len(group) > 0 && size+len(p.data) > maxGroupBytes {
			break
		}
		q.bytes -= len(p.data)
		q.queue[i] = nil
		if p.state.CompareAndSwap(queued, taken) {
			group, size = append(group, p), size+len(p.data)
		}
	}
	q.queue = q.queue[i:]
	if len(q.queue) == 0 {
		q.queue = nil
	}
	return group
}

// propose runs until the node stops: group after group becomes a log entry.
// It closes flight when it ends.
func (q *proposer) propose() {
	defer q.shut()
	for {
		select {
		case q.slots <- struct{}{}:
		case <-q.stop:
			return
		}
		group := q.take()
		for len(group) == 0 {
			select {
			case <-q.wake:
				group = q.take()
			case <-q.stop:
				return
			}
		}
		q.submit(group)
	}
}

// submit holds one slot, and gives it back or passes it on with the flight.
func (q *proposer) submit(group []*proposal) {
	if err := q.admit(); err != nil {
		for _, p := range group {
			p.finish(store.Outcome{}, notProposed(err))
		}
		<-q.slots
		return
	}
	commands := make([][]byte, len(group))
	for i, p := range group {
		commands[i] = p.data
	}
	data := store.JoinEntry(commands)
	// BatchApplyCh buffers more than maxInFlight, so that this does not block.
	q.flight <- &flight{group, q.raft.ApplyLog(raft.Log{Data: data, Extensions: sumOf(raft.LogCommand, data)}, 0)}
}

// settle hands out the outcomes of the entries until flight is closed and
// empty.
func (q *proposer) settle() {
	for f := range q.flight {
		err := f.future.Error()
		outs, _ := f.future.Response().([]store.Outcome)
		for i, p := range f.group {
			switch {
			case err != nil:
				p.finish(store.Outcome{}, proposeError(err))
			case i < len(outs):
				p.finish(outs[i], nil)
			default:
				p.finish(store.Outcome{}, unknownOutcome(errors.New("the state machine gave no outcome")))
			}
		}
		<-q.slots
	}
}

// shut refuses what is queued and all that comes.
func (q *proposer) shut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, p := range q.queue {
		if p.state.CompareAndSwap(queued, taken) {
			p.finish(store.Outcome{}, notProposed(ErrClosed))
		}
	}
	q.queue = nil
	close(q.flight)
}

// proposeError says what raft's error means for a command that was handed to
// it. Only when raft refused it before it reached the log is it certain that
// it did not happen.
func proposeError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return notProposed(fmt.Errorf("%w: %w", ErrNotLeader, err))
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return notProposed(fmt.Errorf("%w: %w", ErrOverloaded, err))
	}
	return unknownOutcome(err)
}
