package oracle

import (
	"context"
	"math"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// checkAt asks the walk and returns all of its answer.
func checkAt(t testing.TB, w *world, rev uint64, q graph.Question) (graph.Answer, error) {
	t.Helper()
	v, err := w.store.View(tenant, rev)
	if err != nil {
		t.Fatal(err)
	}
	return w.graph.Check(context.Background(), v, &q)
}

func TestOracle_AnswerHoldsForItsTime(t *testing.T) {
	timed := 0
	worlds(t, 300, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		for _, a := range w.history(4) {
			first, err := checkAt(t, w, a.rev, a.question)
			if err != nil {
				continue
			}
			now := a.question.Now
			if now < first.Since || now >= first.Until {
				t.Fatalf("seed %d: asked at %d, holds from %d until %d", seed, now, first.Since, first.Until)
			}
			for _, at := range []int64{first.Since, first.Until - 1, random.Time(w.rand), random.Time(w.rand)} {
				if at < first.Since || at >= first.Until || at == math.MinInt64 || at == math.MaxInt64-1 {
					continue
				}
				timed++
				a.question.Now = at
				if got := ask(t, w.graph, w.store, a.rev, a.question); got.Value != a.answer.Value {
					c := kase{w.schema, w.tuples[a.rev], a.question}
					t.Fatalf("seed %d: %v at %d (holds from %d until %d), %v at %d\n%s",
						seed, a.answer, now, first.Since, first.Until, got, at, c.scenario("?"))
				}
			}
		}
	})
	if timed < 100 {
		t.Errorf("only %d answers are bounded in time", timed)
	}
}

// TestOracle_ContextOnlyDecides: what is allowed or denied without a
// parameter stays so with it, and nothing is conditional with all of them.
func TestOracle_ContextOnlyDecides(t *testing.T) {
	decided := 0
	worlds(t, 300, func(seed uint64) {
		w := newWorld(t, seed, random.Kinds{Negation: true, Traits: true})
		full := map[string]any{}
		for len(full) < parameters(w.schema) {
			full = random.Context(w.rand, w.schema)
		}
		for _, a := range w.history(4) {
			q := a.question
			q.Context = map[string]any{}
			for name, value := range full {
				q.Context[name] = value
			}
			for name, value := range a.question.Context {
				q.Context[name] = value
			}
			got := ask(t, w.graph, w.store, a.rev, q)
			definite := a.answer.Value == Allowed || a.answer.Value == Denied
			if got.Value == Conditional || definite && got.Value != a.answer.Value {
				c := kase{w.schema, w.tuples[a.rev], q}
				t.Fatalf("seed %d: %v, with more context %v\n%s", seed, a.answer, got, c.scenario("?"))
			}
			if a.answer.Value == Conditional {
				decided++
			}
		}
	})
	if decided < 100 {
		t.Errorf("only %d conditional answers were decided", decided)
	}
}

func parameters(s *graph.Schema) int {
	n := 0
	for _, c := range s.Caveats {
		n += len(c.Params)
	}
	return n
}

// TestOracle_LimitsOnlyFail: with less room the answer is the same or an error.
func TestOracle_LimitsOnlyFail(t *testing.T) {
	failed := 0
	worlds(t, 500, func(seed uint64) {
		kinds := random.Everything
		kinds.Knots = seed%2 == 0
		w := newWorld(t, seed, kinds)
		for _, a := range w.history(3) {
			q := a.question
			q.Limits.Depth = 1 + w.rand.IntN(4)
			if w.rand.IntN(3) == 0 {
				q.Limits.Reads = 1 + w.rand.IntN(20)
			}
			got := ask(t, w.graph, w.store, a.rev, q)
			if got.Value == Failed && a.answer.Value != Failed {
				failed++
			} else if got.Value != a.answer.Value {
				c := kase{w.schema, w.tuples[a.rev], q}
				t.Fatalf("seed %d: %v, within %+v %v\n%s", seed, a.answer, q.Limits, got, c.scenario("?"))
			}
		}
	})
	if failed < 100 {
		t.Errorf("only %d questions met a limit", failed)
	}
}

// TestOracle_ChangedAnswerDependsOnAChangedShape: a cache may keep an answer
// for as long as no shape of Depends changes.
func TestOracle_ChangedAnswerDependsOnAChangedShape(t *testing.T) {
	changed := 0
	worlds(t, 500, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		as := w.history(3)
		for range 20 {
			changed += w.compareChange(as)
		}
	})
	if changed < 100 {
		t.Errorf("only %d answers changed", changed)
	}
}

// compareChange writes a tuple and returns how many answers changed by it.
func (w *world) compareChange(as []asked) int {
	changed, before := 0, uint64(len(w.entries))
	rev := w.write(1)
	touched := w.changedShapes(before, rev)
	for _, a := range as {
		old := ask(w.t, w.graph, w.store, before, a.question)
		now := ask(w.t, w.graph, w.store, rev, a.question)
		if old.Value == now.Value {
			continue
		}
		changed++
		if !w.dependsOn(rev, &a.question, touched) {
			c := kase{w.schema, w.tuples[rev], a.question}
			w.t.Fatalf("seed %d: %v became %v by a change that Depends does not list\n%s", w.seed, old, now, c.scenario("?"))
		}
	}
	return changed
}

// changedShapes returns the shapes of what differs between two revisions.
func (w *world) changedShapes(a, b uint64) map[store.ShapeID]bool {
	count := map[tuple.Tuple]int{}
	for _, t := range w.tuples[a] {
		count[t]++
	}
	for _, t := range w.tuples[b] {
		count[t]--
	}
	y, out := w.store.Symbols(), map[store.ShapeID]bool{}
	for t, n := range count {
		if n == 0 {
			continue
		}
		sh := store.Shape{Type: y.Lookup(t.Object.Type), Relation: y.Lookup(t.Relation),
			SubjectType: y.Lookup(t.Subject.Type), SubjectRelation: y.Lookup(t.Subject.Relation)}
		if t.Subject.IsWildcard() {
			sh.SubjectRelation = store.SymWildcard
		}
		out[y.LookupShape(sh)] = true
	}
	return out
}

func (w *world) dependsOn(rev uint64, q *graph.Question, shapes map[store.ShapeID]bool) bool {
	v, err := w.store.View(tenant, rev)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := w.graph.Resolve(v, q)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range w.graph.Depends(&r) {
		if shapes[id] {
			return true
		}
	}
	return false
}
