package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// Limits of one atomic write, below the server's 10,000 updates and 1 MiB.
const (
	defaultBatch  = 1000
	maxBatch      = 10_000
	maxBatchBytes = 768 << 10
)

// writeOptions say how tuples are written.
type writeOptions struct {
	operation pb.Update_Operation
	batch     int
	print     bool
}

func (o *writeOptions) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&o.batch, "batch", defaultBatch, "tuples in one atomic write, 1 to 10,000")
	cmd.Flags().BoolVar(&o.print, "print", false, "print each tuple when its write is acknowledged, instead of the token")
}

// writeTuples writes what args name and prints the token of the last batch.
func (a *app) writeTuples(ctx context.Context, args []string, o writeOptions) error {
	if o.batch < 1 || o.batch > maxBatch {
		return fmt.Errorf("--batch %d: a write takes 1 to %d tuples", o.batch, maxBatch)
	}
	s, err := a.dial()
	if err != nil {
		return err
	}
	defer s.Close()
	w := a.writer(s, o)
	for text, err := range a.items(ctx, args) {
		if err == nil {
			var t tuple.Tuple
			if t, err = tuple.ParseTuple(text); err == nil {
				err = w.add(ctx, t)
			}
		}
		if err != nil {
			return w.failed(err)
		}
	}
	if err := w.flush(ctx); err != nil {
		return w.failed(err)
	}
	switch {
	case a.json:
		return printJSON(a.out, map[string]any{"tuples": w.written, "token": w.token})
	case !o.print && w.token != "":
		fmt.Fprintln(a.out, w.token)
	}
	return nil
}

// writer sends tuples in batches, one after the other.
type writer struct {
	app     *app
	servers *servers
	options writeOptions

	updates []*pb.Update
	bytes   int
	written int    // tuples acknowledged
	token   string // of the last acknowledged batch
}

func (a *app) writer(s *servers, o writeOptions) *writer {
	return &writer{app: a, servers: s, options: o}
}

// add puts t into the batch, and sends the batch when it is full.
func (w *writer) add(ctx context.Context, t tuple.Tuple) error {
	u := &pb.Update{Operation: w.options.operation, Tuple: tupleMessage(t)}
	size := proto.Size(u)
	if w.bytes+size > maxBatchBytes {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.updates = append(w.updates, u)
	w.bytes += size
	if len(w.updates) < w.options.batch {
		return nil
	}
	return w.flush(ctx)
}

// flush sends the batch; every attempt carries the same request id.
func (w *writer) flush(ctx context.Context) error {
	if len(w.updates) == 0 {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a request id: %w", err)
	}
	request := &pb.WriteRequest{Tenant: w.app.tenant, Updates: w.updates, RequestId: id.String()}
	err = w.servers.persist(ctx, func(ctx context.Context, conn *grpc.ClientConn) error {
		reply, err := pb.NewTupleServiceClient(conn).Write(ctx, request)
		w.token = reply.GetToken()
		return err
	})
	if err != nil {
		return err
	}
	if w.options.print {
		for _, u := range w.updates {
			fmt.Fprintln(w.app.out, tupleFrom(u.GetTuple()))
		}
	}
	w.written += len(w.updates)
	w.updates, w.bytes = w.updates[:0], 0
	return nil
}

// failed says how far the batches before the failed one came.
func (w *writer) failed(err error) error {
	if w.written == 0 {
		return err
	}
	return fmt.Errorf("after %d tuples that were written: %w", w.written, err)
}

// items yields args, and for "-" the lines of standard input without blank ones
// and comments. An error names the line.
func (a *app) items(ctx context.Context, args []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, arg := range args {
			if arg != "-" {
				if !yield(arg, nil) {
					return
				}
				continue
			}
			for text, err := range lines(ctx, a.in) {
				if !yield(text, err) || err != nil {
					return
				}
			}
		}
	}
}
