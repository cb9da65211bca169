package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A mergedCheck is one caller's question on its way in a frame. It is used
// again, unless its caller has left it behind.
type mergedCheck struct {
	done  chan struct{} // has an element once the fields below are set
	timer *time.Timer
	state atomic.Uint32

	answer  *pb.CheckFrameAnswer // what the server said
	place   int                  // of the decision in it
	refused *pb.Error            // or why there is no decision
	broken  error                // or why the server said nothing
}

// States of a mergedCheck. Who moves it away from isAwaited decides.
const (
	isAwaited  = iota
	isAnswered // done has an element, or is about to
	isLeft     // nobody waits
)

var mergedChecks = sync.Pool{New: func() any {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &mergedCheck{done: make(chan struct{}, 1), timer: timer}
}}

// tell lets the caller go on, unless it has left.
func (q *mergedCheck) tell() {
	if q.state.CompareAndSwap(isAwaited, isAnswered) {
		q.done <- struct{}{}
	}
}

// leave gives the question up and reports whether there was no answer yet. Then
// q is on its way for as long as that takes; else it can be released.
func (q *mergedCheck) leave() bool {
	q.timer.Stop()
	if q.state.CompareAndSwap(isAwaited, isLeft) {
		return true
	}
	<-q.done
	return false
}

// release lets another caller use q, which has been told.
func (q *mergedCheck) release() {
	q.answer, q.place, q.refused, q.broken = nil, 0, nil, nil
	q.state.Store(isAwaited)
	mergedChecks.Put(q)
}

// failure is the error that q ended with, nil if it has a decision.
func (q *mergedCheck) failure(addr string) error {
	switch {
	case q.broken != nil:
		return q.broken
	case q.refused != nil:
		return itemError(addr, q.refused)
	}
	return nil
}

// result is the answer of a check that did not fail.
func (q *mergedCheck) result() (Answer, error) {
	p := q.answer
	a := Answer{
		Decision: decisionFrom(p.GetDecisions()[q.place]), Steps: int(p.GetSteps()[q.place]), Reads: int(p.GetReads()[q.place]),
		Token: p.GetToken(), Time: p.GetDecisionTime().AsTime(),
	}
	for _, m := range p.GetMissing() {
		if int(m.GetDecision()) == q.place {
			a.Missing = m.GetMissingContext()
		}
	}
	return a, a.Decision.check()
}

// What a wait came to.
type waited uint8

const (
	told waited = iota // there is an answer
	gone               // the caller's time is over, or it has left
	late               // it takes long; q is still on its way
)

// wait waits for q's answer until end, but for no longer than patience at a
// time: then mayHedge says whether to go on without.
func (q *mergedCheck) wait(ctx context.Context, now, end time.Time, patience time.Duration, mayHedge func(now time.Time) bool) waited {
	q.timer.Reset(min(patience, end.Sub(now)))
	for {
		select {
		case <-q.done:
			q.timer.Stop()
			return told
		case <-ctx.Done():
			if q.leave() {
				return gone
			}
			return told
		case <-q.timer.C:
		}
		now = time.Now()
		switch {
		case !now.Before(end):
			if q.leave() {
				return gone
			}
			return told
		case mayHedge(now):
			return late
		}
		q.timer.Reset(min(patience, end.Sub(now)))
	}
}
