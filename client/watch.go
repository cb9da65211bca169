package client

import (
	"context"
	"iter"
	"time"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// A WatchRequest asks for changes.
type WatchRequest struct {
	Tenant string
	From   string   // a token: changes behind its revision; "" = behind now
	Types  []string // of objects; empty = all

	// Beats yields also revisions without changes, every few seconds, so that
	// who keeps the token always has a fresh one.
	Beats bool
}

// A Revision is what changed at one revision: all of it, each tuple once.
type Revision struct {
	Token         string // a later watch goes on from here
	Changes       []Change
	SchemaChanged bool // the changes are of the new schema
}

// A Change is a tuple that came, changed or went.
type Change struct {
	Deleted bool
	Tuple   tuple.Tuple // as it is, or as it was
}

// silence is how long a watch hears nothing before it turns to another server;
// servers send something every five seconds.
const silence = 20 * time.Second

// Watch yields whole revisions, in order and without a gap, until ctx ends or no
// more are wanted. It goes on by itself, on another server too, for as long as it
// takes. It ends with an *Error when that cannot be: when the token is too old
// or of another cluster, the tenant is gone, or the key is refused.
func (c *Client) Watch(ctx context.Context, r WatchRequest) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		from := r.From
		var part Revision // of the revision that is on its way
		f := &flow[pb.WatchResponse]{client: c, patience: silence, endless: true}
		f.open = func(ctx context.Context, conn *grpc.ClientConn) (grpc.ServerStreamingClient[pb.WatchResponse], error) {
			part = Revision{} // one that broke off comes again
			return pb.NewTupleServiceClient(conn).Watch(ctx, &pb.WatchRequest{Tenant: c.tenant(r.Tenant), From: from, ObjectTypes: r.Types})
		}
		f.take = func(m *pb.WatchResponse) wish {
			part.add(m)
			if part.Token == "" {
				return more
			}
			from = part.Token
			whole := part
			part = Revision{}
			if !r.Beats && len(whole.Changes) == 0 && !whole.SchemaChanged {
				return more
			}
			if !yield(whole, nil) {
				return enough
			}
			return more
		}
		if err := f.run(ctx); err != nil {
			yield(Revision{}, err)
		}
	}
}

// add puts one message's part to r.
func (r *Revision) add(m *pb.WatchResponse) {
	for _, change := range m.GetChanges() {
		r.Changes = append(r.Changes, Change{
			Deleted: change.GetOperation() == pb.TupleChange_OPERATION_DELETED, Tuple: tupleFrom(change.GetTuple()),
		})
	}
	r.SchemaChanged = r.SchemaChanged || m.GetSchemaChanged()
	r.Token = m.GetToken()
}
