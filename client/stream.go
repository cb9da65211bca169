package client

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A CheckStream answers questions over one stream to one server, each in a
// message of its own; Client.Check, which merges them, costs less. It goes on by
// itself on another server. It may be used from any goroutine; each asks and
// waits for its own answer.
type CheckStream struct {
	client *Client

	mu     sync.Mutex
	live   *liveStream // guarded by mu; nil = none yet, or it has ended
	first  int         // guarded by mu: where to look for a server
	closed bool        // guarded by mu
}

// CheckStream returns one that connects when it is first asked. The caller
// closes it.
func (c *Client) CheckStream() *CheckStream {
	return &CheckStream{client: c, first: c.first()}
}

// Close ends the stream. Questions under way fail.
func (s *CheckStream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.live != nil {
		s.live.fail(errClosed)
	}
	return nil
}

var errClosed = &Error{Code: codes.Canceled, Message: "the stream is closed"}

// Check answers one question, as Client.Check does.
func (s *CheckStream) Check(ctx context.Context, r CheckRequest) (Answer, error) {
	c := s.client
	var answer Answer
	err := c.remembering(r.Tenant, r.Consistency, func(at Consistency) error {
		message, err := c.checkMessage(&r, at)
		if err != nil {
			return err
		}
		reply, err := s.ask(ctx, message)
		if err != nil {
			return err
		}
		answer, err = answerFrom(reply)
		return err
	})
	return answer, err
}

// ask asks until a server answers or ctx ends.
func (s *CheckStream) ask(ctx context.Context, question *pb.CheckRequest) (*pb.CheckResponse, error) {
	c := s.client
	ctx, cancel := c.bound(ctx)
	defer cancel()
	pause := firstPause
	for tries := 1; ; tries++ {
		live, err := s.stream()
		if err != nil {
			return nil, err
		}
		reply, err := live.ask(ctx, question, c.patience(ctx))
		if err == nil {
			return reply, nil
		}
		e := errorOf(live.server.addr, err)
		what := cureOf(e)
		if what == nothing || err == errClosed || ctx.Err() != nil {
			return nil, c.final(ctx, e)
		}
		if what == elsewhere {
			s.leave(live, e)
		}
		if tries%len(c.servers) == 0 || what == later {
			if !c.sleep(ctx, pause) {
				return nil, c.final(ctx, e)
			}
			pause = min(2*pause, longestPause)
		}
	}
}

// patience is how long one server has to answer a question: its share of the
// time, if there is another one.
func (c *Client) patience(ctx context.Context) time.Duration {
	end, _ := ctx.Deadline()
	if len(c.servers) == 1 {
		return time.Until(end) + time.Hour // the context ends it
	}
	return time.Until(end) / time.Duration(min(len(c.servers), 4))
}

// stream returns the live stream, or begins one.
func (s *CheckStream) stream() (*liveStream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.live == nil {
		s.live = newLiveStream(s.client, s.client.pick(s.first, 0))
	}
	return s.live, nil
}

// leave turns away from a stream that does not answer.
func (s *CheckStream) leave(live *liveStream, why *Error) {
	live.fail(why)
	s.client.suspect(live.server)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == live {
		s.live = nil
		s.first++
	}
}

// A liveStream is one stream to one server.
type liveStream struct {
	server *server
	cancel context.CancelFunc
	outbox chan *pb.StreamCheckRequest // is taken from as fast as the server takes

	mu      sync.Mutex
	asked   map[uint64]chan *pb.StreamCheckResponse // guarded by mu; by question
	last    uint64                                  // guarded by mu; id of a question
	failure error                                   // guarded by mu until ended is closed
	ended   chan struct{}
}

func newLiveStream(c *Client, s *server) *liveStream {
	ctx, cancel := context.WithCancel(c.closed)
	l := &liveStream{
		server: s, cancel: cancel, outbox: make(chan *pb.StreamCheckRequest, 64), ended: make(chan struct{}),
		asked: map[uint64]chan *pb.StreamCheckResponse{},
	}
	go l.receive(c.outgoing(ctx))
	return l
}

// receive begins the stream and hands out answers until it ends.
func (l *liveStream) receive(ctx context.Context) {
	defer l.cancel()
	stream, err := pb.NewPermissionServiceClient(l.server.conn).StreamCheck(ctx)
	if err != nil {
		l.fail(err)
		return
	}
	go l.send(stream)
	for {
		answer, err := stream.Recv()
		if err != nil {
			l.fail(err)
			return
		}
		l.mu.Lock()
		waiting := l.asked[answer.GetId()]
		delete(l.asked, answer.GetId())
		l.mu.Unlock()
		if waiting != nil {
			waiting <- answer // has room
		}
	}
}

// fail ends the stream for all who wait.
func (l *liveStream) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.ended:
	default:
		l.failure = err
		close(l.ended)
		l.cancel()
	}
}

// errPatience says that a server took a question and did not answer it.
var errPatience = &Error{Code: codes.DeadlineExceeded, Message: "no answer in time"}

// ask sends a question and waits for its answer.
func (l *liveStream) ask(ctx context.Context, question *pb.CheckRequest, patience time.Duration) (*pb.CheckResponse, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	id, answered := l.expect()
	defer l.forget(id)
	message := &pb.StreamCheckRequest{Id: id, Question: &pb.StreamCheckRequest_Check{Check: question}}
	outbox := l.outbox
	for {
		select {
		case outbox <- message:
			outbox = nil // it is sent once
		case answer := <-answered:
			if e := answer.GetError(); e != nil {
				return nil, itemError(l.server.addr, e)
			}
			return answer.GetCheck(), nil
		case <-l.ended:
			return nil, l.failure
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			return nil, errPatience
		}
	}
}

// expect names a question and says where its answer will come.
func (l *liveStream) expect() (uint64, <-chan *pb.StreamCheckResponse) {
	answered := make(chan *pb.StreamCheckResponse, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.asked[l.last] = answered
	return l.last, answered
}

func (l *liveStream) forget(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.asked, id)
}

// send sends what is in the outbox until the stream ends.
func (l *liveStream) send(stream grpc.BidiStreamingClient[pb.StreamCheckRequest, pb.StreamCheckResponse]) {
	for {
		select {
		case m := <-l.outbox:
			if stream.Send(m) != nil {
				return // receive has the reason
			}
		case <-l.ended:
			return
		}
	}
}
