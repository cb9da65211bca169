package client

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

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
