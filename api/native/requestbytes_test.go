package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func TestRequestBytes_NeverMoreThanTheBound(t *testing.T) {
	b := newRequestBytes(100 << 10)
	seed := rand.Uint64()
	t.Log("seed", seed)
	var wg sync.WaitGroup
	for i := range 8 {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() {
			for range 2000 {
				n := b.weight(r.IntN(150 << 10))
				if r.IntN(2) == 0 {
					if err := b.await(t.Context(), n, time.Minute); err != nil {
						t.Error(err)
						return
					}
				} else if !b.take(n) {
					continue
				}
				if held := b.held.Load(); held > b.most {
					t.Errorf("%d of %d bytes", held, b.most)
				}
				b.give(n)
			}
		})
	}
	wg.Wait()
	if b.held.Load() != 0 || b.waiting.Load() != 0 {
		t.Errorf("%d bytes are held, %d wait", b.held.Load(), b.waiting.Load())
	}
}

// TestRequestBytes_LeaverLetsThoseBehindItThrough: a large request that gives up
// waiting must not leave a small one behind.
func TestRequestBytes_LeaverLetsThoseBehindItThrough(t *testing.T) {
	b := newRequestBytes(100)
	b.take(60)
	large, give := context.WithCancel(t.Context())
	gaveUp, served := make(chan error), make(chan error)
	go func() { gaveUp <- b.await(large, 80, time.Minute) }()
	for b.waiting.Load() < 1 {
		<-time.After(time.Millisecond)
	}
	go func() { served <- b.await(t.Context(), 30, time.Minute) }()
	for b.waiting.Load() < 2 {
		<-time.After(time.Millisecond)
	}
	give()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-served; err != nil || b.held.Load() != 90 {
		t.Errorf("%v, %d bytes are held", err, b.held.Load())
	}
	var e *authz.Error
	if err := b.await(t.Context(), 80, time.Millisecond); !errors.As(err, &e) || e.Reason != "TOO_MANY_BYTES" {
		t.Errorf("without patience: %v", err)
	}
}

// largeWrite has about that many bytes.
func largeWrite(t *testing.T, n int) *pembav1.WriteRequest {
	t.Helper()
	r := &pembav1.WriteRequest{}
	for i := range n / 40 {
		r.Updates = append(r.Updates, updates(t, pembav1.Update_OPERATION_TOUCH, fmt.Sprintf("doc:large%09d#viewer@user:ann", i))...)
	}
	return r
}

func largeBatch(t *testing.T, n int) *pembav1.BatchCheckRequest {
	t.Helper()
	q := asks(t, "doc:a#view@user:ann")
	r := &pembav1.BatchCheckRequest{}
	for range n / 25 {
		r.Items = append(r.Items, &pembav1.BatchCheckItem{Object: q.GetObject(), Permission: q.GetPermission(), Subject: q.GetSubject()})
	}
	return r
}

// TestLargeRequests_AreRefusedWhileTooManyAreUnderWay, to be tried again; small
// ones are not, nor are questions for the sake of writes.
func TestLargeRequests_AreRefusedWhileTooManyAreUnderWay(t *testing.T) {
	const most = 64 << 10
	f, s := serverWith(t, t.TempDir(), func(c *Config) { c.MaxBytes = most }, authz.Options{})
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error) {
		t.Helper()
		if got := failureOf(err); got.Code != codes.ResourceExhausted || got.Reason != "TOO_MANY_BYTES" || !got.Fix || retryOf(err) == 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !s.changes.take(most) {
		t.Fatal("no bytes")
	}
	_, err := f.tuples.Write(deadline(t), largeWrite(t, 10<<10))
	refused("a large write", err)
	f.touch(t, "doc:a#viewer@user:ann")
	if _, err := f.permissions.BatchCheck(deadline(t), largeBatch(t, 10<<10)); err != nil {
		t.Errorf("a batch beside large writes: %v", err)
	}
	if !s.questions.take(most) {
		t.Fatal("no bytes")
	}
	_, err = f.permissions.BatchCheck(deadline(t), largeBatch(t, 10<<10))
	refused("a large batch", err)
	if got := f.ask(t, "doc:a#view@user:ann", nil); got.GetDecision() != pembav1.Decision_DECISION_ALLOWED {
		t.Errorf("a small question: %v", got)
	}
	s.changes.give(most)
	s.questions.give(most)
	if _, err := f.tuples.Write(deadline(t), largeWrite(t, 100<<10)); err != nil {
		t.Errorf("a write that is larger than the bound, alone: %v", err)
	}
	if _, err := f.permissions.BatchCheck(deadline(t), largeBatch(t, 10<<10)); err != nil {
		t.Error(err)
	}
	if n := s.Stats(); n.ChangeBytes != 0 || n.QuestionBytes != 0 || n.MaxBytes != most {
		t.Errorf("nothing is under way, yet %+v", n)
	}
}

