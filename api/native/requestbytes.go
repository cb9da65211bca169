package native

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pemba-authz/pemba/authz"
)

// requestBytes bounds the bytes of the large requests under way, as they are on
// the wire: from before they are decoded until they are answered. Small ones are
// not counted. In memory a request takes several times as much. nil = no bound.
type requestBytes struct {
	most int64
	held atomic.Int64

	waiting atomic.Int32 // length of queue
	mu      sync.Mutex
	queue   []*byteWaiter // guarded by mu; first come, first served
}

// byteWaiter waits for bytes.
type byteWaiter struct {
	n       int64
	granted chan struct{} // closed once the bytes are the waiter's
}

// smallRequest is the most bytes of a request that is not counted. A check
// without context has some hundred.
const smallRequest = 4 << 10

func newRequestBytes(most int) *requestBytes { return &requestBytes{most: int64(most)} }

// weight is what a request of n bytes counts for. One that is larger than the
// bound counts for all of it, so that it can be served alone.
func (b *requestBytes) weight(n int) int64 {
	if b == nil || n <= smallRequest {
		return 0
	}
	return min(int64(n), b.most)
}

// take takes n bytes, or reports false.
func (b *requestBytes) take(n int64) bool {
	for n > 0 {
		held := b.held.Load()
		if held+n > b.most {
			return false
		}
		if b.held.CompareAndSwap(held, held+n) {
			break
		}
	}
	return true
}

// give gives n bytes back.
func (b *requestBytes) give(n int64) {
	if n == 0 {
		return
	}
	b.held.Add(-n)
	if b.waiting.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grantLocked()
}

// grantLocked serves those who wait, as far as it gets.
func (b *requestBytes) grantLocked() {
	for len(b.queue) > 0 && b.take(b.queue[0].n) {
		close(b.queue[0].granted)
		b.queue[0] = nil
		b.queue = b.queue[1:]
	}
	b.waiting.Store(int32(len(b.queue)))
}

// await takes n bytes, and waits for them if need be, until ctx ends or for as
// long as patience lasts.
func (b *requestBytes) await(ctx context.Context, n int64, patience time.Duration) error {
	if n == 0 || b.waiting.Load() == 0 && b.take(n) {
		return nil
	}
	w := b.enqueue(n)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = b.exhausted()
	}
	if b.leave(w) {
		return err
	}
	return nil // granted at the same moment
}

func (b *requestBytes) enqueue(n int64) *byteWaiter {
	w := &byteWaiter{n, make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, w)
	b.waiting.Store(int32(len(b.queue))) // before the last look, so that give sees it
	b.grantLocked()
	return w
}

// leave takes w out of the queue; false = it has its bytes.
func (b *requestBytes) leave(w *byteWaiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.queue {
		if b.queue[i] == w {
			b.queue = append(b.queue[:i:i], b.queue[i+1:]...)
			b.grantLocked() // those behind it may need less
			return true
		}
	}
	return false
}

// tooLarge refuses a message for what it is of, where gRPC would take it.
func tooLarge(n, most int) *authz.Error {
	return &authz.Error{Code: authz.Invalid, Reason: "TOO_LONG",
		Message: fmt.Sprintf("the request has %d bytes", n), Fix: fmt.Sprintf("this service takes at most %d", most)}
}

func (b *requestBytes) exhausted() *authz.Error {
	return &authz.Error{Code: authz.ResourceExhausted, Reason: "TOO_MANY_BYTES",
		Message: fmt.Sprintf("large requests of %d bytes in all are under way", b.held.Load()),
		Fix:     "try again shortly, with smaller requests or fewer at a time"}
}
