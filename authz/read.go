package authz

import (
	"context"
	"fmt"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// ReadRequest asks for the tuples that a filter selects.
type ReadRequest struct {
	Tenant      string
	Filter      tuple.Filter
	Consistency Consistency // Any with a Cursor
	Limit       int         // tuples; 0 = no bound
	Cursor      string      // of an earlier answer to the same request
}

// Reading is an answer that comes tuple by tuple, all of it at one view, in an
// order that is the same at the same view on every node. It holds memory as
// long as it is held. One goroutine uses it.
type Reading struct {
	Token  string
	Schema string // of an export

	page    *page
	filter  tuple.Filter
	limit   int
	expired bool      // yield tuples that have expired, too
	last    tuple.Key // that was yielded
	begun   bool      // last is set
	done    bool      // everything was yielded
}

// Read returns the stored tuples that the filter selects, those that have not
// expired.
func (s *Service) Read(ctx context.Context, r ReadRequest) (*Reading, error) {
	f := r.Filter
	d := newDigest("read")
	d.add(r.Tenant, f.Type, f.ID, f.Relation, f.SubjectType, f.SubjectID, f.SubjectRelation)
	reading, err := s.reading(ctx, r.Tenant, r.Consistency, r.Cursor, d.sum())
	if err != nil {
		return nil, err
	}
	reading.filter, reading.limit = f, r.Limit
	if err := checkFilter(reading.page.graph, f); err != nil {
		return nil, err
	}
	return reading, nil
}

// Export returns all tuples of a tenant that have not expired, and its schema.
func (s *Service) Export(ctx context.Context, tenant string, c Consistency, cursor string) (*Reading, error) {
	d := newDigest("export")
	d.add(tenant)
	reading, err := s.reading(ctx, tenant, c, cursor, d.sum())
	if err != nil {
		return nil, err
	}
	text, _, _ := reading.page.view.Record(store.SchemaRecord)
	reading.Schema = string(text)
	return reading, nil
}

func (s *Service) reading(ctx context.Context, tenant string, c Consistency, cursor string, query [16]byte) (*Reading, error) {
	p, err := s.page(ctx, tenant, c, cursor, query)
	if err != nil {
		return nil, err
	}
	r := &Reading{Token: s.token(p.view), page: p}
	if len(p.place) > 0 {
		t, err := tuple.ParseTuple(string(p.place))
		if err != nil {
			return nil, internal(fmt.Errorf("cursor of a read: %w", err))
		}
		r.last, r.begun = t.Key(), true
	}
	return r, nil
}

// Each yields the tuples until the limit is reached, yield returns false or ctx
// ends, which is noticed however little the filter selects. Every error is an
// *Error; Cursor then continues behind the last tuple that was yielded.
func (r *Reading) Each(ctx context.Context, yield func(tuple.Tuple) bool) error {
	var after *tuple.Key
	if r.begun {
		from := r.last
		after = &from
	}
	left, stopped := r.limit, false
	found := r.page.view.Scan(r.filter, after, func() bool { return ctx.Err() == nil }, func(t tuple.Tuple) bool {
		if !r.expired && t.Expires != 0 && t.Expires <= r.page.now {
			return true
		}
		if r.limit > 0 && left == 0 { // there is one more
			stopped = true
			return false
		}
		left--
		r.last, r.begun = t.Key(), true
		stopped = !yield(t)
		return !stopped
	})
	switch {
	case !found:
		return internal(fmt.Errorf("cursor of a read is behind %s, which its view does not have", r.last))
	case stopped:
		return nil
	case ctx.Err() != nil:
		return contextError(context.Cause(ctx))
	}
	r.done = true
	return nil
}

// Cursor continues behind the last tuple; "" once everything is read.
func (r *Reading) Cursor() string {
	switch {
	case r.done:
		return ""
	case r.begun:
		return r.page.cursor([]byte(r.last.String()))
	}
	return r.page.cursor(nil)
}

// checkFilter refuses a filter that cannot select anything because of a typo.
func checkFilter(g *graph.Graph, f tuple.Filter) *Error {
	err := f.Validate()
	if err == nil {
		err = g.CheckFilter(f)
	}
	if err == nil {
		return nil
	}
	return questionError(err)
}
