package cluster

import (
	"container/heap"
	"context"
	"sync"

	"github.com/pemba-authz/pemba/store"
)

// applied wakes those who wait for a revision of the store. It exists because
// raft's own applied index runs ahead of the state machine.
type applied struct {
	store *store.Store

	mu      sync.Mutex
	waiters waiterHeap // guarded by mu
}

type waiter struct {
	rev  uint64
	done chan struct{} // closed once rev is applied
	at   int           // index in the heap, -1 when out of it
}

// wait returns a channel that closes once the store has applied rev, and a
// function that gives the wait up; nil, nil if it has already.
func (a *applied) wait(rev uint64) (<-chan struct{}, func()) {
	if a.store.Revision() >= rev {
		return nil, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	// Checked again under mu: advance takes mu after the revision has moved.
	if a.store.Revision() >= rev {
		return nil, nil
	}
	w := &waiter{rev: rev, done: make(chan struct{})}
	heap.Push(&a.waiters, w)
	return w.done, func() { a.leave(w) }
}

func (a *applied) leave(w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.at >= 0 {
		heap.Remove(&a.waiters, w.at)
	}
}

// advance wakes the waiters whose revision is applied. The apply goroutine
// calls it after each batch.
func (a *applied) advance() {
	a.mu.Lock()
	defer a.mu.Unlock()
	rev := a.store.Revision()
	for len(a.waiters) > 0 && a.waiters[0].rev <= rev {
		close(heap.Pop(&a.waiters).(*waiter).done)
	}
}

// Wait returns once the store has applied rev, which may be at once. It fails
// with the context's error, ErrFailed or ErrClosed.
func (n *Node) Wait(ctx context.Context, rev uint64) error {
	done, leave := n.applied.wait(rev)
	if done == nil {
		return nil
	}
	defer leave()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-n.failed:
		return failedBy(n.Err())
	case <-n.closed:
		return ErrClosed
	}
}

// waiterHeap is a container/heap by revision.
type waiterHeap []*waiter

func (h waiterHeap) Len() int           { return len(h) }
func (h waiterHeap) Less(i, j int) bool { return h[i].rev < h[j].rev }
func (h waiterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *waiterHeap) Push(x any) {
	w := x.(*waiter)
	w.at = len(*h)
	*h = append(*h, w)
}

func (h *waiterHeap) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	w.at = -1
	return w
}
