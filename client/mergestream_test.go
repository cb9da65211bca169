package client

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// answerAll allows everything that comes in frames.
func answerAll(s grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
	for {
		r, err := s.Recv()
		if err != nil {
			return err
		}
		if err := s.Send(allowing(r)); err != nil {
			return err
		}
	}
}

// allowing is an answer that allows all of a frame.
func allowing(r *pb.StreamCheckRequest) *pb.StreamCheckResponse {
	n := len(r.GetFrame().GetQuestions()) / 6
	answer := &pb.CheckFrameAnswer{Token: "t", Steps: make([]int32, n), Reads: make([]int32, n)}
	for range n {
		answer.Decisions = append(answer.Decisions, pb.Decision_DECISION_ALLOWED)
	}
	return &pb.StreamCheckResponse{Id: r.GetId(), Answer: &pb.StreamCheckResponse_Frame{Frame: answer}}
}

// deny is a server's answer, other than answerAll's.
func deny(context.Context, *pb.CheckRequest) (*pb.CheckResponse, error) {
	return &pb.CheckResponse{Decision: pb.Decision_DECISION_DENIED, Token: "t"}, nil
}

// A stream that is refused, ends, or answers nonsense costs nobody an answer:
// each check is then asked by itself, which here is denied.
func TestMerge_WithoutAStreamChecksGoByThemselves(t *testing.T) {
	answer := func(make func(*pb.StreamCheckRequest) *pb.StreamCheckResponse) func(grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
		return func(s grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
			for {
				r, err := s.Recv()
				if err != nil {
					return err
				}
				if err := s.Send(make(r)); err != nil {
					return err
				}
			}
		}
	}
	spoilt := func(spoil func(*pb.CheckFrameAnswer)) func(grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
		return answer(func(r *pb.StreamCheckRequest) *pb.StreamCheckResponse {
			p := allowing(r)
			spoil(p.GetFrame())
			return p
		})
	}
	for name, stream := range map[string]func(grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error{
		"unimplemented": nil,
		"refused": func(grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
			return refuse(codes.ResourceExhausted, "TOO_MANY_STREAMS", "")
		},
		"no key": func(grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
			return refuse(codes.Unauthenticated, "NO_KEY", "")
		},
		"ended": func(s grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
			_, _ = s.Recv()
			return nil
		},
		"down": func(s grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
			_, _ = s.Recv()
			return refuse(codes.Unavailable, "SHUTTING_DOWN", "")
		},
		"no frames": answer(func(r *pb.StreamCheckRequest) *pb.StreamCheckResponse {
			return &pb.StreamCheckResponse{Id: r.GetId(), Answer: &pb.StreamCheckResponse_Error{Error: &pb.Error{
				Code: int32(codes.InvalidArgument), Reason: "MISSING_FIELD", Field: "question",
			}}}
		}),
		"another id": answer(func(r *pb.StreamCheckRequest) *pb.StreamCheckResponse {
			p := allowing(r)
			p.Id++
			return p
		}),
		"no answer":     answer(func(r *pb.StreamCheckRequest) *pb.StreamCheckResponse { return &pb.StreamCheckResponse{Id: r.GetId()} }),
		"too many":      spoilt(func(a *pb.CheckFrameAnswer) { a.Decisions = append(a.Decisions, a.Decisions...) }),
		"none":          spoilt(func(a *pb.CheckFrameAnswer) { a.Decisions = nil }),
		"no steps":      spoilt(func(a *pb.CheckFrameAnswer) { a.Steps = nil }),
		"outside":       spoilt(func(a *pb.CheckFrameAnswer) { a.Questions = []uint32{1 << 31} }),
		"error outside": spoilt(func(a *pb.CheckFrameAnswer) { a.Errors = []*pb.CheckFrameAnswer_FrameError{{Decision: 1 << 31}} }),
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{check: deny, stream: stream}
			c := dial(t, Config{Addrs: []string{f.serve(t)}})
			awaitReady(t, c)
			var workers sync.WaitGroup
			for range 4 {
				workers.Go(func() {
					for range 10 {
						a, err := c.Check(within(t, 10*time.Second), ask(t, "doc:a#view@user:ann"))
						if err != nil || a.Decision != Denied {
							t.Errorf("got %+v, %v", a, err)
						}
					}
				})
			}
			workers.Wait()
			// A stream that is refused at once may be so before a frame is written.
			if c.frames() == 0 && name != "unimplemented" && name != "refused" && name != "no key" {
				t.Error("no frame was tried")
			}
		})
	}
}

