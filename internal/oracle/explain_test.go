package oracle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// explained is an explanation with all that it must agree with.
type explained struct {
	*world
	rev      uint64
	question graph.Question
	why      *graph.Explanation
}

// explain explains the answer of an asked question.
func (w *world) explain(a asked) explained {
	w.t.Helper()
	v, err := w.store.View(tenant, a.rev)
	if err != nil {
		w.t.Fatal(err)
	}
	x := explained{world: w, rev: a.rev, question: a.question}
	if x.why, err = w.graph.Explain(context.Background(), v, &a.question); x.why == nil {
		x.fail("%v", err)
	}
	got := answer{Value: Failed}
	if err == nil {
		got.Value, got.Missing = [...]Value{Denied, Conditional, Allowed}[x.why.Decision], x.why.Missing
	} else {
		got.Err = err.Error()
	}
	if diff := cmp.Diff(a.answer, got); diff != "" || x.why.Err != got.Err {
		x.fail("explained (-check +explain), Err %q:\n%s", x.why.Err, diff)
	}
	return x
}

func (x *explained) fail(format string, args ...any) {
	x.t.Helper()
	c := kase{x.schema, x.tuples[x.rev], x.question}
	var b strings.Builder
	if x.why != nil {
		_ = x.why.WriteText(&b)
	}
	x.t.Fatalf("seed %d, revision %d: %s\n%s\n%s", x.seed, x.rev, fmt.Sprintf(format, args...), c.scenario("?"), b.String())
}

// each calls f for all steps.
func (x *explained) each(f func(s *graph.Step)) {
	var visit func(s *graph.Step)
	visit = func(s *graph.Step) {
		f(s)
		for _, c := range s.Children {
			visit(c)
		}
	}
	visit(x.why.Root)
}

// values are the outcomes of the steps that have one.
var values = map[graph.Outcome]Value{
	graph.OutcomeDenied: Denied, graph.OutcomeConditional: Conditional,
	graph.OutcomeFailed: Failed, graph.OutcomeAllowed: Allowed,
	graph.OutcomeSkipped: Denied, // by the schema, or for want of a base
}

// TestExplain_AgreesWithCheck compares the decision, and the outcome of every
// relation and permission on the way.
func TestExplain_AgreesWithCheck(t *testing.T) {
	var kinds [graph.StepCycle + 1]int
	worlds(t, 1200, func(seed uint64) {
		k := random.Everything
		k.Knots, k.Unsettled = seed%3 == 0, seed%2 == 0
		w := newWorld(t, seed, k)
		for _, a := range w.history(4) {
			x := w.explain(a)
			x.each(func(s *graph.Step) {
				kinds[s.Kind]++
				if s.Relation != "" {
					x.checkAtom(s, !k.Unsettled)
				}
			})
		}
	})
	for k := graph.StepRelation; k <= graph.StepCycle; k++ {
		t.Logf("%v: %d", k, kinds[k])
		if kinds[k] < 20 {
			t.Errorf("only %d steps of kind %v", kinds[k], k)
		}
	}
}

// checkAtom asks about what a step is about. The missing names of what the
// solver had to decide may differ, for it decides more than one thing at once.
func (x *explained) checkAtom(s *graph.Step, names bool) {
	q := x.question
	q.Object, q.Permission = s.Object, s.Relation
	want := ask(x.t, x.graph, x.store, x.rev, q)
	got := values[s.Outcome]
	if got != want.Value || names && got == Conditional && !cmp.Equal(s.Missing, want.Missing) {
		x.fail("%v %s#%s is %v %q, asked alone %v", s.Kind, s.Object, s.Relation, s.Outcome, s.Missing, want)
	}
}

// TestExplain_StepsAddUp puts the outcomes of the parts together to that of the
// whole.
func TestExplain_StepsAddUp(t *testing.T) {
	worlds(t, 600, func(seed uint64) {
		w := newWorld(t, seed, random.Kinds{Negation: true, Traits: true, Knots: seed%3 == 0})
		for _, a := range w.history(4) {
			x := w.explain(a)
			x.each(func(s *graph.Step) {
				if want, ok := sum(s); ok && want != values[s.Outcome] {
					x.fail("%v %s#%s %s is %v, its parts make %v", s.Kind, s.Object, s.Relation, s.Text, s.Outcome, want)
				}
			})
		}
	})
}

