package store

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// TestTuples_OrderIsThatOfTheView compares scans at random revisions in stores
// that have come to their content on different ways.
func TestTuples_OrderIsThatOfTheView(t *testing.T) {
	eachSeed(t, 150, func(t *testing.T, h *history) {
		for rev := h.horizon(); rev <= h.last; rev += 1 + uint64(h.r.IntN(4)) {
			for _, f := range someFilters {
				want := slices.Collect(must[View](t)(h.stores["plain"].View("default", rev)).Tuples(f))
				for name, s := range h.stores {
					got := slices.Collect(must[View](t)(s.View("default", rev)).Tuples(f))
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("%s store, revision %d, filter %+v: %s", name, rev, f, diff)
					}
				}
			}
		}
	})
}

// TestTuplesAfter_PagesAreTheWhole reads pages of random sizes, each from
// another store.
func TestTuplesAfter_PagesAreTheWhole(t *testing.T) {
	eachSeed(t, 150, func(t *testing.T, h *history) {
		for rev := h.horizon(); rev <= h.last; rev += 1 + uint64(h.r.IntN(4)) {
			for _, f := range someFilters {
				want := slices.Collect(must[View](t)(h.stores["plain"].View("default", rev)).Tuples(f))
				if diff := cmp.Diff(want, h.pages(t, rev, f)); diff != "" {
					t.Fatalf("revision %d, filter %+v: %s", rev, f, diff)
				}
			}
		}
	})
}

func (h *history) pages(t *testing.T, rev uint64, f tuple.Filter) (out []tuple.Tuple) {
	t.Helper()
	names := []string{"plain", "collecting", "restored"}
	for {
		v := must[View](t)(h.stores[names[h.r.IntN(3)]].View("default", rev))
		seq := v.Tuples(f)
		if len(out) > 0 {
			var ok bool
			if seq, ok = v.TuplesAfter(f, out[len(out)-1].Key()); !ok {
				t.Fatalf("%s is not found at revision %d", out[len(out)-1], rev)
			}
		}
		before, most := len(out), 1+h.r.IntN(5)
		for tp := range seq {
			out = append(out, tp)
			if len(out) == before+most {
				break
			}
		}
		if len(out) == before {
			return out
		}
	}
}

func TestTuples_OrderIsOfCreationOrOfKinds(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpTouch, "doc:a#viewer@user:x", "doc:a#editor@user:x", "doc:b#viewer@user:x"))
	apply(t, s, 3, write(t, OpTouch, "doc:a#viewer@user:*", "doc:a#viewer@group:g#member", "doc:a#viewer@group:g"))
	apply(t, s, 4, write(t, OpTouch, "doc:a#viewer@user:x[ip]", "doc:a#viewer@user:y"))
	v := must[View](t)(s.View("default", 0))
	for want, f := range map[*[]string]tuple.Filter{
		{"doc:a#editor@user:x", "doc:b#viewer@user:x", "doc:a#viewer@user:*", "doc:a#viewer@group:g#member",
			"doc:a#viewer@group:g", "doc:a#viewer@user:x[ip]", "doc:a#viewer@user:y"}: {},
		{"doc:a#editor@user:x", "doc:a#viewer@group:g", "doc:a#viewer@group:g#member",
			"doc:a#viewer@user:y", "doc:a#viewer@user:x[ip]", "doc:a#viewer@user:*"}: {Type: "doc", ID: "a"},
		{"doc:a#editor@user:x", "doc:a#viewer@user:x[ip]", "doc:b#viewer@user:x"}: {Type: "doc", SubjectType: "user", SubjectID: "x"},
	} {
		var got []string
		for tp := range v.Tuples(f) {
			got = append(got, tp.String())
		}
		if diff := cmp.Diff(*want, got); diff != "" {
			t.Errorf("filter %+v: %s", f, diff)
		}
	}
}