// held answers frames when it is told to, the n-th for each n that comes.
func held(release <-chan struct{}) func(grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
	return func(s grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
		for {
			r, err := s.Recv()
			if err != nil {
				return err
			}
			select {
			case <-release:
			case <-s.Context().Done():
				return nil
			}
			if err := s.Send(allowing(r)); err != nil {
				return err
			}
		}
	}
}

func TestMerge_WhoLeavesDoesNotDisturbOthers(t *testing.T) {
	release := make(chan struct{})
	f := &fake{check: deny, stream: held(release)}
	c := dial(t, Config{Addrs: []string{f.serve(t)}, HedgeAfter: -1})
	awaitReady(t, c)
	type end struct {
		a   Answer
		err error
	}
	stays, leaves, short := make(chan end, 3), make(chan end, 1), make(chan end, 1)
	ctx, leave := context.WithCancel(t.Context())
	check := func(ctx context.Context, to chan end) {
		a, err := c.Check(ctx, ask(t, "doc:a#view@user:ann"))
		to <- end{a, err}
	}
	go check(t.Context(), stays)
	await(t, func() bool { return c.frames() == 1 }) // the rest share the next frame
	go check(ctx, leaves)
	go check(within(t, 20*time.Millisecond), short)
	go check(t.Context(), stays)
	await(t, func() bool { return c.queued() == 3 })
	leave()
	if e := <-leaves; !errors.Is(e.err, context.Canceled) {
		t.Errorf("who leaves gets %v", e.err)
	}
	if e := <-short; !errors.Is(e.err, context.DeadlineExceeded) {
		t.Errorf("who has no time gets %v", e.err)
	}
	close(release)
	for range 2 {
		if e := <-stays; e.err != nil || !e.a.Allowed() {
			t.Errorf("who stays gets %+v, %v", e.a, e.err)
		}
	}
}

// queued is how many questions wait in lanes.
func (c *Client) queued() int {
	m := c.servers[0].merger
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, l := range m.lanes {
		n += l.queued
	}
	return n
}

func TestMerge_TimeoutBoundsACallWithoutDeadline(t *testing.T) {
	f := &fake{check: deny, stream: held(nil)}
	c := dial(t, Config{Addrs: []string{f.serve(t)}, HedgeAfter: -1, Timeout: 50 * time.Millisecond})
	awaitReady(t, c)
	if _, err := c.Check(context.Background(), ask(t, "doc:a#view@user:ann")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestMerge_AStreamThatSaysNothingIsGoneAround(t *testing.T) {
	silent, good := &fake{check: deny, stream: held(nil)}, &fake{check: deny, stream: held(nil)}
	for _, addrs := range [][]string{{silent.serve(t)}, {silent.serve(t), good.serve(t)}} {
		c := dial(t, Config{Addrs: addrs, HedgeAfter: 20 * time.Millisecond})
		awaitReady(t, c)
		var workers sync.WaitGroup
		for range 3 * maxHedging {
			workers.Go(func() {
				if a, err := c.Check(within(t, 10*time.Second), ask(t, "doc:a#view@user:ann")); err != nil || a.Decision != Denied {
					t.Errorf("%d servers: %+v, %v", len(addrs), a, err)
				}
			})
		}
		workers.Wait()
	}
}

func TestMerge_OneKindOfQuestionDoesNotWaitForAnother(t *testing.T) {
	f := &fake{check: deny, stream: func(s grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
		for {
			r, err := s.Recv()
			if err != nil {
				return err
			}
			if r.GetFrame().GetConsistency() != nil {
				continue // what waits is never answered
			}
			if err := s.Send(allowing(r)); err != nil {
				return err
			}
		}
	}}
	c := dial(t, Config{Addrs: []string{f.serve(t)}, HedgeAfter: -1})
	awaitReady(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	for i := range 20 {
		workers.Go(func() {
			r := ask(t, "doc:a#view@user:ann")
			r.Consistency = AtLeast("t")
			_, _ = c.Check(ctx, r)
		})
		if i == 0 {
			await(t, func() bool { return c.frames() == 1 })
		}
	}
	await(t, func() bool { return c.queued() > 0 })
	if a, err := c.Check(within(t, 10*time.Second), ask(t, "doc:a#view@user:ann")); err != nil || !a.Allowed() {
		t.Errorf("got %+v, %v", a, err)
	}
}
