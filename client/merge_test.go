package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/pemba-authz/pemba/internal/testserver"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// frames is how many frames c has sent.
func (c *Client) frames() uint64 {
	var n uint64
	for _, s := range c.servers {
		s.merger.mu.Lock()
		n += s.merger.last
		s.merger.mu.Unlock()
	}
	return n
}

// questions are one of every kind that can go right or wrong.
func questions(t testing.TB, token string) map[string]CheckRequest {
	t.Helper()
	foreign := testserver.Open(t)
	foreign.WriteSchema(schema)
	other := dial(t, Config{Addrs: []string{foreign.Serve(testserver.Config{}).Addr}})
	elsewhere := touch(t, other, "doc:a#viewer@user:ann")
	base := ask(t, "doc:a#view@user:ann")
	with := func(change func(*CheckRequest)) CheckRequest {
		r := base
		change(&r)
		return r
	}
	at := func(c Consistency) CheckRequest { return with(func(r *CheckRequest) { r.Consistency = c }) }
	return map[string]CheckRequest{
		"allowed":           base,
		"denied":            ask(t, "doc:a#view@user:bob"),
		"conditional":       ask(t, "doc:a#view@user:kim"),
		"context":           with(func(r *CheckRequest) { r.Subject.ID, r.Context = "kim", map[string]any{"age": 20} }),
		"context denies":    with(func(r *CheckRequest) { r.Subject.ID, r.Context = "kim", map[string]any{"age": 2} }),
		"context of no use": with(func(r *CheckRequest) { r.Subject.ID, r.Context = "kim", map[string]any{"age": "x"} }),
		"context too long":  with(func(r *CheckRequest) { r.Context = map[string]any{"age": strings.Repeat("x", 70_000)} }),
		"contextual tuple": with(func(r *CheckRequest) {
			r.Subject.ID, r.Contextual = "bob", []tuple.Tuple{parse(t, "doc:a#owner@user:bob")}
		}),
		"relation":            ask(t, "doc:a#viewer@user:ann"),
		"no such object":      ask(t, "doc:zzz#view@user:ann"),
		"type":                with(func(r *CheckRequest) { r.Object.Type = "dok" }),
		"no type":             with(func(r *CheckRequest) { r.Object.Type = "" }),
		"no id":               with(func(r *CheckRequest) { r.Object.ID = "" }),
		"bad id":              with(func(r *CheckRequest) { r.Object.ID = "a b" }),
		"long id":             with(func(r *CheckRequest) { r.Object.ID = strings.Repeat("x", 2000) }),
		"very long id":        with(func(r *CheckRequest) { r.Object.ID = strings.Repeat("x", 20_000) }),
		"not UTF-8":           with(func(r *CheckRequest) { r.Object.ID = "\xff" }),
		"permission":          with(func(r *CheckRequest) { r.Permission = "fly" }),
		"no permission":       with(func(r *CheckRequest) { r.Permission = "" }),
		"subject's type":      with(func(r *CheckRequest) { r.Subject.Type = "robot" }),
		"no subject":          with(func(r *CheckRequest) { r.Subject = tuple.Subject{} }),
		"wildcard":            with(func(r *CheckRequest) { r.Subject.ID = "*" }),
		"subject's relation":  with(func(r *CheckRequest) { r.Subject.Relation = "friend" }),
		"plain":               with(func(r *CheckRequest) { r.Subject.Relation = "..." }),
		"tenant":              with(func(r *CheckRequest) { r.Tenant = "nobody" }),
		"reserved tenant":     with(func(r *CheckRequest) { r.Tenant = "_pemba" }),
		"tenant not UTF-8":    with(func(r *CheckRequest) { r.Tenant = "\xff" }),
		"any":                 at(Any()),
		"latest":              at(Latest()),
		"at least":            at(AtLeast(token)),
		"exactly":             at(Exactly(token)),
		"exactly, no token":   at(Exactly("")),
		"no token":            at(AtLeast("junk")),
		"long token":          at(AtLeast(strings.Repeat("x", 1000))),
		"foreign token":       at(AtLeast(elsewhere)),
		"token and type":      with(func(r *CheckRequest) { r.Object.Type, r.Consistency = "dok", AtLeast("junk") }),
		"token and no object": with(func(r *CheckRequest) { r.Permission, r.Consistency = "", AtLeast("junk") }),
	}
}

