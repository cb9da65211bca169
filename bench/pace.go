package bench

import (
	"context"
	"sync/atomic"
	"time"
)

// pace says when the next request of a run is due, and when the run is over. It
// is shared by all callers.
//
// Without a rate it is a closed loop: a request is due when its caller is free.
// With one it is an open loop: request i is due i/rate after the start, whether
// or not a caller is free then, so that a server that stands still is charged for
// every request that would have come meanwhile.
type pace struct {
	load  Load // a copy: what begin started may outlive the run for a moment
	start time.Time
	end   chan struct{} // closed when the duration is over
	left  atomic.Int64  // closed loop with a bound: requests not yet begun
	due   chan int64    // open loop: nanoseconds after start, in order; closed at the end
	taken atomic.Int64  // open loop: requests begun
	lag   atomic.Int64  // open loop: nanoseconds by which the newest of them was begun late
}

// dueAhead is how many due requests may wait in the channel. Those behind them
// keep the time at which they are due.
const dueAhead = 1 << 12

// begin starts the clock. The end of ctx ends what it started.
func (l *Load) begin(ctx context.Context) *pace {
	p := &pace{load: *l, start: time.Now(), end: make(chan struct{})}
	p.left.Store(l.Requests)
	if l.Duration > 0 {
		timer := time.AfterFunc(l.Duration, func() { close(p.end) })
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
	if l.Rate > 0 {
		p.due = make(chan int64, dueAhead)
		go p.feed(ctx, l.arrivals())
	}
	return p
}

// arrivals is the number of requests that an open loop offers.
func (l *Load) arrivals() int64 {
	n := int64(l.Rate * l.Duration.Seconds())
	if l.Duration <= 0 || l.Requests > 0 && l.Requests < n {
		n = l.Requests
	}
	return n
}

// at is when the i-th request is due, in nanoseconds after the start.
func (l *Load) at(i int64) int64 { return int64(float64(i) / l.Rate * 1e9) }

// feed hands out n requests when they are due. With a duration, those that no
// caller has begun when it is over stay behind.
func (p *pace) feed(ctx context.Context, n int64) {
	defer close(p.due)
	sleep := preciseSleep()
	for i := range n {
		at := p.load.at(i)
		for ctx.Err() == nil && !p.isOver() {
			wait := time.Duration(at) - time.Since(p.start)
			if wait <= 0 {
				break
			}
			sleep(wait)
		}
		select {
		case p.due <- at:
		case <-p.end:
			return
		case <-ctx.Done():
			return
		}
	}
}

// next waits until a request is due and returns that time. false: the run is over.
func (p *pace) next(ctx context.Context) (time.Time, bool) {
	if p.due == nil {
		if p.isOver() || ctx.Err() != nil || p.load.Requests > 0 && p.left.Add(-1) < 0 {
			return time.Time{}, false
		}
		return time.Now(), true
	}
	select {
	case at, ok := <-p.due:
		if !ok || p.isOver() {
			return time.Time{}, false
		}
		p.taken.Add(1)
		p.lag.Store(int64(time.Since(p.start)) - at)
		return p.start.Add(time.Duration(at)), true
	case <-ctx.Done():
		return time.Time{}, false
	}
}

func (p *pace) isOver() bool {
	select {
	case <-p.end:
		return true
	default:
		return false
	}
}

// unsent enters into t what the requests that no caller began have waited so far,
// and returns their number: leaving them out would make a run look better the
// longer the server stood still.
func (p *pace) unsent(t *tally) int64 {
	if p.due == nil {
		return 0
	}
	waited, n := time.Since(p.start), p.load.arrivals()
	for i := p.taken.Load(); i < n; i++ {
		record(t.times, waited-time.Duration(p.load.at(i)))
	}
	return n - p.taken.Load()
}

// behind reports whether the offered rate was not reached: requests stayed
// behind, or the last ones came later than a hundredth of the run.
func (p *pace) behind(unsent int64) bool {
	const allowed = 100
	return unsent > 0 || p.lag.Load() > p.load.at(p.load.arrivals())/allowed
}
