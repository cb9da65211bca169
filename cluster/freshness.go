package cluster

import (
	"context"
	"sync/atomic"
	"time"
)

// freshness knows when this node's store last had all that was committed. Only
// what the node has asked for itself counts: a message that just came in may
// have waited, in the buffers of a process that was stopped or behind a cut
// that has healed, for as long as either lasted.
type freshness struct {
	began time.Time    // before anything could be heard
	since atomic.Int64 // nanoseconds after began, from 1 on; 0 = never
}

// confirm says that the store has all that was committed at t.
func (f *freshness) confirm(t time.Time) {
	next := max(1, int64(t.Sub(f.began)))
	for {
		last := f.since.Load()
		if last >= next || f.since.CompareAndSwap(last, next) {
			return
		}
	}
}

// age is how long ago that was, a very long time if it never was.
func (f *freshness) age() time.Duration {
	since := f.since.Load()
	if since == 0 {
		return time.Duration(1<<63 - 1)
	}
	return time.Since(f.began) - time.Duration(since)
}

// freshRetry is the pause after a round without an answer.
const freshRetry = 50 * time.Millisecond

// keepFresh runs until the node stops and begins a read index round twice in
// each heartbeat timeout, so that the node knows how old its views are.
func (n *Node) keepFresh() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n.endWithNode(ctx, cancel)
	for {
		asked := time.Now()
		rev, err := n.joinRound(ctx)
		if err == nil {
			err = n.Wait(ctx, rev)
		}
		pace := n.cfg.HeartbeatTimeout / 2
		if err == nil {
			n.fresh.confirm(asked)
		} else {
			pace = min(pace, freshRetry)
		}
		timer := time.NewTimer(pace)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// LastContact bounds how old this node's views are: so long ago its store had
// all that a leader had then committed. It is 0 on a leader that leads a
// majority, and a very long time when the node has never caught up with one.
func (n *Node) LastContact() time.Duration {
	if n.hasNobody() {
		return 0
	}
	age := n.fresh.age()
	if age < n.cfg.HeartbeatTimeout && n.IsLeader() {
		return 0
	}
	return age
}

// hasNobody reports whether there cannot be another member.
func (n *Node) hasNobody() bool { return n.cfg.RaftAddr == "" && n.cfg.Transport == nil }
