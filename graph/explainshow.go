package graph

import (
	"cmp"
	"math"
	"slices"

	"github.com/pemba-authz/pemba/tuple"
)

// mostSteps is about how many steps an explanation has at most.
const mostSteps = 2000

// place is where a step of an explanation stands.
type place struct {
	depth int // steps from the question's object to another one
	level int // relations and permissions around it
}

// show explains the root as deep as the bound on steps lets it: what is left
// out then is what is far from the question.
func (x *explainer) show(root atom) *Step {
	var s *Step
	for _, levels := range []int{math.MaxInt, 64, 32, 16, 12, 8, 6, 5, 4, 3, 2, 1} {
		x.nodes, x.levels = 0, levels
		clear(x.shown)
		if s = x.atom(root, place{}); x.nodes < mostSteps {
			break
		}
	}
	return s
}

// isFull reports whether nothing more is shown below a place.
func (x *explainer) isFull(at place) bool { return x.nodes >= mostSteps || at.level >= x.levels }

// atom explains one relation or permission of one object.
func (x *explainer) atom(a atom, at place) *Step {
	x.nodes++
	if x.err == nil {
		x.err = x.w.ctx.Err()
	}
	p := &x.w.g.programs[a.program]
	s := &Step{Kind: StepRelation, Object: x.w.object(a.node), Relation: p.name, Text: p.describe()}
	if p.source.IsPermission() {
		s.Kind = StepPermission
	}
	if x.w.member(a.program, a.node).level == allowed {
		s.Kind, s.Outcome = StepMember, OutcomeAllowed
		return s
	}
	if !x.w.leads(a.program) {
		return x.unreachable(s)
	}
	b := x.decide(a, at.depth)
	x.judge(s, b)
	switch {
	case !b.isKnown():
		s.Kind, s.Note = StepSkipped, noteSpent
	case x.under[a]:
		s.Kind, s.Note = StepCycle, noteCycle
	case x.shown[a]:
		s.Kind, s.Note = StepSkipped, noteShown
	case s.Outcome == OutcomeFailed && at.depth > x.w.limits.Depth:
	case x.isFull(at):
		s.Kind, s.Note = StepSkipped, noteFull
	default:
		x.under[a] = true
		x.explain(s, a, place{at.depth, at.level + 1})
		delete(x.under, a)
		x.shown[a] = true
	}
	return s
}

// explain adds what a rests on.
func (x *explainer) explain(s *Step, a atom, at place) {
	e := x.w.g.programs[a.program].source.Rewrite
	switch {
	case !x.decide(a, at.depth).isAllowed():
		x.confirm(a, x.worth(a, e, at.depth))
	case !x.prove(func(hops int) bool { return x.proveAtom(a, at.depth, hops) }):
		x.unproved(s, a)
		return
	}
	if e == nil {
		x.direct(s, a, nil, at)
		return
	}
	s.Children = []*Step{x.part(a, e, at)}
}

// part explains an expression in the right side of a.
func (x *explainer) part(a atom, e Expr, at place) *Step {
	if ref, ok := e.(*Ref); ok {
		return x.atom(x.refer(a, ref), at)
	}
	x.nodes++
	s := &Step{Text: clip(printExpr(e))}
	x.judge(s, x.partWorth(a, e, at))
	if x.nodes >= 2*mostSteps {
		s.Kind, s.Note = StepSkipped, noteFull
		return s
	}
	switch e := e.(type) {
	case *Nil:
		s.Kind = StepNil
	case *Self:
		s.Kind = StepSelf
	case *Union:
		s.Kind = StepUnion
		x.union(s, a, e, at)
	case *Intersection:
		s.Kind = StepIntersection
		x.children(s, a, e.Children, at)
	case *Exclusion:
		s.Kind = StepExclusion
		x.exclusion(s, a, e, at)
	case *Arrow:
		x.arrow(s, a, e, at)
	default:
		s.Kind = StepUnion
		x.direct(s, a, e, at)
	}
	return s
}

// partWorth is worth, without another look at what has been proved.
func (x *explainer) partWorth(a atom, e Expr, at place) bounds {
	if _, proved := x.proof.ways[part{a, e}]; proved {
		return exactly(value{level: allowed})
	}
	return x.worth(a, e, at.depth)
}

// way returns the way that a part is proved by, if it is allowed.
func (x *explainer) way(a atom, e Expr, at place) (proofWay, bool) {
	if x.partWorth(a, e, at).isAllowed() {
		x.prove(func(hops int) bool { return x.provePart(a, e, at.depth, hops) })
	}
	w, ok := x.proof.ways[part{a, e}]
	return w, ok
}