// sum is what the children of s make, if they are all there.
func sum(s *graph.Step) (Value, bool) {
	var of []Value
	for _, c := range s.Children {
		if c.Tuple == nil && c.Relation == "" && c.Text == "" {
			return 0, false // some tuples are left out
		}
		of = append(of, values[c.Outcome])
	}
	switch s.Kind {
	case graph.StepSkipped, graph.StepCycle, graph.StepMember, graph.StepSelf:
		return 0, false
	case graph.StepTuple:
		own := Allowed
		if s.Caveat != nil {
			own = values[s.Caveat.Outcome]
		}
		if s.Expired || s.Note != "" {
			own = Denied
		}
		return min(own, least(of)), true
	case graph.StepIntersection:
		return least(of), true
	case graph.StepAll:
		if len(of) == 0 {
			return Denied, true
		}
		return least(of), true
	case graph.StepExclusion:
		return min(of[0], not[of[1]]), true
	}
	out := Denied
	for _, v := range of {
		out = max(out, v)
	}
	return out, true
}

func least(of []Value) Value {
	out := Allowed
	for _, v := range of {
		out = min(out, v)
	}
	return out
}

// TestExplain_PathIsEnough asks again with only the tuples of the path.
func TestExplain_PathIsEnough(t *testing.T) {
	paths, saved := 0, 0
	worlds(t, 800, func(seed uint64) {
		w := newWorld(t, seed, random.Kinds{Traits: true, Knots: seed%2 == 0})
		for _, a := range w.history(4) {
			if a.answer.Value != Allowed {
				continue
			}
			x := w.explain(a)
			shown := x.path()
			if got := x.askWith(shown); got.Value != Allowed {
				x.fail("with the tuples of the path it is %v", got)
			}
			paths++
			saved += len(w.tuples[a.rev]) - len(shown)
		}
	})
	t.Logf("%d paths, %d tuples each not needed", paths, saved/max(1, paths))
	if paths < 500 {
		t.Errorf("only %d paths", paths)
	}
}

// path returns the stored tuples that the explanation shows, all of which must
// be allowed.
func (x *explained) path() []tuple.Tuple {
	var out []tuple.Tuple
	x.each(func(s *graph.Step) {
		if s.Outcome != graph.OutcomeAllowed {
			x.fail("%v %s#%s on the path is %v", s.Kind, s.Object, s.Relation, s.Outcome)
		}
		if s.Kind == graph.StepTuple && !s.Contextual {
			out = append(out, *s.Tuple)
		}
	})
	return out
}

// askWith asks the question of a store that holds only these tuples and the
// contextual ones that the explanation shows.
func (x *explained) askWith(tuples []tuple.Tuple) answer {
	q := x.question
	q.Contextual = nil
	x.each(func(s *graph.Step) {
		if s.Contextual && !slices.Contains(q.Contextual, *s.Tuple) {
			q.Contextual = append(q.Contextual, *s.Tuple)
		}
	})
	s := store.New(store.Options{})
	write := store.Command{Kind: store.KindWrite, Tenant: tenant}
	seen := map[tuple.Tuple]bool{} // an arrow and a relation can go over the same tuple
	for _, tp := range tuples {
		if !seen[tp] {
			write.Updates = append(write.Updates, store.Update{Op: store.OpTouch, Tuple: tp})
			seen[tp] = true
		}
	}
	e := store.Entry{Commands: []store.Command{{Kind: store.KindInit, ClusterID: "c", Tenant: tenant}, write}}
	for _, o := range s.Apply(1, e.Append(nil)) {
		if err := o.Err(); err != nil {
			x.fail("%v", err)
		}
	}
	return ask(x.t, compile(x.t, x.schema, s), s, 1, q)
}

// TestExplain_LimitsChangeNoOutcome explains within tight limits: the answer is
// Check's, and a limit that Check does not meet fails no explanation.
func TestExplain_LimitsChangeNoOutcome(t *testing.T) {
	failed, cut := 0, 0
	worlds(t, 300, func(seed uint64) {
		k := random.Everything
		k.Knots = seed%2 == 0
		w := newWorld(t, seed, k)
		w.graph.SetOrder(graph.Fixed) // for a limit is met in one order and not in another
		for _, a := range w.history(3) {
			a.question.Limits.Depth = 1 + w.rand.IntN(4)
			if w.rand.IntN(3) == 0 {
				a.question.Limits.Reads = 1 + w.rand.IntN(300)
			}
			a.answer = ask(t, w.graph, w.store, a.rev, a.question)
			if strings.Contains(a.answer.Err, "the reads limit") {
				continue // that error has no reasons to show
			}
			x := w.explain(a)
			if strings.Contains(a.answer.Err, "limit of") {
				failed++
			}
			x.each(func(s *graph.Step) {
				if strings.HasPrefix(s.Note, "left out: the reads") {
					cut++
				}
			})
		}
	})
	if failed < 50 || cut < 50 {
		t.Errorf("only %d questions met a limit, %d steps are left out", failed, cut)
	}
}