// TestImport_WaitsForBytes: a stream goes on when there are some again, and ends
// with what to do when there are none for long.
func TestImport_WaitsForBytes(t *testing.T) {
	const most = 64 << 10
	f, s := serverWith(t, t.TempDir(), func(c *Config) { c.MaxBytes, c.MaxStall = most, 2*time.Second }, authz.Options{})
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	begin := func() pembav1.TupleService_ImportClient {
		t.Helper()
		stream, err := f.tuples.Import(deadline(t))
		if err == nil {
			err = stream.Send(&pembav1.ImportRequest{Part: &pembav1.ImportRequest_Start{Start: &pembav1.ImportStart{ImportId: "load", Resume: true}}})
		}
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	batch := func(sequence uint64) *pembav1.ImportRequest {
		b := &pembav1.ImportBatch{Sequence: sequence}
		for _, u := range largeWrite(t, 20<<10).GetUpdates() {
			b.Tuples = append(b.Tuples, u.GetTuple())
		}
		return &pembav1.ImportRequest{Part: &pembav1.ImportRequest_Batch{Batch: b}}
	}
	stream := begin()
	s.changes.take(most)
	if err := stream.Send(batch(1)); err != nil {
		t.Fatal(err)
	}
	for s.changes.waiting.Load() == 0 {
		<-time.After(time.Millisecond)
	}
	s.changes.give(most)
	for i := range uint64(10) {
		if err := stream.Send(batch(2 + i)); err != nil {
			t.Fatal(err)
		}
	}
	for last := uint64(0); last < 11; {
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		last = reply.GetDurableSequence()
	}
	for !s.changes.take(most) { // what has been answered is given back a moment later
		<-time.After(time.Millisecond)
	}
	if err := stream.Send(batch(12)); err != nil {
		t.Fatal(err)
	}
	_, err := stream.Recv()
	if got := failureOf(err); got.Code != codes.ResourceExhausted || got.Reason != "TOO_MANY_BYTES" {
		t.Errorf("without bytes for long: %v", err)
	}
	s.changes.give(most)
	stream = begin()
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if reply, err := stream.Recv(); err != nil || reply.GetDurableSequence() != 11 || !reply.GetComplete() {
		t.Errorf("resumed: %v, %v", reply, err)
	}
	if n := s.Stats(); n.ChangeBytes != 0 {
		t.Errorf("nothing is under way, yet %+v", n)
	}
}

// memoryStream receives messages of given sizes.
type memoryStream struct {
	grpc.ServerStream
	sizes []int
}

func (s *memoryStream) RecvMsg(m any) error {
	if len(s.sizes) == 0 {
		return io.EOF
	}
	in := m.(*incoming)
	n := in.bytes.weight(s.sizes[0])
	s.sizes = s.sizes[1:]
	if in.refused = in.admit(n); in.refused == nil {
		in.held = n
	}
	return nil
}

func (s *memoryStream) SendMsg(any) error { return nil }

// TestCountedStream_HoldsAMessageUntilItIsAnswered, whether in one message or in
// several.
func TestCountedStream_HoldsAMessageUntilItIsAnswered(t *testing.T) {
	b := newRequestBytes(1 << 20)
	s := newCountedStream(&memoryStream{sizes: []int{10_000, 100, 20_000, 40_000, 80_000}}, t.Context(), b, time.Minute)
	step := func(what string, f func(any) error, want int64) {
		t.Helper()
		if err := f(nil); err != nil {
			t.Fatal(err)
		}
		if got := b.held.Load(); got != want {
			t.Errorf("%s: %d bytes are held, want %d", what, got, want)
		}
	}
	step("first", s.RecvMsg, 10_000)
	step("answered", s.SendMsg, 0)
	step("answered again", s.SendMsg, 0)
	step("a small one", s.RecvMsg, 0)
	step("third", s.RecvMsg, 20_000)
	step("fourth", s.RecvMsg, 60_000)
	step("the small one is answered", s.SendMsg, 60_000)
	step("the third is answered", s.SendMsg, 40_000)
	step("fifth", s.RecvMsg, 120_000)
	s.end()
	if got := b.held.Load(); got != 0 {
		t.Errorf("%d bytes are held after the end", got)
	}
}

// retryOf is how long a status says to wait before another try, 0 = it does not.
func retryOf(err error) time.Duration {
	for _, d := range status.Convert(err).Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok {
			return r.GetRetryDelay().AsDuration()
		}
	}
	return 0
}
