package oracle

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// asked is a question with its answer at a revision.
type asked struct {
	rev      uint64
	question graph.Question
	answer   answer
}

// history writes n times and asks a few questions after each write.
func (w *world) history(n int) []asked {
	var out []asked
	for range n {
		rev := w.write(10 + w.rand.IntN(30))
		base := random.Asker(w.rand, w.schema)
		table := w.solve(rev, &base)
		for _, q := range questions(w.rand, table, base, 4) {
			out = append(out, asked{rev, q, ask(w.t, w.graph, w.store, rev, q)})
		}
	}
	return out
}

// same fails unless the questions have the same answers from g and s.
func (w *world) same(what string, as []asked, g *graph.Graph, s *store.Store) {
	w.t.Helper()
	for _, a := range as {
		got := ask(w.t, g, s, a.rev, a.question)
		got.Err, a.answer.Err = "", "" // the first of two errors is told, and the order may differ
		if diff := cmp.Diff(a.answer, got); diff != "" {
			c := kase{w.schema, w.tuples[a.rev], a.question}
			w.t.Fatalf("seed %d, revision %d: %s (-before +after):\n%s\n%s", w.seed, a.rev, what, diff, c.scenario("?"))
		}
	}
}

func compile(t testing.TB, schema *graph.Schema, s *store.Store) *graph.Graph {
	t.Helper()
	g, err := graph.Compile(schema, s.Symbols())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestOracle_AnswerAtARevisionNeverChanges(t *testing.T) {
	worlds(t, 200, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		as := w.history(8)
		w.same("asked again after all writes", as, w.graph, w.store)
	})
}

func TestOracle_ReplayIsSnapshotAndRest(t *testing.T) {
	worlds(t, 200, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		as := w.history(6)
		cut := 1 + w.rand.IntN(len(w.entries))
		first, second := store.New(store.Options{}), store.New(store.Options{})
		for i, e := range w.entries[:cut] {
			first.Apply(uint64(i+1), e)
		}
		var file bytes.Buffer
		if _, err := first.Capture().WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		if err := second.Restore(&file); err != nil {
			t.Fatal(err)
		}
		for i, e := range w.entries[cut:] {
			second.Apply(uint64(cut+i+1), e)
		}
		_, a := w.store.Hash()
		_, b := second.Hash()
		if a != b || second.Verify() != nil {
			t.Fatalf("seed %d: the state differs after snapshot and rest (%v)", seed, second.Verify())
		}
		w.same("after snapshot and rest", as, compile(t, w.schema, second), second)
	})
}

// copyWith returns a store that holds at each revision what w holds, changed
// by f and in random order.
func (w *world) copyWith(f func(tuple.Tuple) tuple.Tuple) *store.Store {
	s := store.New(store.Options{})
	for i, entry := range w.entries {
		e, err := store.DecodeEntry(entry)
		if err != nil {
			w.t.Fatal(err)
		}
		for j := range e.Commands {
			us := e.Commands[j].Updates
			for k := range us {
				us[k].Tuple = f(us[k].Tuple)
			}
			w.rand.Shuffle(len(us), func(a, b int) { us[a], us[b] = us[b], us[a] })
		}
		for _, o := range s.Apply(uint64(i+1), e.Append(nil)) {
			if err := o.Err(); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return s
}

func TestOracle_OrderOfWritesChangesNothing(t *testing.T) {
	worlds(t, 200, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		as := w.history(3)
		s := w.copyWith(func(tp tuple.Tuple) tuple.Tuple { return tp })
		w.same("in another order", as, compile(t, w.schema, s), s)
	})
}

func TestOracle_RenamingIdsChangesNothing(t *testing.T) {
	worlds(t, 200, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		as := w.history(3)
		rename := func(id string) string {
			if id == tuple.Wildcard {
				return id
			}
			return "x" + id + "/" + id[:1]
		}
		all := func(tp tuple.Tuple) tuple.Tuple {
			tp.Object.ID, tp.Subject.ID = rename(tp.Object.ID), rename(tp.Subject.ID)
			return tp
		}
		for i := range as {
			q := &as[i].question
			q.Object.ID = rename(q.Object.ID)
			q.Subjects, q.Contextual = slices.Clone(q.Subjects), slices.Clone(q.Contextual)
			for j := range q.Subjects {
				q.Subjects[j].ID = rename(q.Subjects[j].ID)
			}
			for j, tp := range q.Contextual {
				q.Contextual[j] = all(tp)
			}
		}
		s := w.copyWith(all)
		w.same("with other ids", as, compile(t, w.schema, s), s)
	})
}

func TestOracle_PrintedSchemaMeansTheSame(t *testing.T) {
	worlds(t, 200, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		as := w.history(3)
		first := parse(t, graph.Print(w.schema))
		second := parse(t, graph.Print(first))
		if diff := cmp.Diff(graph.Print(first), graph.Print(second)); diff != "" {
			t.Fatalf("seed %d: printed again:\n%s", seed, diff)
		}
		w.same("by the parsed schema", as, compile(t, first, w.store), w.store)
	})
}

func parse(t testing.TB, text string) *graph.Schema {
	t.Helper()
	s, err := graph.Parse(text)
	if err == nil {
		_, err = graph.Validate(s)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s
}

func TestOracle_TuplesOnlyAddWithoutNegation(t *testing.T) {
	worlds(t, 300, func(seed uint64) {
		w := newWorld(t, seed, random.Kinds{})
		as := w.history(3)
		for _, a := range as {
			q := a.question
			q.Contextual = append(slices.Clone(q.Contextual), random.Tuples(w.rand, w.schema, 3, false)...)
			slices.SortFunc(q.Contextual, func(a, b tuple.Tuple) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
			q.Contextual = slices.Compact(q.Contextual)
			if got := ask(t, w.graph, w.store, a.rev, q); got.Value < a.answer.Value {
				c := kase{w.schema, w.tuples[a.rev], q}
				t.Fatalf("seed %d: %v with fewer tuples, now %v\n%s", seed, a.answer, got, c.scenario("?"))
			}
		}
	})
}
