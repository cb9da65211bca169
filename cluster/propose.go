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

// proposer groups the commands of many callers and passes the groups on: into
// few log entries where this node leads, else to the leader. There is no timer:
// while groups are in flight the next one gathers.
type proposer struct {
	node   *Node
	wake   chan struct{} // capacity 1
	slots  chan struct{} // capacity maxInFlight; full = wait
	flight chan *flight  // capacity maxInFlight; in the order in which they were sent

	to   route // where line leads; owned by propose
	line line  // nil = none; owned by propose

	mu     sync.Mutex
	queue  []*proposal // guarded by mu
	bytes  int         // guarded by mu; of the commands in queue
	closed bool        // guarded by mu
}

// proposal is one caller's command.
type proposal struct {
	data  []byte // encoded
	here  bool   // it came from another member, and is not passed on a second time
	timed bool   // it has a leader's time, and so may enter the log
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

// flight is one group on its way.
type flight struct {
	group   []*proposal
	results func() []Result // one for each of group
}

func newProposer(n *Node) *proposer {
	return &proposer{
		node: n, wake: make(chan struct{}, 1),
		slots: make(chan struct{}, maxInFlight), flight: make(chan *flight, maxInFlight),
	}
}

// Propose replicates c and returns what it came to on the state machine. The
// leader sets c's time. Where this node does not lead it asks the leader, and
// waits for one for a few seconds if ctx allows. Every error is either
// ErrNotProposed or ErrUnknownOutcome, and says why (ErrNotLeader,
// ErrOverloaded, ErrTooLarge, ErrDiskFull, ErrLevel, ErrFailed, ErrClosed, the
// context's error). An Outcome that is a refusal is no error. This node's own
// store may lag behind the outcome's revision; see Wait.
func (n *Node) Propose(ctx context.Context, c store.Command) (store.Outcome, error) {
	var s search
	for {
		changed := n.leaders.changed()
		out, err := n.proposeOnce(ctx, c)
		// Only what surely did not happen may be tried again without a request id.
		if err == nil || !errors.Is(err, ErrNotProposed) || !errors.Is(err, ErrNotLeader) || !n.again(ctx, &s, changed) {
			return out, err
		}
	}
}

func (n *Node) proposeOnce(ctx context.Context, c store.Command) (store.Outcome, error) {
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

// Submit is Propose without the wait and without a second try. Commands that
// one goroutine submits take effect in the order of its calls, if they do; one
// whose outcome stays unknown may take effect later than its successors. An
// error is ErrNotProposed and says why.
func (n *Node) Submit(ctx context.Context, c store.Command) (Pending, error) {
	return n.submit(ctx, c, false)
}

// submit queues c; here = only as long as this node leads.
func (n *Node) submit(ctx context.Context, c store.Command, here bool) (Pending, error) {
	if err := n.checkLevel(c.Kind); err != nil {
		return Pending{}, notProposed(err)
	}
	p := &proposal{here: here, timed: n.IsLeader() && n.clock.isKnown(), done: make(chan struct{})}
	if p.timed {
		c.Time = n.clock.now()
	} else {
		c.Time = 0 // the leader will set it
	}
	if err := c.Validate(); err != nil {
		return Pending{}, notProposed(fmt.Errorf("validate command: %w", err))
	}
	p.data = c.Append(nil)
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
	case !n.IsLeader() && (p.here || n.route() == route{}):
		return ErrNotLeader
	}
	if n.IsLeader() {
		// Here too, and not only when its group is sent: the groups in flight may stay
		// there as long as the disks are full.
		if err := n.checkQuorumRoom(); err != nil {
			return err
		}
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
	case len(q.queue) >= q.node.cfg.MaxQueued || q.bytes+len(p.data) > maxQueuedBytes:
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

// propose runs until the node stops: group after group is sent. It closes
// flight when it ends.
func (q *proposer) propose() {
	defer q.shut()
	for {
		select {
		case q.slots <- struct{}{}:
		case <-q.node.stop:
			return
		}
		group := q.take()
		for len(group) == 0 {
			select {
			case <-q.wake:
				group = q.take()
			case <-q.node.stop:
				return
			}
		}
		q.submit(group)
	}
}

// submit holds one slot, and gives it back or passes it on with the flight.
func (q *proposer) submit(group []*proposal) {
	err := q.connect()
	if err == nil && q.to.local {
		err = q.node.admitWrites()
	}
	if err != nil {
		<-q.slots
		finishAll(group, notProposed(err))
		return
	}
	if group = q.sendable(group); len(group) == 0 {
		<-q.slots
		return
	}
	commands := make([][]byte, len(group))
	for i, p := range group {
		commands[i] = p.data
	}
	// The channel has room for all slots, so that this does not block.
	q.flight <- &flight{group, q.line.send(store.JoinEntry(commands), len(group))}
}

// connect makes line lead to the present leader. Commands that went another way
// are settled first, so that the order of one caller's holds.
func (q *proposer) connect() error {
	want := q.node.route()
	if q.line != nil && want == q.to && !q.line.isBroken() {
		return nil
	}
	if q.line != nil {
		if !q.drain() {
			return ErrClosed
		}
		q.line.close()
		q.line = nil
		want = q.node.route()
	}
	l, err := q.node.openLine(want)
	if err != nil {
		return err
	}
	q.to, q.line = want, l
	return nil
}

// drain returns once nothing is in flight, or false when the node stops. The
// caller holds one slot.
func (q *proposer) drain() bool {
	held := 0
	defer func() {
		for range held {
			<-q.slots
		}
	}()
	for held < maxInFlight-1 {
		select {
		case q.slots <- struct{}{}:
			held++
		case <-q.node.stop:
			return false
		}
	}
	return true
}

// sendable refuses those of group that were queued when this node did not lead,
// or not know the time, if it leads now; those that have been passed on once, if
// it does not; and returns the others.
func (q *proposer) sendable(group []*proposal) []*proposal {
	keep := group[:0]
	for _, p := range group {
		if q.to.local && !p.timed || !q.to.local && p.here {
			p.finish(store.Outcome{}, notProposed(ErrNotLeader))
		} else {
			keep = append(keep, p)
		}
	}
	return keep
}

func finishAll(group []*proposal, err error) {
	for _, p := range group {
		p.finish(store.Outcome{}, err)
	}
}

// settle hands out the results of the groups until flight is closed and empty.
func (q *proposer) settle() {
	for f := range q.flight {
		for i, r := range f.results() {
			f.group[i].finish(r.Outcome, r.Err)
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
