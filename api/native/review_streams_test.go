package native

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// TestStreamCheck_StalledClientGivesItsPlaceBack: a client that takes no answer
// for MaxStall is cut off.
func TestStreamCheck_StalledClientGivesItsPlaceBack(t *testing.T) {
	f, s := openServer(t)
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	stalled, err := f.permissions.StreamCheck(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for s.Stats().Watches == 0 && ctx.Err() == nil {
		runtime.Gosched()
	}
	question := streamed(t, 1, "doc:a#view@user:ann", nil)
	go func() {
		for stalled.Send(question) == nil {
		}
	}()
	for s.Stats().Watches > 0 && ctx.Err() == nil { // until the server gives up
		runtime.Gosched()
	}
	if n := s.Stats().Watches; n != 0 {
		t.Errorf("%d places are taken", n)
	}
	for err = nil; err == nil; {
		_, err = stalled.Recv()
	}
	if reason(err) != "SLOW_READER" {
		t.Errorf("cut off with %v", err)
	}
}

// TestShutdown_DoesNotWaitForAnImportThatSaysNothing: a client has opened an
// import and sends nothing.
func TestShutdown_DoesNotWaitForAnImportThatSaysNothing(t *testing.T) {
	f, s := openServer(t)
	silent, err := f.tuples.Import(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	for s.Stats().Watches == 0 && silent.Context().Err() == nil {
		runtime.Gosched()
	}
	if err := s.Shutdown(deadline(t)); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if _, err := silent.Recv(); reason(err) != "SHUTTING_DOWN" {
		t.Errorf("the import ends with %v", err)
	}
}

// deafImport is an import whose client takes no answer.
type deafImport struct {
	grpc.ServerStream
	ctx      context.Context
	requests chan *pembav1.ImportRequest
}

func (s *deafImport) Context() context.Context { return s.ctx }

func (s *deafImport) Recv() (*pembav1.ImportRequest, error) {
	select {
	case r, ok := <-s.requests:
		if !ok {
			return nil, io.EOF
		}
		return r, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

func (s *deafImport) Send(*pembav1.ImportResponse) error {
	<-s.ctx.Done()
	return s.ctx.Err()
}

// TestImport_StalledClientIsCutOff: an import is bounded by MaxStall as the
// other streams are.
func TestImport_StalledClientIsCutOff(t *testing.T) {
	var service *authz.Service
	f, s := serverWith(t, t.TempDir(), func(c *Config) { service = c.Service }, authz.Options{})
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	stream := &deafImport{ctx: deadline(t), requests: make(chan *pembav1.ImportRequest, 1)}
	stream.requests <- startOf("", false)
	tuples := &tupleServer{base: base{service: service, maxWait: s.streams.stall * 100, streams: s.streams}}
	err := tuples.Import(stream)
	var e *authz.Error
	if !errors.As(err, &e) || e.Reason != "SLOW_READER" {
		t.Errorf("the import ended with %v", err)
	}
}

// brokenImport panics where it receives.
type brokenImport struct{ deafImport }

func (s *brokenImport) Recv() (*pembav1.ImportRequest, error) { panic("hostile") }

// TestImport_PanicWhileReceivingEndsThatImportOnly: what receives an import
// runs beside the handler, where no guard would catch a panic.
func TestImport_PanicWhileReceivingEndsThatImportOnly(t *testing.T) {
	var service *authz.Service
	f, _ := serverWith(t, t.TempDir(), func(c *Config) { service = c.Service }, authz.Options{})
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	run, err := service.Import(deadline(t), authz.Caller{}, authz.ImportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan error, 1)
	go func() { received <- receiveBatches(t.Context(), &brokenImport{}, run) }()
	if more, err := run.Next(deadline(t)); more || err != nil {
		t.Errorf("next: %v, %v", more, err)
	}
	if err := <-received; err == nil {
		t.Error("the import ended well")
	}
}
