package client

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

func filter(t testing.TB, text string) tuple.Filter {
	t.Helper()
	f, err := tuple.ParseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWrite_HoldsToItsPreconditions(t *testing.T) {
	c := open(t, Config{})
	first := touch(t, c, "doc:a#viewer@user:ann")
	for name, p := range map[string]Precondition{
		"absent": TuplesAbsent(filter(t, "doc:a")), "match": TuplesMatch(filter(t, "doc:b")),
	} {
		_, err := c.Write(t.Context(), WriteRequest{Updates: []Update{{Touch, parse(t, "doc:a#viewer@user:bob")}}, Preconditions: []Precondition{p}})
		if reasonOf(err) != "PRECONDITION_FAILED" {
			t.Errorf("%s: %v", name, err)
		}
	}
	row := []Precondition{
		RowUnchanged(tuple.Object{Type: "doc", ID: "a"}, "viewer", first), SchemaUnchanged(first),
		TuplesMatch(filter(t, "doc:a@user:ann")), TuplesAbsent(filter(t, "doc:b")),
	}
	second := WriteRequest{Updates: []Update{{Delete, parse(t, "doc:a#viewer@user:ann")}}, Preconditions: row}
	if _, err := c.Write(t.Context(), second); err != nil {
		t.Errorf("all hold: %v", err)
	}
	if _, err := c.Write(t.Context(), second); reasonOf(err) != "PRECONDITION_FAILED" {
		t.Errorf("the row has changed: %v", err)
	}
}

func TestWrite_CreateOfWhatIsThereIsRefused(t *testing.T) {
	c := open(t, Config{})
	r := WriteRequest{Updates: []Update{{Create, parse(t, "doc:a#viewer@user:ann")}}}
	if _, err := c.Write(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(t.Context(), r); reasonOf(err) != "TUPLE_EXISTS" {
		t.Errorf("got %v", err)
	}
	r.Updates[0].Op = 0
	if _, err := c.Write(t.Context(), r); reasonOf(err) != "INVALID_FIELD" {
		t.Errorf("no operation: %v", err)
	}
}

// writes records the request ids of the writes to some fakes, and answers as
// the test says.
type writes struct {
	mu  sync.Mutex
	ids []string
}

func (w *writes) fake(answer func(ctx context.Context, n int) error) *fake {
	return &fake{check: allow, write: func(ctx context.Context, r *pb.WriteRequest) (*pb.WriteResponse, error) {
		w.mu.Lock()
		w.ids = append(w.ids, r.GetRequestId())
		n := len(w.ids)
		w.mu.Unlock()
		return &pb.WriteResponse{Token: "t"}, answer(ctx, n)
	}}
}

// same fails the test unless n writes came, under one id.
func (w *writes) same(t *testing.T, n int) {
	t.Helper()
	if len(w.ids) != n {
		t.Fatalf("%d writes came, want %d", len(w.ids), n)
	}
	for _, id := range w.ids {
		if id != w.ids[0] || id == "" {
			t.Errorf("the request ids are %v", w.ids)
		}
	}
}

var one = WriteRequest{Updates: []Update{{Touch, tuple.Tuple{
	Object: tuple.Object{Type: "doc", ID: "a"}, Relation: "viewer", Subject: tuple.Subject{Type: "user", ID: "ann"},
}}}}

func TestWrite_UnknownOutcomeIsSentAgainUnderTheSameID(t *testing.T) {
	var w writes
	f := w.fake(func(_ context.Context, n int) error {
		switch n {
		case 1:
			return refuse(codes.Unknown, UnknownOutcome, "again")
		case 2:
			return refuse(codes.Unavailable, "NO_LEADER", "again")
		}
		return nil
	})
	c := dial(t, Config{Addrs: []string{f.serve(t)}})
	if token, err := c.Write(within(t, 10*time.Second), one); err != nil || token != "t" {
		t.Errorf("got %q, %v", token, err)
	}
	w.same(t, 3)
}

func TestWrite_AServerThatHangsLeavesTimeForTheNext(t *testing.T) {
	var w writes
	hang := w.fake(func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() })
	good := w.fake(func(context.Context, int) error { return nil })
	c := dial(t, Config{Addrs: []string{hang.serve(t), good.serve(t)}}).startAt(0)
	awaitReady(t, c)
	if _, err := c.Write(within(t, time.Second), one); err != nil {
		t.Errorf("got %v", err)
	}
	w.same(t, 2)
}

func TestWrite_SaysWhenItMayHaveHappened(t *testing.T) {
	var w writes
	f := w.fake(nil)
	var server *grpc.Server
	ready := make(chan struct{})
	f.write = func(ctx context.Context, _ *pb.WriteRequest) (*pb.WriteResponse, error) {
		<-ready
		go server.Stop() // cuts the connection and frees the port
		<-ctx.Done()
		return nil, ctx.Err()
	}
	addr, s := f.server(t)
	server = s
	close(ready)
	c := dial(t, Config{Addrs: []string{addr}})
	_, err := c.Write(within(t, 500*time.Millisecond), one)
	var e *Error
	if !errors.As(err, &e) || e.Reason != UnknownOutcome || e.Code != codes.Unknown || !strings.Contains(e.Fix, "request id") {
		t.Errorf("got %#v", err)
	}
}

func TestWrite_IsNotInDoubtWhenItNeverWentOut(t *testing.T) {
	addr, s := (&fake{}).server(t)
	s.Stop()
	c := dial(t, Config{Addrs: []string{addr, addr}})
	_, err := c.Write(within(t, 300*time.Millisecond), one)
	if reasonOf(err) == UnknownOutcome || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestWrite_ARefusalAfterDoubtIsNotCertain(t *testing.T) {
	for reason, want := range map[string]string{
		"PRECONDITION_FAILED": "PRECONDITION_FAILED", // the request id vouches for it
		"NO_SCHEMA":           UnknownOutcome,        // said before the write is looked for
	} {
		var w writes
		f := w.fake(func(_ context.Context, n int) error {
			if n == 1 {
				return refuse(codes.Unknown, UnknownOutcome, "again")
			}
			return refuse(codes.FailedPrecondition, reason, "no")
		})
		c := dial(t, Config{Addrs: []string{f.serve(t)}})
		if _, err := c.Write(within(t, 10*time.Second), one); reasonOf(err) != want {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

func TestWrite_ARefusalIsNotRepeated(t *testing.T) {
	var w writes
	f := w.fake(func(context.Context, int) error { return refuse(codes.InvalidArgument, "NOT_IN_SCHEMA", "mend it") })
	c := dial(t, Config{Addrs: []string{f.serve(t), f.serve(t)}})
	if _, err := c.Write(t.Context(), one); reasonOf(err) != "NOT_IN_SCHEMA" {
		t.Errorf("got %v", err)
	}
	w.same(t, 1)
}
