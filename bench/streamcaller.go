package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// streamCaller has one stream with many requests in flight. Its own goroutine
// sends; another one, which ends before run returns, receives and counts.
type streamCaller struct {
	load   *Load
	open   func(context.Context, ...grpc.CallOption) (checkStream, error)
	source *Source
	tally  *tally
	free   chan int // slots without a request in flight; a slot belongs to who took it
	mu     sync.Mutex
	slots  []slot
	closed bool // the sender has ended its side
}

type checkStream = grpc.BidiStreamingClient[pb.StreamCheckRequest, pb.StreamCheckResponse]

// slot is a request in flight. Its index is the request's id.
type slot struct {
	busy      bool
	due       time.Time
	questions []Question
}

func newStreamCaller(l *Load, conn *grpc.ClientConn, source *Source, t *tally) *streamCaller {
	c := &streamCaller{load: l, open: pb.NewPermissionServiceClient(conn).StreamCheck, source: source, tally: t}
	if l.Op == StreamEcho {
		c.open = pb.NewBenchServiceClient(conn).StreamEcho
	}
	c.slots = make([]slot, l.inFlight())
	c.free = make(chan int, len(c.slots))
	for i := range c.slots {
		c.slots[i].questions = make([]Question, l.batch())
		c.free <- i
	}
	return c
}

func (c *streamCaller) run(ctx context.Context, p *pace) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := c.open(ctx)
	if err != nil {
		return err
	}
	var receiver sync.WaitGroup
	var failed error
	receiver.Go(func() {
		if failed = c.receive(stream); failed != nil {
			cancel(failed) // the sender may wait for a slot
		}
	})
	c.send(ctx, stream, p)
	receiver.Wait()
	return failed
}

// send sends requests until the run is over. Its errors are the receiver's, too.
func (c *streamCaller) send(ctx context.Context, stream checkStream, p *pace) {
	for {
		var i int
		select {
		case i = <-c.free:
		case <-ctx.Done():
			return
		}
		s := &c.slots[i]
		for k := range s.questions {
			s.questions[k] = c.source.Next()
		}
		message := c.message(uint64(i), s)
		due, ok := p.next(ctx)
		c.mu.Lock()
		s.due, s.busy, c.closed = due, ok, !ok
		c.mu.Unlock()
		if !ok {
			_ = stream.CloseSend()
			return
		}
		if stream.Send(message) != nil {
			return
		}
	}
}

func (c *streamCaller) message(id uint64, s *slot) *pb.StreamCheckRequest {
	m := &pb.StreamCheckRequest{Id: id}
	if len(s.questions) == 1 {
		m.Question = &pb.StreamCheckRequest_Check{Check: s.questions[0].Request(c.load.Tenant)}
	} else {
		m.Question = &pb.StreamCheckRequest_Batch{Batch: batchMessage(s.questions, c.load.Tenant)}
	}
	return m
}

// receive counts answers until the server ends the stream.
func (c *streamCaller) receive(stream checkStream) error {
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return c.ended()
		}
		if err != nil {
			return err
		}
		due, ok := c.answered(answer.GetId())
		if !ok {
			return fmt.Errorf("an answer to request %d, which is not in flight", answer.GetId())
		}
		if err := c.count(answer, due); refused(err) {
			c.tally.refused++
		} else if err != nil {
			return err
		}
		c.free <- int(answer.GetId())
	}
}

// ended is the error of a stream that the server ended as if all were well.
func (c *streamCaller) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	unanswered := 0
	for i := range c.slots {
		if c.slots[i].busy {
			unanswered++
		}
	}
	if unanswered > 0 || !c.closed {
		return fmt.Errorf("the server ended the stream with %d requests unanswered", unanswered)
	}
	return nil
}

// answered takes a request out of flight and returns when it was due.
func (c *streamCaller) answered(id uint64) (due time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id >= uint64(len(c.slots)) || !c.slots[id].busy {
		return time.Time{}, false
	}
	c.slots[id].busy = false
	return c.slots[id].due, true
}

func (c *streamCaller) count(answer *pb.StreamCheckResponse, due time.Time) error {
	questions := c.slots[answer.GetId()].questions
	if e := answer.GetError(); e != nil {
		return statusOf(e, questions[0])
	}
	c.tally.answered(due, len(questions))
	if batch := answer.GetBatch(); batch != nil {
		results := batch.GetResults()
		return c.tally.batch(questions, len(results), func(i int) (pb.Decision, *pb.Error) {
			return results[i].GetDecision(), results[i].GetError()
		})
	}
	c.tally.decision(answer.GetCheck().GetDecision())
	c.tally.sample.keep(Answered{questions[0], c.tally.op, answer.GetCheck().GetDecision()})
	return nil
}

func (c *streamCaller) tallies() []*tally { return []*tally{c.tally} }

func (c *streamCaller) cleanUp(context.Context) error { return nil }
