package graph

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// Explanation says why a question has its answer.
type Explanation struct {
	Object     tuple.Object // what was asked
	Permission string
	Subjects   []tuple.Subject
	Now        int64 // Unix nanoseconds

	Decision     Decision
	Missing      []string // with Conditional: the parameters that would decide, sorted
	Err          string   // why there is no decision; then Decision means nothing
	Steps, Reads int      // what Check costs
	Since, Until int64    // the decision holds while Since <= now < Until

	// Root is about Permission of Object. Of what is allowed it shows one way that
	// allows, about the shortest; of anything else all that was tried. It has at
	// most about 2,000 steps; where some are left out, it says so.
	Root *Step
}

// Explain answers q as Check does and says why.
//
// Where the answer is an error that has reasons to show - a caveat that fails, a
// negative cycle, the limit of depth - both the explanation and Check's error are
// returned. With any other error the explanation is nil.
//
// It costs about as much as some checks: q.Limits bound the check, and once more
// what is read for the reasons, which end early then.
func (g *Graph) Explain(ctx context.Context, v store.View, q *Question) (*Explanation, error) {
	r, err := g.resolve(v, q) // which has names for all that is asked about
	if err != nil {
		return nil, err
	}
	a, err := g.CheckResolved(ctx, v, &r)
	if err != nil && !hasReasons(err) {
		return nil, err
	}
	e := &Explanation{
		Object: q.Object, Permission: q.Permission, Subjects: q.all(), Now: q.Now,
		Decision: a.Decision, Missing: a.Missing, Steps: a.Steps, Reads: a.Reads, Since: a.Since, Until: a.Until,
	}
	if err != nil {
		e.Err = err.Error()
	}
	x := newExplainer(ctx, g, v, &r, e.Subjects)
	x.w.limits.Reads = min(x.w.limits.Reads, mostExplained)
	x.w.recount()
	if err == nil {
		// The limit of depth did not matter to the decision, so it need not get in
		// the way of the reasons.
		x.w.limits.Depth = math.MaxInt32
	}
	e.Root = x.run(atom{r.Program, r.Object}, e)
	x.end()
	if x.err != nil {
		return nil, fmt.Errorf("explain: %w", x.err)
	}
	return e, err
}

// mostExplained bounds the reads for the reasons, because what is read is kept
// until the explanation is done.
const mostExplained = 500_000

func hasReasons(err error) bool {
	var caveat *CaveatError
	var cycle *NegativeCycleError
	var limit *LimitError
	return errors.As(err, &caveat) || errors.As(err, &cycle) ||
		errors.As(err, &limit) && (limit.Limit == "depth" || limit.Limit == "nesting")
}

// run explains the root, whose outcome is e's.
func (x *explainer) run(root atom, e *Explanation) *Step {
	s := x.show(root)
	outcome := outcomeOf(e)
	unreached := s.Outcome == OutcomeSkipped && outcome == OutcomeDenied
	if x.err == nil && s.Outcome != outcome && !unreached && !x.isPartial() {
		x.err = fmt.Errorf("%s is %v by Check and %v by its parts", x.w.nameOf(root), outcome, s.Outcome)
	}
	s.Outcome, s.Missing, s.Err = outcome, e.Missing, e.Err
	return s
}

func outcomeOf(e *Explanation) Outcome {
	if e.Err != "" {
		return OutcomeFailed
	}
	return [...]Outcome{Denied: OutcomeDenied, Conditional: OutcomeConditional, Allowed: OutcomeAllowed}[e.Decision]
}
