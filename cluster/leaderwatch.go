package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// leaderWatch wakes those who wait for another leader.
type leaderWatch struct {
	mu   sync.Mutex
	next chan struct{} // guarded by mu; closed at the next change
}

// changed returns a channel that closes when the leader that this node knows,
// or its own part, changes next.
func (w *leaderWatch) changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil {
		w.next = make(chan struct{})
	}
	return w.next
}

func (w *leaderWatch) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next != nil {
		close(w.next)
		w.next = nil
	}
}

// watchLeader runs until the node stops and passes raft's news on.
func (n *Node) watchLeader() {
	news := make(chan raft.Observation, 16) // a lost one is caught up by the next
	o := raft.NewObserver(news, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	n.raft.RegisterObserver(o)
	defer n.raft.DeregisterObserver(o)
	for {
		select {
		case <-news:
			n.leaders.notify()
		case <-n.stop:
			return
		}
	}
}

// leader returns who leads as far as this node knows, and where its node port
// is; "" = nobody.
func (n *Node) leader() (id, addr string) {
	a, i := n.raft.LeaderWithID()
	return string(i), string(a)
}

// isRouted reports whether this node passes on what only a leader can do.
func (n *Node) isRouted() bool { return n.cfg.Peers != nil }

// search bounds how long a request looks for a leader.
type search struct {
	until time.Time
	pause time.Duration
}

const (
	firstPause = 5 * time.Millisecond
	maxPause   = 100 * time.Millisecond
	// searchTimeouts is how many election timeouts a request waits for a leader:
	// two are what an election takes at worst when no ballot splits.
	searchTimeouts = 5
)

// again waits until trying once more may help, and reports whether it may: not
// after the end of ctx, nor after a while without a leader. changed is from
// before the try.
func (n *Node) again(ctx context.Context, s *search, changed <-chan struct{}) bool {
	now := time.Now()
	if s.until.IsZero() {
		s.until, s.pause = now.Add(searchTimeouts*n.cfg.ElectionTimeout), firstPause
	}
	if !n.isRouted() || !now.Before(s.until) || ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(min(s.pause, s.until.Sub(now)))
	defer timer.Stop()
	s.pause = min(2*s.pause, maxPause)
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return false
	case <-n.stop:
		return false
	case <-n.failed:
		return false
	}
	return true
}
