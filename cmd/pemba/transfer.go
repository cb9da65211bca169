package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// maxUnanswered is how many batches of an import are under way at a time.
const maxUnanswered = 8

// transfer is an import: it sends batches ahead of the answers, and sends those
// that are not durable again when the connection breaks.
type transfer struct {
	app      *app
	servers  *servers
	options  *importOptions
	input    io.Reader
	name     string // of input
	progress *progress

	source   *batchSource   // nil until a server says where to begin
	window   []*importBatch // read and not durable, oldest first
	acked    bool           // a batch of this run is durable
	durable  uint64
	token    string // of the first view with everything durable
	closed   bool   // a server was told that everything had been sent
	complete bool
}

type importStream = grpc.BidiStreamingClient[pb.ImportRequest, pb.ImportResponse]

// run returns when everything is durable, or with the error that no attempt
// will change.
func (t *transfer) run(ctx context.Context) error {
	defer func() {
		if t.source != nil {
			t.source.stop()
		}
	}()
	r := t.servers.retry()
	// Without an id, a batch that was sent may still arrive behind its repetition.
	r.begun, r.once = t.options.id != "", t.options.id == ""
	for {
		before := t.durable
		err := t.attempt(ctx, r)
		if err == nil || broken(err) && t.settled() {
			return nil
		}
		if t.durable > before {
			r.progressed()
		}
		if err := r.next(ctx, err); err != nil {
			return err
		}
	}
}

// attempt sends what is left over one stream.
func (t *transfer) attempt(ctx context.Context, r *retry) error {
	conn, err := t.servers.conn()
	if err != nil {
		return err
	}
	w := watchSilence(ctx)
	defer w.stop()
	w.begin(r.share())
	stream, err := pb.NewTupleServiceClient(conn).Import(w.ctx)
	if err != nil {
		return w.error(t.servers.remote(err))
	}
	first, err := t.start(stream)
	if err != nil {
		return w.error(t.servers.remote(err))
	}
	w.end()
	r.sent = true
	if err := t.begin(w.ctx, conn, first.GetDurableSequence()); err != nil {
		return err
	}
	return t.exchange(stream, w)
}

// start sends the first message and returns its answer.
func (t *transfer) start(stream importStream) (*pb.ImportResponse, error) {
	// A run that begins anew says so until a batch of its own is durable: before,
	// what the cluster remembers under the id is of another run.
	start := &pb.ImportStart{Tenant: t.app.tenant, ImportId: t.options.id, Resume: t.options.resume || t.acked}
	err := stream.Send(&pb.ImportRequest{Part: &pb.ImportRequest_Start{Start: start}})
	if err != nil && !errors.Is(err, io.EOF) { // the reason follows an EOF
		return nil, err
	}
	return stream.Recv()
}

// begin goes on behind what a server says is durable.
func (t *transfer) begin(ctx context.Context, conn grpc.ClientConnInterface, durable uint64) error {
	if t.source == nil {
		t.durable = durable
		t.progress.begin(int64(durable))
		t.source = readBatches(t.input, t.name, t.options.batch, durable)
		return nil
	}
	switch {
	case durable == t.durable || t.unanswered(durable):
		t.settle(durable)
		return nil
	case durable == 0 && t.closed:
		return t.sameTenant(ctx, conn)
	case durable == 0:
		return fmt.Errorf("the cluster has forgotten import %q: was the tenant deleted? begin anew", t.options.id)
	}
	return fmt.Errorf("import %q is at tuple %d, which this run did not send: another run of the same id is under way", t.options.id, durable)
}

// sameTenant returns nil if the tenant is the one that the import began in. The
// import is then forgotten because its end is durable, and sending the rest again
// changes nothing.
func (t *transfer) sameTenant(ctx context.Context, conn grpc.ClientConnInterface) error {
	at := &pb.Consistency{Level: &pb.Consistency_AtLeast{AtLeast: t.token}}
	_, err := pb.NewSchemaServiceClient(conn).ReadSchema(ctx, &pb.ReadSchemaRequest{Tenant: t.app.tenant, Consistency: at})
	return t.servers.remote(err)
}

func (t *transfer) unanswered(sequence uint64) bool {
	return slices.ContainsFunc(t.window, func(b *importBatch) bool { return b.sequence == sequence })
}

// settled reports whether everything of the input is durable.
func (t *transfer) settled() bool {
	return t.source != nil && t.source.ended && t.source.wrong() == nil && len(t.window) == 0
}

// settle forgets the batches up to durable.
func (t *transfer) settle(durable uint64) {
	n := 0
	for n < len(t.window) && t.window[n].sequence <= durable {
		n++
	}
	t.acked = t.acked || n > 0
	t.window = slices.Delete(t.window, 0, n)
	t.durable = max(t.durable, durable)
	t.progress.show(int64(t.durable))
}

// failed says how far the import has come, and how it goes on.
func (t *transfer) failed(err error, resume string) error {
	var remote *remoteError
	if errors.As(err, &remote) && len(t.window) > 0 && !broken(err) {
		remote.updates = t.window[0].from
	}
	if t.durable > 0 {
		err = fmt.Errorf("after %s that %s written: %w", tuplesText(int(t.durable)), wereText(t.durable), err)
	}
	switch {
	case resume == "" && len(t.window) > 0:
		return &hinted{error: err, hint: "more tuples may have been written; importing all of them again is safe", always: true}
	case resume == "" || t.durable == 0:
		return err
	}
	return &hinted{error: err, hint: "resume with: " + resume, always: true}
}
