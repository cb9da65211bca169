package cluster

import (
	"sync"
	"time"
)

// freshness knows when a follower's store last had all that a leader had
// committed. That raft has heard of a leader says less: a follower that lags,
// or is being sent a snapshot, hears of it all the time.
type freshness struct {
	mu      sync.Mutex
	since   time.Time // guarded by mu; the store had everything committed by then
	pending time.Time // guarded by mu; when goal was heard of, zero = no goal
	goal    uint64    // guarded by mu; a log index
}

// hear says that a leader has committed up to index now.
func (f *freshness) hear(index uint64, caughtUp func(uint64) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settle(caughtUp)
	if f.pending.IsZero() {
		f.pending, f.goal = time.Now(), index
	}
}

// led says that this node itself led until then.
func (f *freshness) led(until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since.Before(until) {
		f.since = until
	}
	f.pending = time.Time{}
}

// at returns the moment, zero if there never was one.
func (f *freshness) at(caughtUp func(uint64) bool) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settle(caughtUp)
	return f.since
}

func (f *freshness) settle(caughtUp func(uint64) bool) {
	if !f.pending.IsZero() && caughtUp(f.goal) {
		f.since, f.pending = f.pending, time.Time{}
	}
}
