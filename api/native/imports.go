package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

type importStream = grpc.BidiStreamingServer[pembav1.ImportRequest, pembav1.ImportResponse]

// Import writes a stream of batches. One goroutine receives them and hands them
// on; this one tells the client what is durable.
func (s *tupleServer) Import(stream importStream) error {
	leave, err := s.streams.stay()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.streams.lasting(stream.Context())
	defer cancel()
	run, err := s.startImport(ctx, stream)
	if err != nil {
		return err
	}
	if err := s.sendProgress(stream, run, false); err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- receiveBatches(ctx, stream, run) }()
	err = s.settleImport(ctx, stream, run)
	if err == nil {
		err = <-received
	}
	if err == nil {
		if err = run.Finish(ctx); err == nil {
			return s.sendProgress(stream, run, true)
		}
	}
	return stopped(ctx, err)
}

func (s *tupleServer) startImport(ctx context.Context, stream importStream) (*authz.Import, error) {
	first, err := firstOf(ctx, stream)
	if errors.Is(err, io.EOF) {
		return nil, missing("start", "an import begins with a start")
	}
	if err != nil {
		return nil, err
	}
	start := first.GetStart()
	if start == nil {
		return nil, missing("start", "an import begins with a start")
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	run, err := s.service.Import(ctx, callerOf(ctx), authz.ImportRequest{Tenant: start.GetTenant(), ID: start.GetImportId(), Resume: start.GetResume()})
	if err != nil {
		return nil, belowField("start", err)
	}
	return run, nil
}

// firstOf receives the first message, or returns when ctx ends before it comes:
// a client that says nothing must not hold up a shutdown. The end of the handler
// then ends the receiving.
func firstOf(ctx context.Context, stream importStream) (*pembav1.ImportRequest, error) {
	type message struct {
		request *pembav1.ImportRequest
		err     error
	}
	came := make(chan message, 1)
	go func() {
		request, err := stream.Recv()
		came <- message{request, err}
	}()
	select {
	case first := <-came:
		return first.request, first.err
	case <-ctx.Done():
		return nil, stopped(ctx, context.Cause(ctx))
	}
}

// settleImport tells the client of each batch that has become durable, until
// there are no more.
func (s *tupleServer) settleImport(ctx context.Context, stream importStream, run *authz.Import) error {
	for {
		more, err := run.Next(ctx)
		if err != nil || !more {
			return err
		}
		if err := s.sendProgress(stream, run, false); err != nil {
			return err
		}
	}
}

func (s *tupleServer) sendProgress(stream importStream, run *authz.Import, complete bool) error {
	sequence, token := run.Progress()
	reply := &pembav1.ImportResponse{DurableSequence: sequence, Token: token, Complete: complete}
	return sendWithin(stream, reply, s.streams.stall)
}

// receiveBatches adds what the client sends, and closes the import at the end
// or at the first error, so that what came before is still settled.
func receiveBatches(ctx context.Context, stream importStream, run *authz.Import) (err error) {
	defer run.Close()
	defer func() { // no guard stands around this goroutine
		if p := recover(); p != nil {
			err = fmt.Errorf("receive batches: panic: %v\n%s", p, debug.Stack())
		}
	}()
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		tuples, err := batchOf(request)
		if err != nil {
			return err
		}
		if err := run.Add(ctx, request.GetBatch().GetSequence(), tuples); err != nil {
			return err
		}
	}
}

func batchOf(r *pembav1.ImportRequest) ([]tuple.Tuple, error) {
	switch n := len(r.GetBatch().GetTuples()); {
	case r.GetBatch() == nil:
		return nil, missing("batch", "after the start, send batches")
	case n == 0:
		return nil, missing("batch.tuples", "a batch has at least one tuple")
	case n > maxUpdates:
		return nil, tooMany("batch.tuples", n, maxUpdates)
	}
	tuples := make([]tuple.Tuple, len(r.GetBatch().GetTuples()))
	for i, p := range r.GetBatch().GetTuples() {
		t, err := tupleOf(at("batch.tuples", i), p)
		if err != nil {
			return nil, err
		}
		tuples[i] = t
	}
	return tuples, nil
}

// belowField moves an error's field below another.
func belowField(field string, err error) error {
	var e *authz.Error
	if !errors.As(err, &e) || e.Field == "" {
		return err
	}
	moved := *e
	moved.Field = field + "." + e.Field
	return &moved
}
