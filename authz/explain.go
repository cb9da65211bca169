package authz

import (
	"context"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// ExpandRequest asks for the tree behind a permission.
type ExpandRequest struct {
	Tenant      string
	Object      tuple.Object
	Permission  string
	Context     map[string]any
	Contextual  []tuple.Tuple
	Consistency Consistency
	Depth       int // how many tuples deep; negative = as far as it goes
	MaxNodes    int // 0 = graph's default
}

// Expansion is a tree and what it rests on.
type Expansion struct {
	Tree     *graph.Tree
	Cost     graph.ExpandCost
	Token    string
	Revision uint64
	Time     int64
}

// Expand returns the tree behind a permission.
func (s *Service) Expand(ctx context.Context, r ExpandRequest) (*Expansion, error) {
	v, err := s.view(ctx, r.Tenant, r.Consistency)
	if err != nil {
		return nil, err
	}
	g, _, err := s.graphOf(ctx, v)
	if err != nil {
		return nil, err
	}
	now := s.timeOf(v)
	tree, cost, err := g.Expand(ctx, v, &graph.ExpandQuestion{
		Object: r.Object, Permission: r.Permission, Context: r.Context, Contextual: r.Contextual,
		Now: now, Limits: s.opts.Limits, Depth: r.Depth, MaxNodes: r.MaxNodes,
	})
	if err != nil {
		return nil, questionError(err)
	}
	return &Expansion{Tree: tree, Cost: cost, Token: s.token(v), Revision: v.Revision(), Time: now}, nil
}

// Parts of expansions and explanations.
type (
	Tree        = graph.Tree
	TreeKind    = graph.TreeKind
	Explanation = graph.Explanation
	Step        = graph.Step
	StepKind    = graph.StepKind
	Outcome     = graph.Outcome
)

// Explained is an answer with its reasons.
type Explained struct {
	CheckAnswer
	Why *Explanation
	Err error // an *Error: what Check ends in; there is no decision then
}

// Explain answers one question as Check does, without the cache, and says why.
func (s *Service) Explain(ctx context.Context, r CheckRequest) (*Explained, error) {
	v, err := s.view(ctx, r.Tenant, r.Consistency)
	if err != nil {
		return nil, err
	}
	g, _, err := s.graphOf(ctx, v)
	if err != nil {
		return nil, err
	}
	now := s.timeOf(v)
	q := s.question(&r.Question, r.Contextual, now)
	why, err := g.Explain(ctx, v, &q)
	if why == nil {
		return nil, questionError(err)
	}
	out := &Explained{CheckAnswer: CheckAnswer{Token: s.token(v), Revision: v.Revision(), Time: now}, Why: why}
	out.Answer = Answer{Decision: why.Decision, Missing: why.Missing, Steps: why.Steps, Reads: why.Reads, Since: why.Since, Until: why.Until}
	if err != nil {
		out.Err = questionError(err)
	}
	return out, nil
}
