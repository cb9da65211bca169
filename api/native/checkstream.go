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
	stream grpc.BidiStreamingServer[pembav1.StreamCheckRequest, pembav1.StreamCheckResponse]
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

// StreamCheck answers questions as they come.
func (s *permissionServer) StreamCheck(stream grpc.BidiStreamingServer[pembav1.StreamCheckRequest, pembav1.StreamCheckResponse]) error {
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

// work receives and answers until the client has sent everything.
func (c *checkStream) work() (err error) {
	for c.ctx.Err() == nil {
		c.receiving.Lock()
		request, err := c.stream.Recv()
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
		if waits(request) {
			err = c.answerLater(request)
		} else {
			err = c.answer(request)
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
func waits(r *pembav1.StreamCheckRequest) bool {
	consistency := r.GetCheck().GetConsistency()
	if b := r.GetBatch(); b != nil {
		consistency = b.GetConsistency()
	}
	if f := r.GetFrame(); f != nil {
		consistency = f.GetConsistency()
	}
	switch consistency.GetLevel().(type) {
	case *pembav1.Consistency_AtLeast, *pembav1.Consistency_Exactly, *pembav1.Consistency_Latest:
		return true
	}
	return false
}

// answerLater answers in a goroutine of its own.
func (c *checkStream) answerLater(r *pembav1.StreamCheckRequest) error {
	select {
	case c.waiting <- struct{}{}:
	case <-c.ctx.Done():
		return stopped(c.ctx, context.Cause(c.ctx))
	}
	c.workers.Go(func() {
		defer func() { <-c.waiting }()
		_ = c.answer(r) // a stream that is broken tells who receives
	})
	return nil
}

func (c *checkStream) answer(r *pembav1.StreamCheckRequest) error {
	if r.GetFrame() != nil {
		return c.answerFrame(r)
	}
	return c.send(c.server.streamReply(c.ctx, r))
}

// send sends one message, unless the handler is about to end.
func (c *checkStream) send(reply *pembav1.StreamCheckResponse) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.closed.Load() {
		return nil
	}
	c.since.Store(int64(time.Since(c.begun)) | 1) // never 0
	defer c.since.Store(0)
	return c.stream.Send(reply)
}

// streamReply answers one message. A panic is that message's error only.
func (s *permissionServer) streamReply(ctx context.Context, r *pembav1.StreamCheckRequest) (reply *pembav1.StreamCheckResponse) {
	measured, name := s.checks, "StreamCheck/Check"
	if r.GetBatch() != nil {
		measured, name = s.batches, "StreamCheck/BatchCheck"
	}
	call := measured.Begin()
	ctx, span := s.guard.tracer.Sample(ctx, pembav1.PermissionService_ServiceDesc.ServiceName, name)
	defer func() {
		if p := recover(); p != nil {
			reply = s.streamError(r, s.guard.panicked("StreamCheck", p))
		}
		endItem(call, span, reply.GetError())
	}()
	reply, err := s.streamAnswer(ctx, r)
	if err != nil {
		return s.streamError(r, stopped(ctx, err))
	}
	return reply
}

func (s *permissionServer) streamAnswer(ctx context.Context, r *pembav1.StreamCheckRequest) (*pembav1.StreamCheckResponse, error) {
	reply := &pembav1.StreamCheckResponse{Id: r.GetId()}
	switch q := r.GetQuestion().(type) {
	case *pembav1.StreamCheckRequest_Check:
		a, err := s.Check(ctx, q.Check)
		reply.Answer = &pembav1.StreamCheckResponse_Check{Check: a}
		return reply, err
	case *pembav1.StreamCheckRequest_Batch:
		a, err := s.BatchCheck(ctx, q.Batch)
		reply.Answer = &pembav1.StreamCheckResponse_Batch{Batch: a}
		return reply, err
	}
	return nil, missing("question", "ask a check, a batch or a frame of checks")
}

func (s *permissionServer) streamError(r *pembav1.StreamCheckRequest, err error) *pembav1.StreamCheckResponse {
	return &pembav1.StreamCheckResponse{Id: r.GetId(), Answer: &pembav1.StreamCheckResponse_Error{Error: s.guard.itemError("", err)}}
}