func TestTuplesAfter_ReportsATupleThatIsNotThere(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpTouch, "doc:a#viewer@user:x", "doc:b#viewer@user:x", "doc:b#viewer@group:g"))
	apply(t, s, 3, write(t, OpDelete, "doc:a#viewer@user:x"))
	for _, c := range []struct {
		rev uint64
		f   tuple.Filter
		key string
		ok  bool
	}{
		{3, tuple.Filter{Type: "doc"}, "doc:b#viewer@user:x", true},
		{3, tuple.Filter{Type: "doc"}, "doc:a#viewer@user:x", false},                   // deleted
		{2, tuple.Filter{Type: "doc"}, "doc:a#viewer@user:x", true},                    // but not then
		{3, tuple.Filter{}, "doc:c#viewer@user:x", false},                              // never was
		{3, tuple.Filter{}, "doc:b#viewer@group:g#member", false},                      // an unknown relation is not none
		{3, tuple.Filter{Type: "doc", ID: "a"}, "doc:b#viewer@user:x", false},          // not selected
		{3, tuple.Filter{Type: "doc", Relation: "x"}, "doc:b#viewer@user:x", false},    // not selected
		{3, tuple.Filter{Type: "doc", SubjectType: "g"}, "doc:b#viewer@user:x", false}, // not selected
	} {
		v := must[View](t)(s.View("default", c.rev))
		seq, ok := v.TuplesAfter(c.f, parse(t, c.key).Key())
		if ok != c.ok {
			t.Errorf("%s in %+v at %d: %v", c.key, c.f, c.rev, ok)
		}
		if got := slices.Collect(seq); !ok && got != nil {
			t.Errorf("%s in %+v at %d: %v follow", c.key, c.f, c.rev, got)
		}
	}
}

// TestShapeTuples_AgreesWithTheScan asks for classes at random revisions.
func TestShapeTuples_AgreesWithTheScan(t *testing.T) {
	eachSeed(t, 100, func(t *testing.T, h *history) {
		for rev := h.horizon(); rev <= h.last; rev += 1 + uint64(h.r.IntN(4)) {
			for name, s := range h.stores {
				v := must[View](t)(s.View("default", rev))
				e := EmptyShape{Type: "doc", Relation: "viewer", SubjectType: "user", Wildcard: h.r.IntN(3) == 0,
					Caveat: []string{"", "ip", "neverseen"}[h.r.IntN(3)], AnyCaveat: h.r.IntN(2) == 0,
					Expiring: h.r.IntN(2) == 0, AnyExpiring: h.r.IntN(2) == 0}
				if h.r.IntN(3) == 0 {
					e.SubjectType, e.SubjectRelation, e.Wildcard = "group", "member", false
				}
				var want []tuple.Tuple
				for tp := range v.Tuples(tuple.Filter{Type: "doc", Relation: "viewer"}) {
					if tp.Subject.Type == e.SubjectType && tp.Subject.IsWildcard() == e.Wildcard && tp.Subject.Relation == e.SubjectRelation &&
						(e.AnyCaveat || tp.Caveat == e.Caveat) && (e.AnyExpiring || (tp.Expires != 0) == e.Expiring) {
						want = append(want, tp)
					}
				}
				most := h.r.IntN(4)
				got, n := v.ShapeTuples(e, most)
				if diff := cmp.Diff(want[:min(most, len(want))], got); n != int64(len(want)) || diff != "" && most > 0 {
					t.Fatalf("%s store, revision %d, %s: %d of %d: %s", name, rev, e, n, len(want), diff)
				}
			}
		}
	})
}

func TestShapeTuples_ReadsABoundedNumberOfVersions(t *testing.T) {
	defer func(old uint32) { sampleVersions = old }(sampleVersions)
	sampleVersions = 2
	s := ready(t)
	apply(t, s, 2, write(t, OpTouch, "doc:a#viewer@user:x", "doc:b#viewer@user:x", "doc:c#viewer@user:x", "doc:d#viewer@user:x"))
	e := EmptyShape{Type: "doc", Relation: "viewer", SubjectType: "user"}
	if sample, n := must[View](t)(s.View("default", 2)).ShapeTuples(e, 3); len(sample) != 2 || n != 4 {
		t.Errorf("newest view: %v of %d", sample, n)
	}
	apply(t, s, 3, write(t, OpDelete, "doc:a#viewer@user:x"))
	if sample, n := must[View](t)(s.View("default", 2)).ShapeTuples(e, 3); len(sample) != 2 || n != 2 {
		t.Errorf("older view: %v of %d", sample, n)
	}
}
