package authz

import (
	"context"
	"iter"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// ReadRequest asks for the tuples that a filter selects.
type ReadRequest struct {
	Tenant      string
	Filter      tuple.Filter
	Consistency Consistency
}

// Read returns the stored tuples that the filter selects, those that have not
// expired, in no promised order and all of one view. The sequence may be
// walked for as long as the caller likes; it holds memory meanwhile.
func (s *Service) Read(ctx context.Context, r ReadRequest) (token string, tuples iter.Seq[tuple.Tuple], err error) {
	v, err := s.view(ctx, r.Tenant, r.Consistency)
	if err != nil {
		return "", nil, err
	}
	g, _, err := s.graphOf(v)
	if err != nil {
		return "", nil, err
	}
	if err := checkFilter(g, r.Filter); err != nil {
		return "", nil, err
	}
	now := s.timeOf(v)
	return s.token(v), func(yield func(tuple.Tuple) bool) {
		for t := range v.Tuples(r.Filter) {
			if (t.Expires == 0 || t.Expires > now) && !yield(t) {
				return
			}
		}
	}, nil
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

// ReadSchema returns the schema's text as it was written.
func (s *Service) ReadSchema(ctx context.Context, tenant string, c Consistency) (source, token string, err error) {
	v, err := s.view(ctx, tenant, c)
	if err != nil {
		return "", "", err
	}
	text, _, ok := v.Record("schema")
	if !ok {
		_, _, err := s.graphOf(v)
		return "", "", err
	}
	return string(text), s.token(v), nil
}
