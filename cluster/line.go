package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

// A line takes groups of commands to the log, in order.
type line interface {
	// send hands over one group, encoded as one entry, and returns how to learn
	// what it came to: one result a command, in the order of the sends.
	send(entry []byte, n int) (results func() []Result)
	// isBroken reports that nothing more can be sent.
	isBroken() bool
	close()
}

// route says which line a group must take. The zero value leads nowhere.
type route struct {
	local    bool
	id, addr string // of the leader
	term     uint64
}

// route returns the way to the leader that this node knows.
func (n *Node) route() route {
	if n.IsLeader() {
		return route{local: true, term: n.raft.CurrentTerm()}
	}
	id, addr := n.leader()
	if id == "" || id == n.cfg.NodeID || !n.isRouted() {
		return route{}
	}
	return route{id: id, addr: addr, term: n.raft.CurrentTerm()}
}

// localLine leads into this node's raft.
type localLine struct{ raft *raft.Raft }

func (l localLine) send(entry []byte, n int) func() []Result {
	future := l.raft.ApplyLog(raft.Log{Data: entry, Extensions: sumOf(raft.LogCommand, entry)}, 0)
	return func() []Result {
		if err := future.Error(); err != nil {
			return allFailed(n, proposeError(err))
		}
		outs, _ := future.Response().([]store.Outcome)
		results := make([]Result, n)
		for i := range results {
			if i < len(outs) {
				results[i].Outcome = outs[i]
			} else {
				results[i].Err = unknownOutcome(errors.New("the state machine gave no outcome"))
			}
		}
		return results
	}
}

func (l localLine) isBroken() bool { return false }
func (l localLine) close()         {}

func allFailed(n int, err error) []Result {
	results := make([]Result, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}

// lineGrace is how long a leader's answers are waited for after another one is
// known.
const lineGrace = 300 * time.Millisecond

// remoteLine leads to the leader that another member is.
type remoteLine struct {
	to     route
	stream Proposals
	end    context.CancelFunc
	broken atomic.Bool
}

// openLine connects to the leader. An error means that nothing was sent.
func (n *Node) openLine(to route) (line, error) {
	if to.local {
		return localLine{n.raft}, nil
	}
	if to.id == "" {
		return nil, ErrNotLeader
	}
	ctx, end := context.WithCancel(context.Background())
	opening := time.AfterFunc(n.cfg.HeartbeatTimeout, end)
	stream, err := n.cfg.Peers.Peer(to.addr).Propose(ctx)
	if !opening.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("%w: leader %s at %s cannot be reached: %w", ErrNotLeader, to.id, to.addr, err)
	}
	l := &remoteLine{to: to, stream: stream, end: end}
	n.loops.Go(func() { n.watchLine(ctx, l) })
	return l, nil
}

// watchLine ends l when the node stops, and some time after somebody else leads.
func (n *Node) watchLine(ctx context.Context, l *remoteLine) {
	for {
		changed := n.leaders.changed()
		if now := n.route(); now != (route{}) && now != l.to {
			l.broken.Store(true)
			select {
			case <-time.After(lineGrace):
				l.end()
			case <-ctx.Done():
			case <-n.stop:
				l.end()
			}
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-n.stop:
			l.stopping(lineGrace)
			return
		}
	}
}

// stopping lets answers under way arrive when the node stops.
func (l *remoteLine) stopping(grace time.Duration) { time.AfterFunc(grace, l.end) }

func (l *remoteLine) send(entry []byte, n int) func() []Result {
	if err := l.stream.Send(entry); err != nil {
		l.broken.Store(true)
	}
	return func() []Result { return l.receive(n) }
}

// receive is called once for each send, in order.
func (l *remoteLine) receive(n int) []Result {
	results, err := l.stream.Recv()
	if err == nil && len(results) != n {
		err = fmt.Errorf("%d results for %d commands", len(results), n)
	}
	if err != nil {
		l.broken.Store(true)
		l.end()
		return allFailed(n, unknownOutcome(fmt.Errorf("leader %s at %s: %w", l.to.id, l.to.addr, err)))
	}
	return results
}

func (l *remoteLine) isBroken() bool { return l.broken.Load() }
func (l *remoteLine) close()         { l.end() }
