package store

import "testing"

// TestIter_SkippedCountsWhatTheViewDoesNotShow reads a row at a revision in the
// middle of its history.
func TestIter_SkippedCountsWhatTheViewDoesNotShow(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpTouch, "doc:a#viewer@user:1", "doc:a#viewer@user:2", "doc:a#viewer@user:3"))
	apply(t, s, 3, write(t, OpDelete, "doc:a#viewer@user:2"))
	apply(t, s, 4, write(t, OpTouch, "doc:a#viewer@user:4", "doc:a#viewer@user:1[ip]"))
	y := s.Symbols()
	shape := y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("viewer"), y.Lookup("user"), 0})
	v := must[View](t)(s.View("default", 3))
	it := v.Forward(v.Node(y.Lookup("doc"), "a"), shape)
	// Newest first: 1[ip], 4 (both later), 3, 2 (deleted), 1.
	for _, want := range []struct {
		next    bool
		skipped int
	}{{true, 2}, {true, 1}, {false, 0}} {
		if next, skipped := it.Next(), it.Skipped(); next != want.next || skipped != want.skipped || it.Skipped() != 0 {
			t.Fatalf("next %v after %d skipped, want %+v", next, skipped, want)
		}
	}
}

func TestFindCounted_CountsVersionsLaterThanTheView(t *testing.T) {
	s := ready(t)
	for rev := uint64(2); rev < 10; rev++ {
		apply(t, s, rev, write(t, OpTouch, []string{"doc:a#viewer@user:x", "doc:a#viewer@user:x[ip]"}[rev%2]))
	}
	y := s.Symbols()
	shape := y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("viewer"), y.Lookup("user"), 0})
	for _, c := range []struct {
		rev     uint64
		ok      bool
		skipped int
	}{{1, false, 8}, {2, true, 7}, {9, true, 0}} {
		v := must[View](t)(s.View("default", c.rev))
		o, u := v.Node(y.Lookup("doc"), "a"), v.Node(y.Lookup("user"), "x")
		f, ok, skipped := v.FindCounted(o, shape, u)
		if g, also := v.Find(o, shape, u); ok != c.ok || skipped != c.skipped || g != f || also != ok {
			t.Errorf("at %d: %v, %d skipped", c.rev, ok, skipped)
		}
	}
}
