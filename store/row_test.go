package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// rowWorld plays random writes into a store in which some objects and subjects
// have very long rows, and remembers the life of every version.
type rowWorld struct {
	*testing.T
	s     *Store
	r     *rand.Rand
	seed  uint64
	lives []life
	live  map[tuple.Key]int // the newest version's place in lives
	held  []heldRows
}

type life struct {
	tuple            tuple.Tuple
	created, deleted uint64
}

// heldRows is a view with what it must show.
type heldRows struct {
	v   View
	all []tuple.Tuple // in the order of their creation
}

// someTuple prefers few objects and few subjects, of all kinds.
func (w *rowWorld) someTuple() tuple.Tuple {
	skewed := func(n int) int { return int(float64(n) * w.r.Float64() * w.r.Float64() * w.r.Float64()) }
	relation := []string{"viewer", "editor", "a", "b", "c", "d"}[skewed(6)]
	text := fmt.Sprintf("doc:%d#%s@user:%d", skewed(1500), relation, skewed(3000))
	switch w.r.IntN(8) {
	case 0, 1:
		text = fmt.Sprintf("doc:hub#viewer@user:%d", w.r.IntN(5000))
	case 2:
		text = fmt.Sprintf("doc:%d#viewer@user:hub", w.r.IntN(5000))
	case 3:
		text = fmt.Sprintf("doc:%d#%s@group:%d#member", skewed(1500), relation, skewed(10))
	}
	if w.r.IntN(10) == 0 {
		text += "[ip]"
	}
	return parse(w, text)
}

func (w *rowWorld) write(rev uint64, updates int) {
	c := Command{Kind: KindWrite, Tenant: "default"}
	seen := map[tuple.Key]bool{}
	for range updates {
		u := Update{Op: OpTouch, Tuple: w.someTuple()}
		if w.r.IntN(4) == 0 && len(w.lives) > 0 {
			u = Update{Op: OpDelete, Tuple: w.lives[w.r.IntN(len(w.lives))].tuple}
		}
		if seen[u.Tuple.Key()] {
			continue
		}
		seen[u.Tuple.Key()] = true
		c.Updates = append(c.Updates, u)
		w.note(u, rev)
	}
	if out := apply(w, w.s, rev, c); out[0].Code != OK {
		w.Fatal(out)
	}
}

func (w *rowWorld) note(u Update, rev uint64) {
	i, there := w.live[u.Tuple.Key()]
	if there && u.Op == OpTouch && w.lives[i].tuple == u.Tuple {
		return
	}
	if there {
		w.lives[i].deleted = rev
		delete(w.live, u.Tuple.Key())
	}
	if u.Op == OpTouch {
		w.live[u.Tuple.Key()] = len(w.lives)
		w.lives = append(w.lives, life{tuple: u.Tuple, created: rev})
	}
}

// at returns what is visible at a revision.
func (w *rowWorld) at(rev uint64) (out []tuple.Tuple) {
	for _, l := range w.lives {
		if l.created <= rev && (l.deleted == 0 || l.deleted > rev) {
			out = append(out, l.tuple)
		}
	}
	return out
}

func (w *rowWorld) hold(rev uint64) {
	w.held = append(w.held, heldRows{must[View](w)(w.s.View("default", rev)), w.at(rev)})
}

// check compares all that h shows, and what it does not.
func (w *rowWorld) check(h heldRows) {
	w.Helper()
	v, y := h.v, h.v.Symbols()
	type row struct {
		n   Node
		key rowKey
	}
	want := map[row][]tuple.Tuple{}
	for _, tp := range h.all {
		o, sh, s := v.g.parts(tp)
		if f, ok := v.Find(o, sh, s); !ok || v.Tuple(f) != tp {
			w.Fatalf("seed %d: %s is not found at %d", w.seed, tp, v.Revision())
		}
		for r := range map[row]bool{{o, keyOf(sh, forward)}: true, {s, keyOf(sh, reverse)}: true} {
			want[r] = append(want[r], tp)
		}
		if !v.MayHave(o, sh) || !v.ObjectMask(o).Has(sh) || !v.SubjectMask(s).Has(sh) {
			w.Fatalf("seed %d: no mask for %s at %d", w.seed, tp, v.Revision())
		}
	}
	for r, tuples := range want {
		it := v.Forward(r.n, r.key.shape())
		if r.key.dir() == reverse {
			it = v.Reverse(r.n, r.key.shape())
		}
		var got []tuple.Tuple
		for it.Next() {
			got = append(got, v.Tuple(it.Fact()))
		}
		slices.Reverse(got)
		if diff := cmp.Diff(tuples, got); diff != "" {
			w.Fatalf("seed %d: row %v at %d: %s", w.seed, r, v.Revision(), diff)
		}
	}
	if got := slices.Collect(v.Tuples(tuple.Filter{})); !slices.Equal(h.all, got) {
		w.Fatalf("seed %d: %d tuples at %d, want %d", w.seed, len(got), v.Revision(), len(h.all))
	}
	w.checkRows(h)
	there := map[tuple.Key]bool{}
	for _, tp := range h.all {
		there[tp.Key()] = true
	}
	for range 300 {
		tp := w.someTuple()
		o, sh, s := v.Node(y.Lookup("doc"), tp.Object.ID), y.LookupShape(shapeOf(y.Lookup, tp)), v.Node(y.Lookup(tp.Subject.Type), tp.Subject.ID)
		if _, ok := v.Find(o, sh, s); sh != 0 && ok != there[tp.Key()] {
			w.Fatalf("seed %d: %s at %d: %v", w.seed, tp, v.Revision(), ok)
		}
	}
}

// TestRows_OfAnySizeShowWhatWasWritten reads views of all ages while rows grow
// from one posting to thousands, pages are replaced and space is reclaimed, at
// once or little by little.
func TestRows_OfAnySizeShowWhatWasWritten(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			w := &rowWorld{T: t, seed: seed, r: rand.New(rand.NewPCG(seed, 7)), live: map[tuple.Key]int{},
				s: New(Options{CollectMin: 1, CollectPercent: 10, copyStep: int(seed) * 300})}
			apply(t, w.s, 1, Command{Kind: KindInit, ClusterID: "c", Tenant: "default"})
			generations := map[uint64]bool{}
			for rev := uint64(2); rev < 200; rev++ {
				w.write(rev, 1+w.r.IntN(180))
				if rev%30 == 0 {
					w.hold(rev - w.r.Uint64N(min(rev-w.s.Horizon(), 20)))
				}
				if rev%40 == 0 {
					rev++
					apply(t, w.s, rev, Command{Kind: KindHorizon, Horizon: rev - 30})
				}
				generations[must[View](t)(w.s.View("default", 0)).Generation()] = true
				if rev%90 == 0 {
					for _, h := range w.held {
						w.check(h)
					}
				}
			}
			w.hold(w.s.Revision())
			for _, h := range w.held {
				w.check(h)
			}
			if err := w.s.Verify(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			again := restored(t, w.s)
			if err := again.Verify(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if g := w.held[len(w.held)-1].v.g; g.bigs.len() == 0 || len(generations) < 2 {
				t.Errorf("%d rows outside the pages, %d generations: the test does not test it", g.bigs.len(), len(generations))
			}
		})
	}
}
