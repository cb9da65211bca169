package authz

import (
	"context"
	"slices"

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
	g, _, err := s.graphOf(ctx, v)
	if err != nil {
		return Viewpoint{}, err
	}
	return Viewpoint{service: s, view: v, graph: g, Token: s.token(v), Time: s.timeOf(v)}, nil
}

// Revision returns the revision of the view.
func (p *Viewpoint) Revision() uint64 { return p.view.Revision() }

// CheckWith answers one question, as Service.Check does; contextual tuples count
// for it as if they were stored.
func (p *Viewpoint) CheckWith(ctx context.Context, q *Question, contextual []tuple.Tuple) (Answer, error) {
	room := askeds.Get().(*asked)
	a, err := p.service.checker.Check(ctx, p.graph, p.view, room.put(0, p, q, contextual))
	room.release(1)
	if err != nil {
		return Answer{}, questionError(err)
	}
	return a, nil
}

// CheckAll answers each question by itself, in out, which has their number. It
// takes less time than as many calls of CheckWith and allocates nothing.
func (p *Viewpoint) CheckAll(ctx context.Context, qs []Question, contextual []tuple.Tuple, out []BatchResult) {
	room := askeds.Get().(*asked)
	used := min(len(qs), together)
	for len(qs) > 0 {
		n := min(len(qs), together)
		for i := range n {
			room.put(i, p, &qs[i], contextual)
		}
		p.service.checker.Batch(ctx, p.graph, p.view, room.questions[:n], room.results[:n])
		for i := range n {
			if out[i] = (BatchResult{Answer: room.results[i].Answer}); room.results[i].Err != nil {
				out[i].Err = questionError(room.results[i].Err)
			}
		}
		qs, out = qs[n:], out[n:]
	}
	room.release(used)
}

// Resolved are questions whose names have been looked up at a viewpoint.
type Resolved struct {
	questions []graph.Resolved
	errs      []error
}

// Resolve looks up the names of questions without contextual tuples, in r, whose
// memory is used again.
func (p *Viewpoint) Resolve(qs []Question, r *Resolved) {
	r.questions = slices.Grow(r.questions[:0], len(qs))[:len(qs)]
	r.errs = slices.Grow(r.errs[:0], len(qs))[:len(qs)]
	room := askeds.Get().(*asked)
	for i := 0; i < len(qs); i += together {
		n := min(len(qs)-i, together)
		for k := range n {
			room.put(k, p, &qs[i+k], nil)
		}
		p.service.checker.Resolve(p.graph, p.view, room.questions[:n], r.questions[i:i+n], r.errs[i:i+n])
	}
	room.release(min(len(qs), together))
}

// Clear lets go of the questions, but for their memory.
func (r *Resolved) Clear() {
	clear(r.questions)
	clear(r.errs)
}

// CheckResolved answers the i-th question of r as CheckWith does.
func (p *Viewpoint) CheckResolved(ctx context.Context, r *Resolved, i int) (Answer, error) {
	if err := r.errs[i]; err != nil {
		return Answer{}, questionError(err)
	}
	a, err := p.service.checker.CheckResolved(ctx, p.graph, p.view, &r.questions[i])
	if err != nil {
		return Answer{}, questionError(err)
	}
	return a, nil
}
