package oracle

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
)

// tally counts the questions by what the oracle says.
type tally struct {
	values    [Allowed + 1]int
	undecided int // answers that depend on their own contrary
}

func (c *tally) total() int {
	n := 0
	for _, v := range c.values {
		n += v
	}
	return n
}

func (c *tally) share(v Value) float64 {
	return 100 * float64(c.values[v]) / float64(max(1, c.total()))
}

func (c *tally) String() string {
	return fmt.Sprintf("%d questions: %.1f %% allowed, %.1f %% denied, %.1f %% conditional, %.1f %% error; %d undecided",
		c.total(), c.share(Allowed), c.share(Denied), c.share(Conditional), c.share(Failed), c.undecided)
}

func TestOracle_WalkAgrees(t *testing.T) {
	var count tally
	worlds(t, 1500, func(seed uint64) {
		kinds := random.Everything
		kinds.Knots = seed%3 == 0
		w := newWorld(t, seed, kinds)
		for range 4 {
			w.write(10 + w.rand.IntN(30))
			for range 4 {
				compareAll(w, &count)
			}
		}
	})
	t.Log(&count)
	for v, least := range map[Value]float64{Allowed: 15, Denied: 15, Conditional: 5, Failed: 3} {
		if count.share(v) < least || count.share(v) > 60 {
			t.Errorf("%.1f %% of the questions are %v", count.share(v), v)
		}
	}
}

// compareAll asks walk and oracle about one subject at a random revision.
func compareAll(w *world, count *tally) {
	rev := uint64(2 + w.rand.IntN(len(w.entries)-1))
	base := random.Asker(w.rand, w.schema)
	table := w.solve(rev, &base)
	qs := questions(w.rand, table, base, 8)
	w.compareTogether(rev, qs)
	for _, q := range qs {
		got := ask(w.t, w.graph, w.store, rev, q)
		want := table[Atom{q.Object, q.Permission}]
		count.values[want.Value()]++
		if want.Low != want.High {
			count.undecided++
		}
		if why := disagreement(w.schema, table, &q, got); why != "" {
			c := kase{w.schema, w.tuples[rev], q}
			w.t.Fatalf("seed %d, revision %d: %s\nreduced:\n%s", w.seed, rev, why, reduce(w.t, c))
		}
	}
}

// compareTogether expects of questions that are walked side by side what each comes
// to alone, to the last read.
func (w *world) compareTogether(rev uint64, qs []graph.Question) {
	v, err := w.store.View(tenant, rev)
	if err != nil {
		w.t.Fatal(err)
	}
	resolved, errs := make([]graph.Resolved, len(qs)), make([]error, len(qs))
	w.graph.ResolveAll(v, qs, resolved, errs)
	rs := make([]*graph.Resolved, len(qs))
	for i := range rs {
		if errs[i] == nil && w.rand.IntN(8) > 0 {
			rs[i] = &resolved[i]
		}
	}
	w.graph.SetOrder(graph.Fixed) // or else what is read depends on what was asked before
	defer w.graph.SetOrder(w.order())
	answers, failed := make([]graph.Answer, len(qs)), make([]error, len(qs))
	w.graph.CheckAll(context.Background(), v, rs, answers, failed)
	for i := range qs {
		want, wantErr := graph.Answer{}, error(nil)
		if rs[i] != nil {
			want, wantErr = w.graph.Check(context.Background(), v, &qs[i])
		}
		if !reflect.DeepEqual(answers[i], want) || fmt.Sprint(failed[i]) != fmt.Sprint(wantErr) {
			w.t.Fatalf("seed %d, revision %d: %+v: %+v %v together, %+v %v alone", w.seed, rev, qs[i], answers[i], failed[i], want, wantErr)
		}
	}
}

// disagreement says how the walk's answer contradicts the oracle, "" if it does
// not.
func disagreement(s *graph.Schema, table Table, q *graph.Question, got answer) string {
	want := table[Atom{q.Object, q.Permission}].Value()
	switch {
	case got.Value != want:
		return fmt.Sprintf("oracle: %v; walk: %v", want, got)
	case want == Conditional:
		return wrongMissing(s, q, got.Missing)
	}
	return ""
}

// wrongMissing checks the names of a conditional answer: at least one, and
// only parameters of caveats that the question does not give.
func wrongMissing(s *graph.Schema, q *graph.Question, missing []string) string {
	var known []string
	for _, c := range s.Caveats {
		for _, p := range c.Params {
			if _, given := q.Context[p.Name]; !given {
				known = append(known, p.Name)
			}
		}
	}
	if len(missing) == 0 {
		return "conditional on nothing"
	}
	for _, name := range missing {
		if !slices.Contains(known, name) {
			return fmt.Sprintf("conditional on %q, which is given or unknown", name)
		}
	}
	return ""
}
