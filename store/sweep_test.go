package store

import (
	"fmt"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// churned is a store whose doc:a has one row of many versions that no new view
// shows, and beside it tuples of another type.
func churned(t *testing.T, rounds int) *Store {
	t.Helper()
	s := ready(t)
	const batch = 500
	var texts []string
	for i := range batch {
		texts = append(texts, fmt.Sprintf("doc:a#viewer@user:%d", i))
	}
	rev := uint64(2)
	for range rounds {
		apply(t, s, rev, write(t, OpTouch, texts...))
		apply(t, s, rev+1, write(t, OpDelete, texts...))
		rev += 2
	}
	apply(t, s, rev, write(t, OpTouch, "folder:f#viewer@user:ann", "doc:z#viewer@user:ann"))
	return s
}

// TestScan_AsksWhereNothingIsYielded: a filter that selects little must not keep
// its caller waiting for what it passes.
func TestScan_AsksWhereNothingIsYielded(t *testing.T) {
	v := must[View](t)(churned(t, 40).View("default", 0))
	for name, f := range map[string]tuple.Filter{
		"all":        {Type: "folder"},
		"an object":  {Type: "doc", ID: "a"},
		"everything": {},
	} {
		asked, yielded := 0, 0
		if !v.Scan(f, nil, func() bool { asked++; return asked < 3 }, func(tuple.Tuple) bool { yielded++; return true }) {
			t.Fatalf("%s: no beginning", name)
		}
		if asked != 3 || yielded != 0 {
			t.Errorf("%s: asked %d times, %d yielded", name, asked, yielded)
		}
	}
}

func TestScan_IsTuples(t *testing.T) {
	eachSeed(t, 50, func(t *testing.T, h *history) {
		v := must[View](t)(h.stores["plain"].View("default", 0))
		always := func() bool { return true }
		for _, f := range someFilters {
			var want, got []tuple.Tuple
			for x := range v.Tuples(f) {
				want = append(want, x)
			}
			for len(got) <= len(want) { // tuple by tuple
				before := len(got)
				var after *tuple.Key
				if before > 0 {
					k := got[before-1].Key()
					after = &k
				}
				if !v.Scan(f, after, always, func(x tuple.Tuple) bool { got = append(got, x); return false }) {
					t.Fatalf("%+v: %s is not found", f, got[before-1])
				}
				if len(got) == before {
					break
				}
			}
			if fmt.Sprint(want) != fmt.Sprint(got) {
				t.Fatalf("%+v: want %v, got %v", f, want, got)
			}
		}
		if v.Scan(tuple.Filter{}, &tuple.Key{Relation: "none"}, always, func(tuple.Tuple) bool { return true }) {
			t.Fatal("behind a tuple that is not there")
		}
	})
}

// TestIter_NextWithinIsNextInPieces reads a row of many versions.
func TestIter_NextWithinIsNextInPieces(t *testing.T) {
	s := churned(t, 3)
	y := s.Symbols()
	shape := y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("viewer"), y.Lookup("user"), 0})
	for rev := uint64(1); rev <= s.Revision(); rev++ {
		v := must[View](t)(s.View("default", rev))
		a := v.Node(y.Lookup("doc"), "a")
		var want, got []Fact
		skipped := 0
		it := v.Forward(a, shape)
		for it.Next() {
			want = append(want, it.Fact())
		}
		wantSkipped := it.Skipped()
		for it, goOn := v.Forward(a, shape), true; goOn; {
			var found bool
			if found, goOn = it.NextWithin(7); found {
				got = append(got, it.Fact())
			}
			n := it.Skipped()
			if skipped += n; n > 7 {
				t.Fatalf("passed %d", n)
			}
		}
		if fmt.Sprint(want) != fmt.Sprint(got) || skipped != wantSkipped {
			t.Errorf("revision %d: %d facts and %d skipped, want %d and %d", rev, len(got), skipped, len(want), wantSkipped)
		}
	}
}
