package bench

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/oracle"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// plans are populations of each workload with unusual parameters among them.
var plans = []struct {
	name string
	plan Plan
}{
	{"IAM", Plan{Workload: IAM, Tuples: 12_345}},
	{"Docs", Plan{Workload: Docs, Tuples: 23_456}},
	{"DocsFlat", Plan{Workload: Docs, Tuples: 10_007, Depth: 1, Allowed: 0.5}},
	{"DocsDeep", Plan{Workload: Docs, Tuples: 20_000, Parts: 1, Depth: 7, Width: 2, Allowed: 0.6}},
	{"Social", Plan{Workload: Social, Tuples: 34_567}},
	{"SocialEven", Plan{Workload: Social, Tuples: 20_001, Skew: 0.1}},
	{"SocialSkewed", Plan{Workload: Social, Tuples: 20_002, Skew: 0.95, Allowed: 0.7}},
	{"Nested", Plan{Workload: Nested, Tuples: 45_678, Members: 3000}},
	{"NestedFlat", Plan{Workload: Nested, Tuples: 20_000, Depth: 1, Allowed: 0.1}},
	{"NestedWide", Plan{Workload: Nested, Tuples: 20_003, Depth: 3, Width: 100}},
	{"NestedThin", Plan{Workload: Nested, Tuples: 20_004, Depth: 20, Width: 1}},
	{"Smallest", Plan{Workload: Docs, Tuples: MinTuples}},
	{"SmallestSocial", Plan{Workload: Social, Tuples: MinTuples}},
	{"SmallestNested", Plan{Workload: Nested, Tuples: MinTuples}},
}

func planned(t testing.TB, p Plan) *Population {
	t.Helper()
	if p.Seed == 0 {
		p.Seed = 11
	}
	population, err := p.Population()
	if err != nil {
		t.Fatal(err)
	}
	return population
}

func TestPlan_HasExactlyItsSizeInDistinctTuples(t *testing.T) {
	for _, c := range plans {
		p := planned(t, c.plan)
		keys := make(map[tuple.Key]bool)
		for tup := range p.Tuples() {
			if err := tup.Validate(); err != nil {
				t.Fatal(c.name, err)
			}
			keys[tup.Key()] = true
		}
		if len(keys) != c.plan.Tuples || p.Size() != c.plan.Tuples {
			t.Errorf("%s: %d distinct tuples, not %d", c.name, len(keys), c.plan.Tuples)
		}
	}
}

func TestPlan_TheSameSeedMakesTheSame(t *testing.T) {
	for _, c := range plans {
		first, again := planned(t, c.plan), planned(t, c.plan)
		if !slices.Equal(slices.Collect(first.Tuples()), slices.Collect(again.Tuples())) {
			t.Errorf("%s: the same seed makes other tuples", c.name)
		}
		one, two := first.Questions(3, 0).Source(), again.Questions(3, 0).Source()
		for range 100 {
			if a, b := one.Next(), two.Next(); a != b {
				t.Fatalf("%s: %s and %s", c.name, a, b)
			}
		}
		c.plan.Seed = 12
		other := planned(t, c.plan)
		if slices.Equal(slices.Collect(first.Tuples()), slices.Collect(other.Tuples())) {
			t.Errorf("%s: another seed makes the same tuples", c.name)
		}
	}
}

// What the reference is told about an object is what was written about it.
func TestPlan_FactsAreTheTuples(t *testing.T) {
	for _, c := range plans {
		if c.plan.Workload == IAM {
			continue // its facts are made from its tuples
		}
		p := planned(t, c.plan)
		facts := p.shape.facts(0)
		written := make(map[tuple.Object][]tuple.Tuple)
		for tup := range p.Tuples() {
			written[tup.Object] = append(written[tup.Object], tup)
			if next := tup.Subject.Object(); written[next] == nil {
				written[next] = nil
			}
		}
		for object, want := range written {
			if got := facts(object); !slices.Equal(want, got) {
				t.Fatalf("%s: %s (-written +facts):\n%s", c.name, object, cmp.Diff(want, got))
			}
		}
	}
}

func TestPlan_AllowsTheShareThatItStates(t *testing.T) {
	for _, c := range plans {
		p := planned(t, c.plan)
		source, err := p.Schema()
		if err != nil {
			t.Fatal(err)
		}
		g, view := memory(t, source, p.Tuples())
		questions := p.Questions(1, 0).Source()
		const asked = 4000
		allowed := 0
		for range asked {
			q := questions.Next()
			answer, err := g.Check(t.Context(), view, &graph.Question{
				Object: q.Object, Permission: q.Permission, Subjects: []tuple.Subject{q.Subject}, Now: time.Now().UnixNano(),
			})
			if err != nil {
				t.Fatal(c.name, q, err)
			}
			if answer.Decision == graph.Allowed {
				allowed++
			}
		}
		share := float64(allowed) / asked
		t.Logf("%-15s %2.0f %% allowed", c.name, 100*share)
		if want := p.Plan().Allowed; want != 0 && math.Abs(share-want) > 0.05 {
			t.Errorf("%s: %.0f %% of the questions are allowed, not about %.0f %%", c.name, 100*share, 100*want)
		}
	}
}