func (x *explainer) children(s *Step, a atom, of []Expr, at place) {
	for _, e := range of {
		s.Children = append(s.Children, x.part(a, e, at))
	}
}

func (x *explainer) union(s *Step, a atom, e *Union, at place) {
	if w, ok := x.way(a, e, at); ok {
		x.children(s, a, e.Children[w.child:w.child+1], at)
		return
	}
	x.children(s, a, e.Children, at)
}

func (x *explainer) exclusion(s *Step, a atom, e *Exclusion, at place) {
	if !x.partWorth(a, e.Base, at).isDenied() {
		x.children(s, a, []Expr{e.Base, e.Minus}, at)
		return
	}
	x.nodes++
	minus := &Step{Kind: StepSkipped, Text: clip(printExpr(e.Minus)), Note: "not needed: there is nothing to take away from"}
	s.Children = []*Step{x.part(a, e.Base, at), minus}
}

func (x *explainer) arrow(s *Step, a atom, e *Arrow, at place) {
	s.Kind = StepArrow
	if e.All {
		s.Kind = StepAll
	}
	if !slices.ContainsFunc(x.w.g.hopsOf(a.program, e), func(h hop) bool { return h.target >= 0 && x.w.leads(h.target) }) {
		x.unreachable(s)
		return
	}
	if w, ok := x.way(a, e, at); ok && !e.All {
		s.Children = []*Step{x.tuple(a, &w.tuple, at)}
		return
	}
	x.tuples(s, a, e, at)
}

// direct explains the tuples of a, which e stands for.
func (x *explainer) direct(s *Step, a atom, e Expr, at place) {
	if w, ok := x.way(a, e, at); ok {
		s.Children = []*Step{x.tuple(a, &w.tuple, at)}
		return
	}
	x.tuples(s, a, e, at)
}

// tuples explains the most important tuples that a relation has or an arrow
// goes over.
func (x *explainer) tuples(s *Step, a atom, e Expr, at place) {
	t := x.top(a, e, at.depth)
	s.Note = cmp.Or(s.Note, t.note)
	for i := range t.found {
		s.Children = append(s.Children, x.tuple(a, &t.found[i], at))
	}
	if t.rest != "" {
		x.nodes++
		s.Children = append(s.Children, &Step{Kind: StepSkipped, Note: t.rest})
	}
}

// tuple explains one tuple of a or of its tupleset, and what is behind it.
func (x *explainer) tuple(a atom, f *found, at place) *Step {
	x.nodes++
	sh := &x.w.g.shapes[f.shape]
	s := &Step{Kind: StepTuple, Tuple: x.w.tupleOf(a.node, sh, f.sight), Contextual: f.sight.given != nil, Expired: f.sight.expired}
	x.judge(s, f.worth)
	if !f.sight.isVisible() {
		s.Note = "the schema does not allow this tuple, so it does not count"
		if s.Expired {
			s.Note = "expired: it is " + tuple.FormatTime(x.w.now)
		}
		return s
	}
	if s.Tuple.Caveat != "" {
		s.Caveat = x.caveat(sh, s.Tuple, f.sight)
	}
	switch {
	case f.sight.value.level == denied:
	case f.to.program >= 0:
		s.Children = []*Step{x.atom(f.to, place{f.depth, at.level})}
	case f.isHop:
		s.Note = s.Tuple.Subject.Type + " has no such relation or permission"
	}
	return s
}

// judge says what a step came to.
func (x *explainer) judge(s *Step, b bounds) {
	s.Outcome = x.outcome(b)
	switch {
	case s.Outcome == OutcomeSkipped:
		s.Note = noteSpent
	case s.Outcome == OutcomeConditional:
		s.Missing = x.w.missing(b.low.open)
	case s.Outcome != OutcomeFailed:
	case b.isUndecided():
		s.Err = x.w.causes[b.cycle-1].Error()
	case b.low.level == conditional:
		s.Err = x.w.causes[x.w.deep.cause].Error()
	default:
		s.Err = reasonOf(x.w.causes[b.low.cause])
	}
}

// outcome returns what a value is told as.
func (x *explainer) outcome(b bounds) Outcome {
	switch {
	case !b.isKnown():
		return OutcomeSkipped
	case b.isUndecided() || b.low.level == conditional && b.low.limit:
		return OutcomeFailed
	}
	return [...]Outcome{denied: OutcomeDenied, conditional: OutcomeConditional, failed: OutcomeFailed, allowed: OutcomeAllowed}[b.low.level]
}
