package oracle

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const tenant = "default"

// worlds calls f with one seed after the other: n times, or for as long as
// PEMBA_SIM says. PEMBA_SEED sets the first seed.
func worlds(t *testing.T, n int, f func(seed uint64)) {
	t.Helper()
	first, err := strconv.ParseUint(cmp.Or(os.Getenv("PEMBA_SEED"), "1"), 10, 64)
	if err != nil {
		t.Fatalf("PEMBA_SEED: %v", err)
	}
	done := func(i int) bool { return i >= n }
	if text := os.Getenv("PEMBA_SIM"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("PEMBA_SIM: %v", err)
		}
		if os.Getenv("PEMBA_SEED") == "" {
			first = uint64(time.Now().UnixNano())
		}
		end := time.Now().Add(d)
		done = func(int) bool { return time.Now().After(end) }
	}
	i := 0
	for ; !done(i) && !t.Failed(); i++ {
		f(first + uint64(i))
	}
	t.Logf("%d worlds from seed %d", i, first)
}

// world is a store under random writes, with what it holds at each revision.
type world struct {
	t       testing.TB
	seed    uint64
	rand    *rand.Rand
	schema  *graph.Schema
	caveats *World // compiled once
	store   *store.Store
	graph   *graph.Graph
	entries [][]byte                 // entry of revision i+1
	tuples  map[uint64][]tuple.Tuple // by revision
}

func newWorld(t testing.TB, seed uint64, kinds random.Kinds) *world {
	w := &world{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 0)), tuples: map[uint64][]tuple.Tuple{}}
	w.schema = random.Schema(w.rand, kinds)
	w.store = store.New(store.Options{CollectMin: 1})
	if seed%2 == 0 {
		w.crowd()
	}
	var err error
	if w.graph, err = graph.Compile(w.schema, w.store.Symbols()); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	w.graph.SetOrder(w.order())
	if w.caveats, err = NewWorld(w.schema, nil); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	w.apply(store.Command{Kind: store.KindInit, ClusterID: "c", Tenant: tenant})
	return w
}

// order is in which order the branches of the world's schema are evaluated. The one that
// is measured hardly ever differs from the fixed one in a world that is asked so little.
func (w *world) order() graph.Order {
	return []graph.Order{graph.Shuffled, graph.Shuffled, graph.Measured}[w.seed/3%3]
}

// crowd numbers the schema's shapes so that most of them share the bits of masks,
// as those of a large schema do.
func (w *world) crowd() {
	w.t.Helper()
	first, y := store.New(store.Options{}).Symbols(), w.store.Symbols()
	if _, err := graph.Compile(w.schema, first); err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	other := func(y *store.Symbols, n int) store.ShapeID {
		sym := y.Intern("other")
		return y.InternShape(store.Shape{Type: sym, Relation: y.Intern(strconv.Itoa(n)), SubjectType: sym})
	}
	again := func(s store.Sym) store.Sym {
		if s == store.SymWildcard {
			return s
		}
		return y.Intern(first.Name(s))
	}
	const bits, most = 64, 3 // of all bits, so many are used
	for id, n, end := store.ShapeID(1), 0, other(first, 0); id < end; id++ {
		sh := first.Shape(id)
		at := y.InternShape(store.Shape{Type: again(sh.Type), Relation: again(sh.Relation), SubjectType: again(sh.SubjectType), SubjectRelation: again(sh.SubjectRelation)})
		for ; at%bits > most && at%bits < bits-1; n++ {
			at = other(y, n)
		}
	}
}

func (w *world) apply(c store.Command) uint64 {
	e := store.Entry{Commands: []store.Command{c}}
	w.entries = append(w.entries, e.Append(nil))
	rev := uint64(len(w.entries))
	for _, o := range w.store.Apply(rev, w.entries[rev-1]) {
		if err := o.Err(); err != nil {
			w.t.Fatalf("seed %d: %v", w.seed, err)
		}
	}
	return rev
}

// write touches up to n random tuples and deletes some others.
func (w *world) write(n int) uint64 {
	live := map[tuple.Key]tuple.Tuple{}
	for _, t := range w.tuples[uint64(len(w.entries))] {
		live[t.Key()] = t
	}
	c := store.Command{Kind: store.KindWrite, Tenant: tenant, Time: random.Begin}
	for _, t := range random.Tuples(w.rand, w.schema, n, true) {
		_, had := live[t.Key()]
		op := store.OpTouch
		if had && w.rand.IntN(2) == 0 {
			op = store.OpDelete
			delete(live, t.Key())
		} else {
			live[t.Key()] = t
		}
		c.Updates = append(c.Updates, store.Update{Op: op, Tuple: t})
	}
	rev := w.apply(c)
	for _, t := range live {
		w.tuples[rev] = append(w.tuples[rev], t)
	}
	slices.SortFunc(w.tuples[rev], func(a, b tuple.Tuple) int { return cmp.Compare(a.Key().String(), b.Key().String()) })
	return rev
}

// solve asks the oracle about the world at rev.
func (w *world) solve(rev uint64, q *graph.Question) Table {
	at := *w.caveats
	at.Tuples = w.tuples[rev]
	return Solve(&at, q)
}

// answer is what is compared between runs of one question.
type answer struct {
	Value   Value
	Missing []string
	Err     string
}

func (a answer) String() string { return fmt.Sprintf("%v %q %s", a.Value, a.Missing, a.Err) }

func newAnswer(a graph.Answer, err error) answer {
	if err != nil {
		return answer{Value: Failed, Err: err.Error()}
	}
	return answer{Value: [...]Value{Denied, Conditional, Allowed}[a.Decision], Missing: a.Missing}
}

// ask asks the walk.
func ask(t testing.TB, g *graph.Graph, s *store.Store, rev uint64, q graph.Question) answer {
	t.Helper()
	v, err := s.View(tenant, rev)
	if err != nil {
		t.Fatal(err)
	}
	return newAnswer(g.Check(context.Background(), v, &q))
}

// questions picks atoms of a table to ask about, so that every value is well
// represented: up to n of each, and half as many denied ones.
func questions(r *rand.Rand, table Table, base graph.Question, n int) []graph.Question {
	by := map[Value][]Atom{}
	for a, b := range table {
		if a.Object.ID != tuple.Wildcard {
			by[b.Value()] = append(by[b.Value()], a)
		}
	}
	var out []graph.Question
	for v := Denied; v <= Allowed; v++ {
		atoms := by[v]
		slices.SortFunc(atoms, func(a, b Atom) int {
			return cmp.Or(cmp.Compare(a.Object.String(), b.Object.String()), cmp.Compare(a.Relation, b.Relation))
		})
		r.Shuffle(len(atoms), func(i, j int) { atoms[i], atoms[j] = atoms[j], atoms[i] })
		most := map[bool]int{true: n / 2, false: n}[v == Denied]
		for _, a := range atoms[:min(most, len(atoms))] {
			q := base
			q.Object, q.Permission = a.Object, a.Relation
			out = append(out, q)
		}
	}
	return out
}
