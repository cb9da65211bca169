package oracle

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// page is a part of a list.
type page struct {
	ids     []string
	answers []answer
	last    uint64
	more    bool
}

// take returns up to n results behind a position.
func (l lister) take(t testing.TB, g *graph.Graph, v store.View, prefix string, skip uint64, n int) page {
	t.Helper()
	p := page{last: skip}
	err := l(g, v, listPart{prefix: prefix, skip: skip}, func(r graph.Listed) bool {
		if p.more = len(p.ids) == n; p.more {
			return false
		}
		p.ids, p.answers, p.last = append(p.ids, r.ID), append(p.answers, listedAnswer(r)), r.Position
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// places returns ways to ask for the same view: of the store as it was, after
// the horizon has moved and space was reclaimed, and restored from a snapshot.
func (w *world) places(rev uint64) []func() (*graph.Graph, store.View) {
	other := store.New(store.Options{})
	var file bytes.Buffer
	if _, err := w.store.Capture().WriteTo(&file); err != nil {
		w.t.Fatal(err)
	}
	if err := other.Restore(&file); err != nil {
		w.t.Fatal(err)
	}
	restored, before := compile(w.t, w.schema, other), viewOf(w.t, w.store, rev)
	w.tuples[uint64(len(w.entries)+1)] = w.tuples[uint64(len(w.entries))]
	w.apply(store.Command{Kind: store.KindHorizon, Horizon: rev, Time: random.Begin})
	return []func() (*graph.Graph, store.View){
		func() (*graph.Graph, store.View) { return w.graph, before },
		func() (*graph.Graph, store.View) { return w.graph, viewOf(w.t, w.store, rev) },
		func() (*graph.Graph, store.View) { return restored, viewOf(w.t, other, rev) },
	}
}

func TestOracle_PagesOfAListMakeTheList(t *testing.T) {
	paged, moved := 0, 0
	worlds(t, 150, func(seed uint64) {
		var w *world
		if seed%2 == 0 {
			w = newWorldOf(t, seed, parse(t, wildcards(rand.New(rand.NewPCG(seed, 1)))))
		} else {
			w = newWorld(t, seed, random.Everything)
		}
		for range 8 {
			w.write(50 + w.rand.IntN(100))
		}
		rev := uint64(len(w.entries) - w.rand.IntN(2))
		places := w.places(rev)
		_, was := places[0]()
		if _, is := places[1](); is.Generation() != was.Generation() {
			moved++
		}
		for range 20 {
			q := random.Asker(w.rand, w.schema)
			d := pick(w.rand, w.schema.Definitions)
			if len(d.Relations) == 0 {
				continue
			}
			q.Object, q.Permission = pick(w.rand, random.Objects(d.Name)), pick(w.rand, d.Relations).Name
			if w.rand.IntN(2) == 0 {
				paged += w.comparePages(places, objectsOf(q))
			} else {
				q.Subjects = []tuple.Subject{w.kind()}
				paged += w.comparePages(places, subjectsOf(q))
			}
		}
	})
	if paged < 500 || moved < 25 {
		t.Errorf("only %d lists came in pages, %d stores were collected", paged, moved)
	}
}

// comparePages compares a list with its pages, each asked for at another place,
// and with its part behind a prefix. It returns 1 if there was more than one page.
func (w *world) comparePages(places []func() (*graph.Graph, store.View), l lister) int {
	g, v := places[0]()
	whole := l.take(w.t, g, v, "", 0, 1<<20)
	var got page
	pages := 0
	for more := true; more; pages++ {
		g, v := pick(w.rand, places)()
		p := l.take(w.t, g, v, "", got.last, 1+w.rand.IntN(3))
		got.ids, got.answers, got.last, more = append(got.ids, p.ids...), append(got.answers, p.answers...), p.last, p.more
	}
	prefix := pick(w.rand, []string{"a", "b", "[", "*", "no", "b:1"})
	var part page
	for i, id := range whole.ids {
		if strings.HasPrefix(id, prefix) || id == tuple.Wildcard {
			part.ids, part.answers = append(part.ids, id), append(part.answers, whole.answers[i])
		}
	}
	g, v = pick(w.rand, places)()
	filtered := l.take(w.t, g, v, prefix, 0, 1<<20)
	for what, pair := range map[string][2]page{"pages": {whole, got}, "prefix " + prefix: {part, filtered}} {
		for i := range pair {
			for j := range pair[i].answers {
				pair[i].answers[j].Err = "" // the first of two errors is told, and the order may differ
			}
		}
		if diff := cmp.Diff(pair[0].ids, pair[1].ids); diff != "" {
			w.t.Fatalf("seed %d: %s (-whole +got):\n%s", w.seed, what, diff)
		}
		if diff := cmp.Diff(pair[0].answers, pair[1].answers); diff != "" {
			w.t.Fatalf("seed %d: %s (-whole +got):\n%s", w.seed, what, diff)
		}
	}
	return min(1, pages-1)
}

// TestOracle_ListsWithinLimits: with less room a list says the same of what it
// lists, or that it failed; what Check allows is there.
func TestOracle_ListsWithinLimits(t *testing.T) {
	failed, slack := 0, 0
	worlds(t, 400, func(seed uint64) {
		kinds := random.Everything
		kinds.Knots = seed%2 == 0
		w := newWorld(t, seed, kinds)
		rev := w.write(20 + w.rand.IntN(40))
		v := viewOf(t, w.store, rev)
		for range 20 {
			q := random.Asker(w.rand, w.schema)
			d := pick(w.rand, w.schema.Definitions)
			if len(d.Relations) == 0 {
				continue
			}
			q.Object, q.Permission = pick(w.rand, random.Objects(d.Name)), pick(w.rand, d.Relations).Name
			isObjects := w.rand.IntN(2) == 0
			list := objectsOf
			if !isObjects {
				list, q.Subjects = subjectsOf, []tuple.Subject{w.kind()}
			}
			free, _ := list(q).all(w.graph, v)
			q.Limits.Depth = 1 + w.rand.IntN(3)
			bounded, err := list(q).all(w.graph, v)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			c := kase{w.schema, w.tuples[rev], q}
			for _, o := range c.names(map[bool]string{true: q.Object.Type, false: q.Subjects[0].Type}[isObjects]) {
				one := q
				if isObjects {
					one.Object = o
				} else {
					one.Subjects = []tuple.Subject{{Type: o.Type, ID: o.ID, Relation: q.Subjects[0].Relation}}
				}
				want := newAnswer(w.graph.Check(context.Background(), v, &one))
				all, part := orWildcard(free, o.ID), orWildcard(bounded, o.ID)
				switch {
				case part.Value == Failed && all.Value != Failed:
					failed++
				case part.Value != all.Value:
					t.Fatalf("seed %d: %s is %v, within %+v %v\n%s", seed, o, all, q.Limits, part, c.scenario("?"))
				}
				if want.Value != part.Value && !(want.Value == Failed && part.Value == Denied) {
					slack++
				}
			}
		}
	})
	t.Logf("%d failed, %d differ from Check", failed, slack)
	if failed < 100 || slack > failed/20 {
		t.Errorf("%d failed, %d differ from Check", failed, slack)
	}
}

// orWildcard is what a list says of an id.
func orWildcard(list map[string]answer, id string) answer {
	if a, ok := list[id]; ok {
		return a
	}
	return list[tuple.Wildcard]
}

// TestOracle_ListReadsLimitIsAnError: whatever the limit on the reads of a list,
// it says the same up to where it ends, and it ends with an error or whole.
func TestOracle_ListReadsLimitIsAnError(t *testing.T) {
	failed := 0
	worlds(t, 200, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		rev := w.write(20 + w.rand.IntN(40))
		v := viewOf(t, w.store, rev)
		for _, d := range w.schema.Definitions {
			for _, rel := range d.Relations {
				q := random.Asker(w.rand, w.schema)
				q.Object, q.Permission = pick(w.rand, random.Objects(d.Name)), rel.Name
				list := objectsOf
				if w.rand.IntN(2) == 0 {
					list, q.Subjects = subjectsOf, []tuple.Subject{w.kind()}
				}
				free, err := list(q).all(w.graph, v)
				if err != nil {
					t.Fatal(err)
				}
				q.Limits.List = 1 + w.rand.IntN(20)
				part, err := list(q).all(w.graph, v)
				var limit *graph.LimitError
				switch {
				case errors.As(err, &limit):
					failed++
				case err != nil:
					t.Fatal(err)
				case len(part) != len(free):
					t.Fatalf("seed %d: %d of %d without an error", seed, len(part), len(free))
				}
				for id, a := range part {
					if free[id].Value != a.Value {
						t.Fatalf("seed %d: %s is %v, within the limit %v", seed, id, free[id], a)
					}
				}
			}
		}
	})
	if failed < 100 {
		t.Errorf("only %d lists met the limit", failed)
	}
}