// outcome is what a caller sees, but for what is never twice the same.
type outcome struct {
	Answer Answer
	Err    *Error
}

func outcomeOf(a Answer, err error) outcome {
	a.Time, a.Steps, a.Reads = time.Time{}, 0, 0 // an answer from the cache costs nothing
	var e *Error
	if err != nil && !errors.As(err, &e) {
		e = &Error{Message: "no *Error: " + err.Error()}
	}
	return outcome{a, e}
}

func TestMerge_AnswersAsEachCheckByItself(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	addr := node.Serve(testserver.Config{}).Addr
	alone := dial(t, Config{Addrs: []string{addr}, Merge: MergeNever})
	merged := dial(t, Config{Addrs: []string{addr}})
	awaitReady(t, merged)
	token := touch(t, alone, "doc:a#viewer@user:ann", `doc:a#viewer@user:kim[adult]`)
	all := questions(t, token)
	want := map[string]outcome{}
	for name, r := range all {
		want[name] = outcomeOf(alone.Check(within(t, 10*time.Second), r))
	}
	for name, r := range all {
		if diff := cmp.Diff(want[name], outcomeOf(merged.Check(within(t, 10*time.Second), r))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	// All at once, again and again, so that frames hold some of each.
	var workers sync.WaitGroup
	for range 8 {
		for name, r := range all {
			workers.Go(func() {
				for range 5 {
					if diff := cmp.Diff(want[name], outcomeOf(merged.Check(within(t, 20*time.Second), r))); diff != "" {
						t.Errorf("%s, among others: %s", name, diff)
					}
				}
			})
		}
	}
	workers.Wait()
	if n := merged.frames(); n < 50 {
		t.Errorf("only %d frames were sent", n)
	}
	if n := alone.frames(); n != 0 {
		t.Errorf("%d frames were sent where there should be none", n)
	}
}

func TestMerge_CountsWorkAndTellsTheTime(t *testing.T) {
	c := open(t, Config{})
	awaitReady(t, c)
	touch(t, c, "doc:a#viewer@user:ann")
	a, err := c.Check(t.Context(), ask(t, "doc:a#view@user:ann"))
	if err != nil || a.Steps == 0 || a.Reads == 0 || time.Since(a.Time) > time.Minute || c.frames() == 0 {
		t.Errorf("got %+v, %v, %d frames", a, err, c.frames())
	}
}

func TestMerge_ManyCallersShareFewMessages(t *testing.T) {
	c := open(t, Config{})
	awaitReady(t, c)
	const callers, calls = 64, 50
	var workers sync.WaitGroup
	for range callers {
		workers.Go(func() {
			for range calls {
				if _, err := c.Check(within(t, 20*time.Second), ask(t, "doc:a#view@user:ann")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	if n := c.frames(); n == 0 || n > callers*calls/4 {
		t.Errorf("%d frames for %d checks", n, callers*calls)
	}
}

func TestMerge_WhatBelongsToOneCallGoesByItself(t *testing.T) {
	var seen atomic.Int64
	f := &fake{check: func(ctx context.Context, r *pb.CheckRequest) (*pb.CheckResponse, error) {
		if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("x-mine")) == 1 {
			seen.Add(1)
		}
		return allow(ctx, r)
	}, stream: answerAll}
	c := dial(t, Config{Addrs: []string{f.serve(t)}})
	awaitReady(t, c)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-mine", "1")
	if _, err := c.Check(ctx, ask(t, "doc:a#view@user:ann")); err != nil || seen.Load() != 1 || c.frames() != 0 {
		t.Errorf("got %v, seen %d times, %d frames", err, seen.Load(), c.frames())
	}
}

func TestConfig_MergesUnlessSomebodyWatchesCalls(t *testing.T) {
	options := []grpc.DialOption{grpc.WithUserAgent("x")}
	for _, c := range []struct {
		config Config
		want   bool
	}{
		{Config{}, true},
		{Config{DialOptions: options}, false},
		{Config{DialOptions: options, Merge: MergeAlways}, true},
		{Config{Merge: MergeNever}, false},
	} {
		if got := c.config.merges(); got != c.want {
			t.Errorf("%+v: %v", c.config, got)
		}
	}
}

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
			if c.frames() == 0 {
				t.Error("no frame was tried")
			}
		})
	}
}

func TestMerge_UnknownDecisionIsAnError(t *testing.T) {
	for _, d := range []pb.Decision{pb.Decision_DECISION_UNSPECIFIED, 77} {
		f := &fake{check: allow, stream: func(s grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
			r, err := s.Recv()
			if err != nil {
				return err
			}
			p := allowing(r)
			p.GetFrame().Decisions[0] = d
			if err := s.Send(p); err != nil {
				return err
			}
			<-s.Context().Done()
			return nil
		}}
		c := dial(t, Config{Addrs: []string{f.serve(t)}})
		awaitReady(t, c)
		if a, err := c.Check(t.Context(), ask(t, "doc:a#view@user:ann")); reasonOf(err) != "NO_DECISION" || a.Allowed() {
			t.Errorf("decision %d: %+v, %v", d, a, err)
		}
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

func TestMerge_CloseEndsWhatIsUnderWay(t *testing.T) {
	f := &fake{check: deny, stream: held(nil)}
	c, err := Dial(Config{Addrs: []string{f.serve(t)}, HedgeAfter: -1})
	if err != nil {
		t.Fatal(err)
	}
	awaitReady(t, c)
	ended := make(chan error, 10)
	for i := range cap(ended) {
		go func() {
			_, err := c.Check(within(t, 20*time.Second), ask(t, "doc:a#view@user:ann"))
			ended <- err
		}()
		if i == 0 {
			await(t, func() bool { return c.frames() == 1 })
		}
	}
	await(t, func() bool { return c.queued() == cap(ended)-1 })
	_ = c.Close()
	for range cap(ended) {
		if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "closed") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := c.Check(t.Context(), ask(t, "doc:a#view@user:ann")); !errors.Is(err, context.Canceled) {
		t.Errorf("after it: %v", err)
	}
}

func TestMerge_AKeyThatIsTakenBackIsNoticed(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	var valid atomic.Bool
	valid.Store(true)
	s := node.Serve(testserver.Config{Keys: func(key string) (string, bool) { return "app", key == "right" && valid.Load() }})
	c := dial(t, Config{Addrs: []string{s.Addr}, Key: "right"})
	awaitReady(t, c)
	if _, err := c.Check(t.Context(), ask(t, "doc:a#view@user:ann")); err != nil || c.frames() == 0 {
		t.Fatalf("got %v, %d frames", err, c.frames())
	}
	valid.Store(false)
	await(t, func() bool {
		_, err := c.Check(within(t, 10*time.Second), ask(t, "doc:a#view@user:ann"))
		return reasonOf(err) == "WRONG_KEY"
	})
}

func TestMerge_GoesOnAfterARestart(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	s := node.Serve(testserver.Config{})
	c := dial(t, Config{Addrs: []string{s.Addr}, Timeout: 20 * time.Second})
	awaitReady(t, c)
	for range 3 {
		before := c.frames()
		var workers sync.WaitGroup
		stop := make(chan struct{})
		for range 8 {
			workers.Go(func() {
				for running(stop) {
					if a, err := c.Check(context.Background(), ask(t, "doc:a#view@user:ann")); err != nil || a.Decision != Denied {
						t.Errorf("got %+v, %v", a, err)
					}
				}
			})
		}
		await(t, func() bool { return c.frames() > before+10 })
		s.Kill()
		s = node.ServeOn(s.Addr, testserver.Config{})
		before = c.frames()
		await(t, func() bool { return c.frames() > before+10 })
		close(stop)
		workers.Wait()
	}
}

// A random history: callers write, ask for what they have written and for what
// nobody has, at every consistency, leave at random, and are always answered
// their own question, by what they have written before.
func TestMerge_RandomHistory(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	node := testserver.Open(t)
	node.WriteSchema(schema)
	servers := []*testserver.Server{node.Serve(testserver.Config{}), node.Serve(testserver.Config{})}
	c := dial(t, Config{Addrs: []string{servers[0].Addr, servers[1].Addr}, ReadYourWrites: true, Spread: true, Timeout: 30 * time.Second})
	awaitReady(t, c)
	touch(t, c, "doc:z#viewer@user:ann")
	var workers sync.WaitGroup
	for w := range 24 {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		workers.Go(func() {
			there := map[int]bool{}
			token := ""
			for range 60 {
				i := rng.IntN(4)
				doc := fmt.Sprintf("doc:%d-%d", w, i)
				if rng.IntN(8) == 0 {
					op := Touch
					if there[i] {
						op = Delete
					}
					var err error
					token, err = c.Write(context.Background(), WriteRequest{Updates: []Update{{op, parse(t, doc+"#viewer@user:ann")}}})
					if err != nil {
						t.Errorf("write: %v", err)
						return
					}
					there[i] = op == Touch
				}
				checkHistory(t, rng, c, doc, there[i], token)
			}
		})
	}
	workers.Wait()
	if c.frames() == 0 {
		t.Error("no frame was sent")
	}
}

func checkHistory(t *testing.T, rng *rand.Rand, c *Client, doc string, there bool, token string) {
	r := ask(t, doc+"#view@user:ann")
	want := Denied
	if there {
		want = Allowed
	}
	switch rng.IntN(5) {
	case 0:
		r.Consistency = Latest()
	case 1:
		if token != "" {
			r.Consistency = AtLeast(token)
		}
	case 2:
		r.Object.ID, want = "z", Allowed
	case 3:
		r.Subject.ID, want = "bob", Denied
	}
	ctx := context.Background()
	if rng.IntN(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(2000))*time.Microsecond)
		defer cancel()
	}
	a, err := c.Check(ctx, r)
	switch {
	case err == nil && a.Decision != want:
		t.Errorf("%s#%s@%s at %v: %v, want %v", r.Object, r.Permission, r.Subject, r.Consistency, a.Decision, want)
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		t.Errorf("%v", err)
	}
}

func TestMerge_AllocatesLessThanACallByItself(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	addr := node.Serve(testserver.Config{}).Addr
	alone, merged := dial(t, Config{Addrs: []string{addr}, Merge: MergeNever}), dial(t, Config{Addrs: []string{addr}})
	awaitReady(t, alone)
	awaitReady(t, merged)
	question := ask(t, "doc:a#view@user:ann")
	before := testing.AllocsPerRun(1000, func() { _, _ = alone.Check(context.Background(), question) })
	after := testing.AllocsPerRun(1000, func() { _, _ = merged.Check(context.Background(), question) })
	if after > before/2 {
		t.Errorf("a lone check allocates %v times, without merging %v", after, before)
	}
}

// Whatever a server says, each caller is told at most once, of its own question.
func FuzzFrame_HandOut(f *testing.F) {
	f.Add([]byte{0x08, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p pb.StreamCheckResponse
		if err := proto.Unmarshal(b, &p); err != nil {
			return
		}
		fr := newFrame()
		checks := make([]*mergedCheck, 3)
		for i := range checks {
			checks[i] = &mergedCheck{done: make(chan struct{}, 1)}
			fr.add(checks[i], &CheckRequest{Permission: "view"}, "", time.Time{})
		}
		n, err := fr.handOut(&p)
		got := 0
		for _, q := range checks {
			select {
			case <-q.done:
				if got++; q.failure("") == nil {
					_, _ = q.result()
				}
			default:
			}
		}
		if n != got {
			t.Fatalf("%d are told, it says %d, %v", got, n, err)
		}
		fr.fail(&Error{})
	})
}

func TestFloor_FramesUnderWayFollowTheNetwork(t *testing.T) {
	start := time.Unix(0, 0)
	var f floor
	if n := f.frames(); n != 1 {
		t.Errorf("at first %d frames", n)
	}
	for _, c := range []struct {
		after, took time.Duration
		want        int
	}{
		{0, 3 * time.Millisecond, 6},
		{time.Second, 200 * time.Microsecond, 1},
		{2 * time.Second, 4 * time.Millisecond, 1},
		{12 * time.Second, 2 * time.Millisecond, 1}, // the span before has the shortest
		{23 * time.Second, 2 * time.Millisecond, 4},
		{34 * time.Second, time.Second, 4},
		{45 * time.Second, time.Second, mostFlying},
	} {
		f.note(start.Add(c.after), c.took)
		if n := f.frames(); n != c.want {
			t.Errorf("after %v: %d frames, want %d", c.after, n, c.want)
		}
	}
}

func TestLane_GoesAtOnceOrInCompany(t *testing.T) {
	for _, c := range []struct {
		queued, flying, always int
		want                   bool
	}{
		{0, 0, 1, false}, {1, 0, 1, true}, {1, 1, 1, false}, {worthFlying, 1, 1, true},
		{worthFlying, mostFlying, mostFlying, false}, {1, 1, 2, true},
	} {
		l := lane{queued: c.queued, flying: c.flying}
		if l.mayGo(c.always) != c.want {
			t.Errorf("%+v", c)
		}
	}
}
