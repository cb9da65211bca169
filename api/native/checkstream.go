package native

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/proto/codec"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// maxWaiting is how many questions of one stream may wait for another node or
// for a revision at a time. More are not taken from the stream.
const maxWaiting = 1024

// checkStream is one stream of checks. A few goroutines take turns at receiving:
// whoever has received a question answers it and sends the answer, while the
// next receives. So a question is taken only when somebody is free to answer it,
// and flow control does the rest.
type checkStream struct {
	server *permissionServer
	stream grpc.ServerStream
	ctx    context.Context

	receiving sync.Mutex
	sending   sync.Mutex
	begun     time.Time
	admitted  atomic.Int64  // when the key was last looked at, in ns from begun
	since     atomic.Int64  // when the send under way began, in ns from begun; 0 = none is
	closed    atomic.Bool   // no further send begins; seen by whoever holds sending
	waiting   chan struct{} // one element for each question that waits
	workers   sync.WaitGroup
}

// serveStream is the handler of StreamCheck: it answers questions as they come.
func serveStream(srv any, stream grpc.ServerStream) error {
	s := srv.(*permissionServer)
	leave, err := s.streams.stay()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.streams.lasting(stream.Context())
	defer cancel()
	c := &checkStream{server: s, stream: stream, ctx: ctx, begun: time.Now(), waiting: make(chan struct{}, maxWaiting)}
	ended := make(chan error, 1)
	n := max(2, runtime.GOMAXPROCS(0))
	for range n {
		c.workers.Go(func() {
			if err := c.work(); err != nil {
				select {
				case ended <- err:
				default:
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		c.workers.Wait()
		close(done)
	}()
	if err := c.await(done, ended); err != nil {
		c.close()
		return err
	}
	return nil
}

// await returns once all workers have ended, or with the first reason to end
// the stream before. A worker that receives or sends then is freed by the end of
// the handler.
func (c *checkStream) await(done <-chan struct{}, ended <-chan error) error {
	stall := c.server.streams.stall
	look := time.NewTicker(max(stall/2, time.Millisecond))
	defer look.Stop()
	for {
		select {
		case <-done:
			select {
			case err := <-ended:
				return err
			default:
				return nil
			}
		case err := <-ended:
			return err
		case <-c.ctx.Done():
			return stopped(c.ctx, context.Cause(c.ctx))
		case <-look.C:
			if c.sendingFor() >= stall {
				return slowReader(stall)
			}
		}
	}
}

// close keeps the workers from sending behind the handler's back, but for a send
// that the client does not take: the end of the handler ends it.
func (c *checkStream) close() {
	c.closed.Store(true)
	over := make(chan struct{})
	go func() {
		defer close(over)
		c.sending.Lock()
		defer c.sending.Unlock()
	}()
	select {
	case <-over:
	case <-time.After(c.server.streams.stall - c.sendingFor()):
	}
}

// sendingFor is how long the send under way has been.
func (c *checkStream) sendingFor() time.Duration {
	since := c.since.Load()
	if since == 0 {
		return 0
	}
	return time.Since(c.begun) - time.Duration(since)
}

// streamCall is what one message of a stream takes, to be used again.
type streamCall struct {
	asked  codec.StreamQuestion
	answer codec.StreamAnswer
	room   *batchCall // of batches; nil = there was none yet
}

// work receives and answers until the client has sent everything.
func (c *checkStream) work() (err error) {
	call := new(streamCall)
	for c.ctx.Err() == nil {
		c.receiving.Lock()
		err := c.stream.RecvMsg(&call.asked)
		c.receiving.Unlock()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = c.admit()
		}
		if err != nil {
			return err
		}
		if waits(&call.asked) {
			err = c.answerLater(call)
			call = new(streamCall)
		} else {
			err = c.answer(call)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// admitAgain is how long a stream goes on with a key that is not taken any more.
const admitAgain = time.Second

// admit looks at the stream's key anew: a stream may outlive it.
func (c *checkStream) admit() error {
	if c.server.guard.keys == nil {
		return nil
	}
	now := int64(time.Since(c.begun))
	if now-c.admitted.Load() < int64(admitAgain) {
		return nil
	}
	c.admitted.Store(now)
	_, err := c.server.guard.admit(c.ctx)
	return err
}

// waits reports whether an answer may have to wait for more than this node.
func waits(q *codec.StreamQuestion) bool {
	var consistency *pembav1.Consistency
	switch q.Kind {
	case codec.IsCheck:
		consistency = q.Check.Consistency
	case codec.IsBatch:
		consistency = q.Batch.Consistency
	case codec.IsFrame:
		consistency = q.Frame.GetConsistency()
	}
	switch consistency.GetLevel().(type) {
	case *pembav1.Consistency_AtLeast, *pembav1.Consistency_Exactly, *pembav1.Consistency_Latest:
		return true
	}
	return false
}

// answerLater answers in a goroutine of its own.
func (c *checkStream) answerLater(call *streamCall) error {
	select {
	case c.waiting <- struct{}{}:
	case <-c.ctx.Done():
		return stopped(c.ctx, context.Cause(c.ctx))
	}
	c.workers.Go(func() {
		defer func() { <-c.waiting }()
		_ = c.answer(call) // a stream that is broken tells who receives
	})
	return nil
}

func (c *checkStream) answer(call *streamCall) error {
	if call.asked.Kind == codec.IsFrame {
		return c.answerFrame(call.asked.ID, call.asked.Frame)
	}
	c.server.streamAnswer(c.ctx, call)
	err := c.send(&call.answer)
	if cap(call.asked.Batch.Items) > mostKept {
		*call = streamCall{}
	}
	return err
}

// send sends one message, unless the handler is about to end.
func (c *checkStream) send(reply *codec.StreamAnswer) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.closed.Load() {
		return nil
	}
	c.since.Store(int64(time.Since(c.begun)) | 1) // never 0
	defer c.since.Store(0)
	return c.stream.SendMsg(reply)
}

// streamAnswer answers one message. A panic is that message's error only.
func (s *permissionServer) streamAnswer(ctx context.Context, call *streamCall) {
	measured, name := s.checks, "StreamCheck/Check"
	if call.asked.Kind == codec.IsBatch {
		measured, name = s.batches, "StreamCheck/BatchCheck"
	}
	begun := measured.Begin()
	ctx, span := s.guard.tracer.Sample(ctx, pembav1.PermissionService_ServiceDesc.ServiceName, name)
	defer func() {
		var failed *pembav1.Error
		if p := recover(); p != nil {
			call.answer = s.streamError(call.asked.ID, s.guard.panicked("StreamCheck", p))
		}
		if call.answer.Kind == codec.IsError {
			failed = call.answer.Error
		}
		endItem(begun, span, failed)
	}()
	if err := s.streamDecide(ctx, call); err != nil {
		call.answer = s.streamError(call.asked.ID, stopped(ctx, err))
	}
}

func (s *permissionServer) streamDecide(ctx context.Context, call *streamCall) error {
	a := &call.answer
	a.ID, a.Kind = call.asked.ID, call.asked.Kind
	switch a.Kind {
	case codec.IsCheck:
		return s.check(ctx, &call.asked.Check, &a.Check)
	case codec.IsBatch:
		if call.room == nil {
			call.room = newBatchCall()
		}
		return s.batch(ctx, &call.asked.Batch, &a.Batch, call.room)
	}
	return missing("question", "ask a check, a batch or a frame of checks")
}

func (s *permissionServer) streamError(id uint64, err error) codec.StreamAnswer {
	return codec.StreamAnswer{ID: id, Kind: codec.IsError, Error: s.guard.itemError("", err)}
}
