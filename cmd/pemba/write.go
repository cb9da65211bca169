package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
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

func checkBatch(n int) error {
	if n < 1 || n > maxBatch {
		return fmt.Errorf("--batch %d: a write takes 1 to %d tuples", n, maxBatch)
	}
	return nil
}

// doubt says that a batch of n may have been written, and what to do then.
func (o *writeOptions) doubt(n int) string {
	switch o.operation {
	case pb.Update_OPERATION_DELETE:
		return fmt.Sprintf("the last batch of %s may or may not have been deleted; deleting it again is safe", tuplesText(n))
	case pb.Update_OPERATION_CREATE:
		return fmt.Sprintf("the last batch of %s may or may not have been written; writing it again without --create is safe", tuplesText(n))
	}
	return fmt.Sprintf("the last batch of %s may or may not have been written; writing it again is safe", tuplesText(n))
}

func tuplesText(n int) string {
	if n == 1 {
		return "1 tuple"
	}
	return fmt.Sprintf("%d tuples", n)
}

// writeTuples writes what args name and prints the token of the last batch.
func (a *app) writeTuples(ctx context.Context, s *servers, args []string, o writeOptions) error {
	if err := checkBatch(o.batch); err != nil {
		return err
	}
	w := a.writer(s, o)
	for in, err := range a.items(ctx, args) {
		if err == nil {
			err = w.addText(ctx, in)
		}
		if err != nil {
			return w.failed(err)
		}
	}
	if err := w.flush(ctx); err != nil {
		return w.failed(err)
	}
	w.noteExpired()
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
	from    []input // of updates
	bytes   int
	written int    // tuples acknowledged
	expired int    // tuples to write whose expiry has passed
	token   string // of the last acknowledged batch
}

func (a *app) writer(s *servers, o writeOptions) *writer {
	return &writer{app: a, servers: s, options: o}
}

// addText adds the tuple that a user gives.
func (w *writer) addText(ctx context.Context, in input) error {
	t, err := tuple.ParseTuple(in.text)
	if err != nil {
		return in.wrong(err)
	}
	if o := w.options.operation; o != pb.Update_OPERATION_DELETE && t.Expires != 0 && t.Expires <= time.Now().UnixNano() {
		w.expired++
	}
	return w.add(ctx, t, in)
}

// noteExpired says that tuples were written that do not count. They are no error:
// who repeats old writes in their order must get their outcome.
func (w *writer) noteExpired() {
	switch w.expired {
	case 0:
	case 1:
		fmt.Fprintln(w.app.err, "note: 1 tuple has an expiry that has passed, so it does not count")
	default:
		fmt.Fprintf(w.app.err, "note: %d tuples have an expiry that has passed, so they do not count\n", w.expired)
	}
}

// add puts t into the batch, and sends the batch when it is full.
func (w *writer) add(ctx context.Context, t tuple.Tuple, from input) error {
	u := &pb.Update{Operation: w.options.operation, Tuple: tupleMessage(t)}
	size := proto.Size(u)
	if w.bytes+size > maxBatchBytes {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.updates, w.from = append(w.updates, u), append(w.from, from)
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
	reply, err := ask(ctx, w.servers.persist, pb.NewTupleServiceClient, pb.TupleServiceClient.Write, request)
	if err != nil {
		return w.servers.inDoubt(placed(err, w.from), w.options.doubt(len(w.updates)))
	}
	w.token = reply.GetToken()
	if w.options.print {
		for _, u := range w.updates {
			fmt.Fprintln(w.app.out, tupleFrom(u.GetTuple()))
		}
	}
	w.written += len(w.updates)
	w.updates, w.from, w.bytes = w.updates[:0], w.from[:0], 0
	return nil
}

// failed says how far the batches before the failed one came.
func (w *writer) failed(err error) error {
	done := "written"
	if w.options.operation == pb.Update_OPERATION_DELETE {
		done = "deleted"
	}
	switch w.written {
	case 0:
		return err
	case 1:
		return fmt.Errorf("after 1 tuple that was %s: %w", done, err)
	}
	return fmt.Errorf("after %d tuples that were %s: %w", w.written, done, err)
}

// items yields args, and for "-" the lines of standard input without blank ones
// and comments.
func (a *app) items(ctx context.Context, args []string) iter.Seq2[input, error] {
	return func(yield func(input, error) bool) {
		for _, arg := range args {
			if arg != "-" {
				if !yield(input{text: arg}, nil) {
					return
				}
				continue
			}
			for line, err := range lines(ctx, a.in) {
				if !yield(line, err) || err != nil {
					return
				}
			}
		}
	}
}
