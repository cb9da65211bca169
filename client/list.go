package client

import (
	"context"
	"iter"
	"time"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// A Page is told where a list is, as it is read. One list at a time uses it.
type Page struct {
	Token  string    // of the view that is listed
	Cursor string    // behind the last result that came with the last message; "" = the list is complete
	Time   time.Time // that expiries were compared with; zero for ReadTuples
}

// A ListObjectsRequest asks which objects of a type a subject reaches.
type ListObjectsRequest struct {
	Tenant      string
	Type        string
	Permission  string
	Subject     tuple.Subject
	IDPrefix    string // only ids that begin so
	Context     map[string]any
	Contextual  []tuple.Tuple
	Consistency Consistency
	Limit       int    // the most results; 0 = all
	Cursor      string // goes on behind an earlier page of the same request; Consistency is then left out
	Page        *Page  // nil = not wanted
}

// A ListSubjectsRequest asks which subjects of a type reach an object.
type ListSubjectsRequest struct {
	Tenant          string
	Object          tuple.Object
	Permission      string
	SubjectType     string
	SubjectRelation string // "" = single subjects, else usersets with this relation
	IDPrefix        string // only ids that begin so
	Context         map[string]any
	Contextual      []tuple.Tuple
	Consistency     Consistency
	Limit           int
	Cursor          string
	Page            *Page
}

// Listed is one result of a list.
type Listed struct {
	ID       string   // of a list of subjects also tuple.Wildcard: all but those that are listed with another decision
	Decision Decision // Allowed or Conditional; Denied for who is excepted from a wildcard; NoDecision exactly if Err is set
	Missing  []string
	Err      error // why this one could not be decided, an *Error
}

// ListObjects lists the ids of objects, each once. The error, which ends the
// list, is an *Error. A list that breaks goes on by itself on another server, at
// the same view.
func (c *Client) ListObjects(ctx context.Context, r ListObjectsRequest) iter.Seq2[Listed, error] {
	contextJSON, err := contextText("context_json", r.Context)
	if err != nil {
		return failed[Listed](err)
	}
	return list(ctx, c, listing[pb.ListObjectsResponse, Listed]{
		tenant: r.Tenant, at: r.Consistency, cursor: r.Cursor, limit: r.Limit, page: r.Page,
		open: func(ctx context.Context, conn *grpc.ClientConn, next place) (grpc.ServerStreamingClient[pb.ListObjectsResponse], error) {
			return pb.NewPermissionServiceClient(conn).ListObjects(ctx, &pb.ListObjectsRequest{
				Tenant: c.tenant(r.Tenant), Type: r.Type, Permission: r.Permission, Subject: subjectMessage(r.Subject),
				ContextJson: contextJSON, ContextualTuples: tupleMessages(r.Contextual), IdPrefix: r.IDPrefix,
				Consistency: next.at.message(), Limit: next.limit, Cursor: next.cursor,
			})
		},
		read: func(m *pb.ListObjectsResponse) ([]Listed, Page) {
			out := make([]Listed, len(m.GetObjects()))
			for i, o := range m.GetObjects() {
				out[i] = listed(o.GetId(), o.GetDecision(), o.GetMissingContext(), o.GetError())
			}
			return out, Page{m.GetToken(), m.GetCursor(), m.GetDecisionTime().AsTime()}
		},
	})
}

// ListSubjects lists the ids of subjects, each once, as ListObjects does objects.
func (c *Client) ListSubjects(ctx context.Context, r ListSubjectsRequest) iter.Seq2[Listed, error] {
	contextJSON, err := contextText("context_json", r.Context)
	if err != nil {
		return failed[Listed](err)
	}
	return list(ctx, c, listing[pb.ListSubjectsResponse, Listed]{
		tenant: r.Tenant, at: r.Consistency, cursor: r.Cursor, limit: r.Limit, page: r.Page,
		open: func(ctx context.Context, conn *grpc.ClientConn, next place) (grpc.ServerStreamingClient[pb.ListSubjectsResponse], error) {
			return pb.NewPermissionServiceClient(conn).ListSubjects(ctx, &pb.ListSubjectsRequest{
				Tenant: c.tenant(r.Tenant), Object: objectMessage(r.Object), Permission: r.Permission,
				SubjectType: r.SubjectType, SubjectRelation: r.SubjectRelation, IdPrefix: r.IDPrefix,
				ContextJson: contextJSON, ContextualTuples: tupleMessages(r.Contextual),
				Consistency: next.at.message(), Limit: next.limit, Cursor: next.cursor,
			})
		},
		read: func(m *pb.ListSubjectsResponse) ([]Listed, Page) {
			out := make([]Listed, len(m.GetSubjects()))
			for i, s := range m.GetSubjects() {
				out[i] = listed(s.GetId(), s.GetDecision(), s.GetMissingContext(), s.GetError())
			}
			return out, Page{m.GetToken(), m.GetCursor(), m.GetDecisionTime().AsTime()}
		},
	})
}

// A ReadRequest asks for stored tuples.
type ReadRequest struct {
	Tenant      string
	Filter      tuple.Filter
	Consistency Consistency
	Limit       int
	Cursor      string
	Page        *Page
}

// ReadTuples reads the tuples that a filter selects, as ListObjects does objects.
func (c *Client) ReadTuples(ctx context.Context, r ReadRequest) iter.Seq2[tuple.Tuple, error] {
	return list(ctx, c, listing[pb.ReadResponse, tuple.Tuple]{
		tenant: r.Tenant, at: r.Consistency, cursor: r.Cursor, limit: r.Limit, page: r.Page,
		open: func(ctx context.Context, conn *grpc.ClientConn, next place) (grpc.ServerStreamingClient[pb.ReadResponse], error) {
			return pb.NewTupleServiceClient(conn).Read(ctx, &pb.ReadRequest{
				Tenant: c.tenant(r.Tenant), Filter: filterMessage(r.Filter),
				Consistency: next.at.message(), Limit: next.limit, Cursor: next.cursor,
			})
		},
		read: func(m *pb.ReadResponse) ([]tuple.Tuple, Page) {
			out := make([]tuple.Tuple, len(m.GetTuples()))
			for i, t := range m.GetTuples() {
				out[i] = tupleFrom(t)
			}
			return out, Page{Token: m.GetToken(), Cursor: m.GetCursor()}
		},
	})
}

func listed(id string, d pb.Decision, missing []string, err *pb.Error) Listed {
	l := Listed{ID: id, Decision: decisionFrom(d), Missing: missing}
	switch {
	case err != nil:
		l.Decision, l.Err = NoDecision, itemError("", err)
	case l.Decision == NoDecision:
		l.Err = NoDecision.check()
	}
	return l
}

// failed is a list that ends before it begins.
func failed[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}

// A place is where a list begins or goes on.
type place struct {
	at     Consistency // unset behind a cursor, which names its view
	cursor string
	limit  uint32 // results that are left; 0 = all
}

// A listing is a list of results T that come in messages R.
type listing[R, T any] struct {
	tenant string
	at     Consistency
	cursor string
	limit  int
	page   *Page
	open   func(ctx context.Context, conn *grpc.ClientConn, next place) (grpc.ServerStreamingClient[R], error)
	read   func(message *R) ([]T, Page)
}

func list[R, T any](ctx context.Context, c *Client, l listing[R, T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		at := l.at
		if l.cursor == "" {
			at = c.consistency(c.tenant(l.tenant), l.at)
		}
		begun, err := l.run(ctx, c, at, yield)
		if err != nil && !begun && at != l.at && c.forgets(c.tenant(l.tenant), at, err) {
			_, err = l.run(ctx, c, Latest(), yield)
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

// run yields the results and returns nil, also when no more are wanted. begun
// reports whether there was an answer.
func (l *listing[R, T]) run(ctx context.Context, c *Client, at Consistency, yield func(T, error) bool) (begun bool, err error) {
	next := place{at: at, cursor: l.cursor, limit: uint32(max(l.limit, 0))}
	left := l.limit
	f := &flow[R]{client: c, patience: c.config.Timeout}
	f.open = func(ctx context.Context, conn *grpc.ClientConn) (grpc.ServerStreamingClient[R], error) {
		return l.open(ctx, conn, next)
	}
	f.take = func(message *R) wish {
		begun = true
		results, page := l.read(message)
		if l.page != nil {
			*l.page = page
		}
		for _, result := range results {
			if !yield(result, nil) {
				return enough
			}
		}
		left -= len(results)
		next = place{cursor: page.Cursor, limit: uint32(max(left, 0))}
		if page.Cursor == "" || l.limit > 0 && left <= 0 {
			return complete
		}
		return more
	}
	err = f.run(ctx)
	return begun, err
}