// The walk and the reference, which sees facts only, agree; the reference agrees
// with one that sees all tuples.
func TestPlan_TheReferenceAgreesWithTheWalk(t *testing.T) {
	for _, c := range plans {
		p := planned(t, c.plan)
		source, _ := p.Schema()
		g, view := memory(t, source, p.Tuples())
		questions := p.Questions(2, 0).Source()
		var answers []Answered
		for range 60 {
			q := questions.Next()
			answer, err := g.Check(t.Context(), view, &graph.Question{
				Object: q.Object, Permission: q.Permission, Subjects: []tuple.Subject{q.Subject}, Now: time.Now().UnixNano(),
			})
			if err != nil {
				t.Fatal(c.name, q, err)
			}
			decision := pb.Decision_DECISION_DENIED
			if answer.Decision == graph.Allowed {
				decision = pb.Decision_DECISION_ALLOWED
			}
			answers = append(answers, Answered{q, Check, decision})
		}
		if err := p.Verify(answers); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPlan_TheReferenceAgreesWithTheWholeWorld(t *testing.T) {
	for _, workload := range []string{Docs, Social, Nested} {
		p := planned(t, Plan{Workload: workload, Tuples: MinTuples, Allowed: 0.5})
		r, err := p.reference(0)
		if err != nil {
			t.Fatal(err)
		}
		whole := *r.world
		whole.Tuples = slices.Collect(p.Tuples())
		questions := p.Questions(3, 0).Source()
		for range 10 {
			q := questions.Next()
			table := oracle.Solve(&whole, &graph.Question{Subjects: []tuple.Subject{q.Subject}, Now: time.Now().UnixNano()})
			want := pb.Decision_DECISION_DENIED
			if table[oracle.Atom{Object: q.Object, Relation: q.Permission}].Value() == oracle.Allowed {
				want = pb.Decision_DECISION_ALLOWED
			}
			if got := r.decide(&q); got != want {
				t.Errorf("%s: %s: %s, the whole world says %s", workload, q, got, want)
			}
		}
	}
}

func TestPlan_AsksAboutWhatExists(t *testing.T) {
	for _, c := range plans {
		p := planned(t, c.plan)
		exists := make(map[tuple.Object]bool)
		for tup := range p.Tuples() {
			exists[tup.Object] = true
			exists[tup.Subject.Object()] = true
		}
		distinct := make(map[Question]bool)
		const asked = 2000
		questions := p.Questions(4, 0).Source()
		for range asked {
			q := questions.Next()
			if !exists[q.Object] || !exists[q.Subject.Object()] {
				t.Fatalf("%s: %s is not about the population", c.name, q)
			}
			distinct[q] = true
			for _, op := range []Op{ListObjects, ListSubjects} {
				n, id := p.shape.listed(&q, op)
				listed := tuple.Object{Type: q.Object.Type, ID: id(n - 1)}
				if op == ListSubjects {
					listed = tuple.Object{Type: q.Subject.Type, ID: id(n - 1)}
				}
				if !exists[listed] {
					t.Fatalf("%s: %s is not in the population", c.name, listed)
				}
			}
		}
		if c.plan.Tuples > 20_000 && len(distinct) < asked*98/100 {
			t.Errorf("%s: %d of %d questions are distinct", c.name, len(distinct), asked)
		}
	}
}

func TestPlan_EveryOperationIsVerified(t *testing.T) {
	for _, workload := range []string{Docs, Social, Nested} {
		p := planned(t, Plan{Workload: workload, Tuples: 2 * MinTuples})
		load := Load{Conns: serve(t, p, 0, 1), Callers: 2, Requests: 60, Batch: 5, Questions: p.Questions(1, 0), Verify: 40}
		series, err := Measure(t.Context(), load, []Op{Check, Batch, ListObjects, ListSubjects, Write}, 1)
		if err != nil {
			t.Fatal(workload, err)
		}
		for _, s := range series {
			if s.Op != Write && s.Verified < 20 {
				t.Errorf("%s, %s: %d answers verified", workload, s.Op, s.Verified)
			}
		}
	}
}

func TestPlan_RefusesWhatAWorkloadDoesNotHave(t *testing.T) {
	for _, p := range []Plan{
		{Workload: "files", Tuples: 5000},
		{Tuples: MinTuples - 1},
		{Tuples: 5000, Parts: 10},
		{Workload: Docs, Tuples: 5000, Parts: 10},
		{Workload: Docs, Tuples: 5000, Depth: -1},
		{Workload: Docs, Tuples: 5000, Depth: 31},
		{Workload: Docs, Tuples: 5000, Skew: 0.5},
		{Workload: Docs, Tuples: 5000, Allowed: 1},
		{Workload: IAM, Tuples: 5000, Allowed: 0.5},
		{Workload: IAM, Tuples: 5000, Depth: 3},
		{Workload: Social, Tuples: 5000, Skew: 1.1},
		{Workload: Social, Tuples: 5000, Skew: math.NaN()},
		{Workload: Social, Tuples: 5000, Parts: 1},
		{Workload: Nested, Tuples: 5000, Members: 6000},
	} {
		if _, err := p.Population(); err == nil {
			t.Errorf("%+v makes a population", p)
		}
	}
}

func TestLevels_EveryGroupIsInOneAbove(t *testing.T) {
	widened := newLevels(3, 1, 9)
	widened.widen(8)
	for _, l := range []levels{newLevels(1, 5, 10), newLevels(4, 3, 100), newLevels(10, 2, 37), newLevels(5, 1, 9), widened} {
		held := make([]int, l.groups)
		for g := range l.groups {
			empty := true
			l.below(g, func(g int) { held[g]++; empty = false })
			level, n := l.place(g)
			if l.starts[level]+n != g || empty != (level == l.last()) {
				t.Errorf("%v: group %d is the %d of level %d", l.sizes, g, n, level)
			}
			d := drawsOf(1, g)
			if leaf := l.leafBelow(g, &d); leaf < 0 || leaf >= l.leaves() {
				t.Errorf("%v: leaf %d below group %d", l.sizes, leaf, g)
			}
		}
		for g, n := range held {
			if want := min(g, 1); n != want {
				t.Errorf("%v: group %d is in %d groups", l.sizes, g, n)
			}
		}
	}
}
