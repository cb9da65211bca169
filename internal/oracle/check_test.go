package oracle

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/store"
)

// checkers are the caches that must not make a difference.
func checkers(t *testing.T) map[string]*check.Checker {
	t.Helper()
	out := map[string]*check.Checker{}
	for name, cost := range map[string]int64{"large": 0, "one entry": check.EntryCost, "off": -1} {
		c, err := check.New(check.Options{MaxCost: cost, Eager: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		out[name] = c
	}
	return out
}

// TestOracle_CacheChangesNothing asks the same few subjects again and again, at
// old and new revisions and at other times, while tuples are written, the
// horizon moves and space is reclaimed.
func TestOracle_CacheChangesNothing(t *testing.T) {
	caches := checkers(t)
	worlds(t, 250, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		as := w.history(3)
		floor := uint64(2)
		for range 6 {
			w.rand.Shuffle(len(as), func(i, j int) { as[i], as[j] = as[j], as[i] })
			for i := 0; i < len(as); i++ {
				a := as[i]
				w.compareCaches(caches, max(a.rev, floor), a.question)
				a.question.Now = random.Time(w.rand)
				if w.rand.IntN(3) == 0 {
					a.question.Contextual = nil
				}
				rev := floor + w.rand.Uint64N(uint64(len(w.entries))-floor+1)
				w.compareCaches(caches, rev, a.question)
			}
			w.write(1 + w.rand.IntN(3))
			if w.rand.IntN(3) == 0 {
				floor += w.rand.Uint64N(uint64(len(w.entries)) - floor + 1)
				w.tuples[uint64(len(w.entries)+1)] = w.tuples[uint64(len(w.entries))]
				w.apply(store.Command{Kind: store.KindHorizon, Horizon: floor, Time: random.Begin})
			}
		}
	})
	for name, c := range caches {
		t.Logf("%s: %+v", name, c.Stats())
	}
	if s := caches["large"].Stats(); s.Hits < s.Walks/4 {
		t.Errorf("the large cache is hardly used: %+v", s)
	}
}

// compareCaches asks every cache twice, and the walk.
func (w *world) compareCaches(caches map[string]*check.Checker, rev uint64, q graph.Question) {
	v, err := w.store.View(tenant, rev)
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	want := newAnswer(w.graph.Check(context.Background(), v, &q))
	for name, c := range caches {
		for _, turn := range []string{"first", "second"} {
			got := newAnswer(c.Check(context.Background(), w.graph, v, &q))
			if diff := cmp.Diff(want, got); diff != "" {
				k := kase{w.schema, w.tuples[rev], q}
				w.t.Fatalf("seed %d, revision %d, cache %s, asked for the %s time (-walk +cache):\n%s\n%s",
					w.seed, rev, name, turn, diff, k.scenario("?"))
			}
		}
	}
}
