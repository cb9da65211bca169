package authz

import (
	"context"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// A Viewpoint is one view of a tenant with the schema in force there and a
// time: where any number of questions are answered, each by itself. It is safe
// for concurrent use and keeps its view readable, so it is not kept for long.
type Viewpoint struct {
	service *Service
	view    store.View
	graph   *graph.Graph
	Token   string
	Time    int64 // at which expiries are judged, Unix nanoseconds
}

// Viewpoint returns the one that c asks for. Every error is an *Error.
func (s *Service) Viewpoint(ctx context.Context, tenant string, c Consistency) (Viewpoint, error) {
	v, err := s.view(ctx, tenant, c)
	if err != nil {
		return Viewpoint{}, err
	}
	g, _, err := s.graphOf(v)
	if err != nil {
		return Viewpoint{}, err
	}
	return Viewpoint{service: s, view: v, graph: g, Token: s.token(v), Time: s.timeOf(v)}, nil
}

// Check answers one question, as Service.Check does.
func (p *Viewpoint) Check(ctx context.Context, q *Question) (Answer, error) {
	return p.check(ctx, q, nil)
}

func (p *Viewpoint) check(ctx context.Context, q *Question, contextual []tuple.Tuple) (Answer, error) {
	question := p.service.question(q, contextual, p.Time)
	a, err := p.service.checker.Check(ctx, p.graph, p.view, &question)
	if err != nil {
		return Answer{}, questionError(err)
	}
	return a, nil
}
