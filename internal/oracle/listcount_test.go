package oracle

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// told is what a list tells of a result beside its id.
type told struct {
	Value    Value
	Missing  []string
	Position uint64
}

// tell returns up to most results of a part of a list.
func (l lister) tell(t testing.TB, g *graph.Graph, v store.View, part listPart, most int) (all []told) {
	t.Helper()
	if err := l(g, v, part, func(r graph.Listed) bool {
		if part.noIDs && r.ID != "" {
			t.Errorf("%q has an id", r.ID)
		}
		all = append(all, told{listedAnswer(r).Value, r.Missing, r.Position})
		return len(all) < most
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestOracle_CountsAgreeWithLists: without ids, any part of a list has the same
// results as with them.
func TestOracle_CountsAgreeWithLists(t *testing.T) {
	var counted [Allowed + 1]int
	worlds(t, 200, func(seed uint64) {
		var w *world
		if seed%2 == 0 {
			w = newWorldOf(t, seed, parse(t, wildcards(rand.New(rand.NewPCG(seed, 1)))))
		} else {
			w = newWorld(t, seed, random.Everything)
		}
		w.write(80 + w.rand.IntN(300))
		if seed%2 == 0 {
			w.writeWildcards()
		}
		v := viewOf(t, w.store, uint64(len(w.entries)))
		for range 80 {
			q := random.Asker(w.rand, w.schema)
			d := pick(w.rand, w.schema.Definitions)
			if len(d.Relations) == 0 {
				continue
			}
			q.Object, q.Permission = pick(w.rand, random.Objects(d.Name)), pick(w.rand, d.Relations).Name
			list := objectsOf(q)
			if w.rand.IntN(2) == 0 {
				q.Subjects = []tuple.Subject{w.kind()}
				list = subjectsOf(q)
			}
			part := listPart{prefix: pick(w.rand, []string{"", "", "", "a", "b"}), skip: uint64(max(0, w.rand.IntN(8)-5))}
			most := pick(w.rand, []int{2, 1 << 20, 1 << 20, 1 << 20})
			want := list.tell(t, w.graph, v, part, most)
			part.noIDs = true
			if diff := cmp.Diff(want, list.tell(t, w.graph, v, part, most)); diff != "" {
				t.Fatalf("seed %d, %+v, part %+v (-list +count):\n%s", seed, q, part, diff)
			}
			for _, r := range want {
				counted[r.Value]++
			}
		}
	})
	t.Logf("denied, conditional, error, allowed: %v", counted)
	for _, n := range counted {
		if n < 5 {
			t.Error("that is too little to prove anything")
		}
	}
}
