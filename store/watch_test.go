package store

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// replay applies what Changes returned to a content.
func replay(t *testing.T, now map[tuple.Key]tuple.Tuple, r Revision) {
	t.Helper()
	seen := map[tuple.Key]bool{}
	for _, c := range r.Tuples {
		k := c.Tuple.Key()
		if seen[k] {
			t.Fatalf("revision %d changes %s twice", r.Revision, k)
		}
		seen[k] = true
		old, was := now[k]
		switch {
		case c.Deleted && old != c.Tuple:
			t.Fatalf("revision %d deletes %s, there was %s", r.Revision, c.Tuple, old)
		case !c.Deleted && was && old == c.Tuple:
			t.Fatalf("revision %d changes nothing in %s", r.Revision, c.Tuple)
		case c.Deleted:
			delete(now, k)
		default:
			now[k] = c.Tuple
		}
	}
}

// TestChanges_ReplayedGiveEveryLaterView starts at each readable revision of
// each store and compares with the model's content at every later one.
func TestChanges_ReplayedGiveEveryLaterView(t *testing.T) {
	eachSeed(t, 120, func(t *testing.T, h *history) {
		for name, s := range h.stores {
			for tenant, m := range h.models {
				for start := h.horizon(); start <= h.last; start += 1 + uint64(h.r.IntN(5)) {
					rs, next, err := s.Changes(tenant, 0, start, 0, 1<<30)
					if err != nil || next != h.last {
						t.Fatal(name, next, err)
					}
					h.compareReplay(t, m, start, rs)
				}
			}
		}
	})
}

func (h *history) compareReplay(t *testing.T, m *model, start uint64, rs []Revision) {
	t.Helper()
	now := maps.Clone(m.at[start])
	if now == nil { // no entry has this revision: it shows the one before
		now = map[tuple.Key]tuple.Tuple{}
		for rev := start; rev > 1; rev-- {
			if at, ok := m.at[rev]; ok {
				now = maps.Clone(at)
				break
			}
		}
	}
	for rev := start + 1; rev <= h.last; rev++ {
		schema := !equalRecord(m.record(SchemaRecord, rev-1).value, m.record(SchemaRecord, rev).value)
		if len(rs) > 0 && rs[0].Revision == rev {
			if len(rs[0].Tuples) == 0 && !rs[0].Schema || rs[0].Schema != schema {
				t.Fatalf("from %d: revision %d: %+v, schema changed: %v", start, rev, rs[0], schema)
			}
			replay(t, now, rs[0])
			rs = rs[1:]
		} else if schema {
			t.Fatalf("from %d: revision %d changes the schema and is not there", start, rev)
		}
		if want, ok := m.at[rev]; ok && !maps.Equal(want, now) {
			t.Fatalf("from %d: content differs at revision %d: %s", start, rev, cmp.Diff(want, now))
		}
	}
	if len(rs) > 0 {
		t.Fatalf("from %d: %d revisions too many", start, len(rs))
	}
}

// TestChanges_AreTheSameEverywhere reads the whole list in one call from one
// store, and piecemeal, with random limits and ends, from all.
func TestChanges_AreTheSameEverywhere(t *testing.T) {
	eachSeed(t, 150, func(t *testing.T, h *history) {
		names := []string{"plain", "collecting", "restored"}
		want, _, err := h.stores["plain"].Changes("default", 0, h.horizon(), 0, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			var got []Revision
			for at := h.horizon(); at < h.last; {
				upto := min(h.last, at+uint64(h.r.IntN(30)))
				limit := h.r.IntN(20)
				rs, next, err := h.stores[names[h.r.IntN(3)]].Changes("default", 1, at, max(at, upto), limit)
				if err != nil || next < at || next > max(at, upto) {
					t.Fatal(at, upto, next, err)
				}
				checkLimit(t, rs, next, upto, limit)
				got, at = append(got, rs...), next
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// checkLimit checks that an answer ends as soon as it may and no sooner.
func checkLimit(t *testing.T, rs []Revision, next, upto uint64, limit int) {
	t.Helper()
	n := 0
	for i, r := range rs {
		if n >= max(limit, 1) {
			t.Fatalf("%d changes before revision %d, limit %d", n, r.Revision, limit)
		}
		n += len(r.Tuples)
		if last := i == len(rs)-1; last && next < r.Revision || n < limit && last && next != upto {
			t.Fatalf("complete up to %d of %d after revision %d with %d changes, limit %d", next, upto, r.Revision, n, limit)
		}
	}
	if len(rs) == 0 && next != upto {
		t.Fatalf("nothing up to %d of %d", next, upto)
	}
}

func TestChanges_AreTheNetEffectOfARevision(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpTouch, "doc:a#viewer@user:x", "doc:b#viewer@user:x", "doc:c#viewer@user:x", "doc:d#viewer@user:x[ip]"))
	apply(t, s, 3,
		write(t, OpTouch, "doc:new#viewer@user:x", "doc:gone#viewer@user:x", "doc:b#viewer@user:x[ip]", "doc:c#viewer@user:x"),
		write(t, OpDelete, "doc:gone#viewer@user:x", "doc:a#viewer@user:x", "doc:d#viewer@user:x", "doc:never#viewer@user:x"),
		write(t, OpCreate, "doc:d#viewer@user:x[ip]"),
		write(t, OpDelete, "doc:c#viewer@user:x", "doc:b#viewer@user:x"),
		write(t, OpCreate, "doc:c#viewer@user:x[ip]"))
	rs, next, err := s.Changes("default", 1, 2, 0, 100)
	if err != nil || next != 3 {
		t.Fatal(next, err)
	}
	want := []Revision{{Revision: 3, Tuples: []TupleChange{
		{true, parse(t, "doc:a#viewer@user:x")},
		{true, parse(t, "doc:b#viewer@user:x")},
		{false, parse(t, "doc:new#viewer@user:x")},
		{false, parse(t, "doc:c#viewer@user:x[ip]")},
	}}}
	if diff := cmp.Diff(want, rs); diff != "" {
		t.Fatal(diff)
	}
}

func TestChanges_SchemaCountsOnlyIfItsTextChanges(t *testing.T) {
	s := ready(t)
	put := func(key, value string) Command {
		return Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{{Key: key, Value: []byte(value), Delete: value == ""}}}
	}
	apply(t, s, 2, put(SchemaRecord, "one"))
	apply(t, s, 3, put(SchemaRecord, "one"))
	apply(t, s, 4, put(SchemaRecord, "two"), put(SchemaRecord, "one"))
	apply(t, s, 5, put("other", "x"))
	apply(t, s, 6, put(SchemaRecord, "two"))
	apply(t, s, 7, put(SchemaRecord, ""))
	rs, next, err := s.Changes("default", 0, 1, 0, 1)
	if err != nil || next != 7 {
		t.Fatal(next, err)
	}
	if diff := cmp.Diff([]Revision{{Revision: 2, Schema: true}, {Revision: 6, Schema: true}, {Revision: 7, Schema: true}}, rs); diff != "" {
		t.Fatal(diff)
	}
}

func TestChanges_ErrorsAreNamed(t *testing.T) {
	s := ready(t)
	for rev := uint64(2); rev <= 9; rev++ {
		apply(t, s, rev, write(t, OpTouch, fmt.Sprintf("doc:%d#viewer@user:x", rev)))
	}
	apply(t, s, 10, Command{Kind: KindHorizon, Horizon: 5})
	var unknown *TenantError
	if _, _, err := s.Changes("nobody", 0, 5, 0, 1); !errors.As(err, &unknown) {
		t.Error(err)
	}
	if _, _, err := s.Changes("default", 7, 5, 0, 1); !errors.As(err, &unknown) {
		t.Error(err)
	}
	if _, _, err := s.Changes("default", 1, 4, 0, 1); !errors.Is(err, ErrHorizon) {
		t.Error(err)
	}
	if _, _, err := s.Changes("default", 1, 11, 0, 1); !errors.Is(err, ErrFuture) {
		t.Error(err)
	}
	if _, _, err := s.Changes("default", 1, 5, 11, 1); !errors.Is(err, ErrFuture) {
		t.Error(err)
	}
	rs, next, err := s.Changes("default", 1, 5, 0, 1)
	if err != nil || next != 6 || len(rs) != 1 {
		t.Error(rs, next, err)
	}
	if rs, next, err := s.Changes("default", 1, 10, 0, 1); err != nil || next != 10 || rs != nil {
		t.Error(rs, next, err)
	}
	if rs, next, err := s.Changes("default", 1, 9, 7, 1); err != nil || next != 9 || rs != nil {
		t.Error(rs, next, err)
	}
}

// TestChanges_TakesRevisionsOfAnySize reads a list of several chunks: revisions
// of one tuple and of thousands, and long runs of such that change nothing.
func TestChanges_TakesRevisionsOfAnySize(t *testing.T) {
	s, r := ready(t), rand.New(rand.NewPCG(1, 1))
	want, rev := map[uint64]int{}, uint64(1)
	for range 60 {
		rev++
		n := []int{1, 2, 30, 1500}[r.IntN(4)]
		c := Command{Kind: KindWrite, Tenant: "default", Time: int64(rev)}
		for i := range n {
			c.Updates = append(c.Updates, Update{OpTouch, parse(t, fmt.Sprintf("doc:%d-%d#viewer@user:x", rev, i))})
		}
		want[rev] = n
		apply(t, s, rev, c)
		for range r.IntN(60) {
			rev++
			apply(t, s, rev, write(t, OpTouch, "doc:a#viewer@user:x"), write(t, OpDelete, "doc:a#viewer@user:x"))
		}
	}
	for horizon := uint64(1); horizon < rev; horizon += 1 + rev/5 {
		apply(t, s, s.Revision()+1, Command{Kind: KindHorizon, Horizon: horizon})
		for _, limit := range []int{1, 7, 100, 1000, 5000} {
			got := map[uint64]int{}
			for at := horizon; at < s.Revision(); {
				rs, next, err := s.Changes("default", 0, at, 0, limit)
				if err != nil || next <= at {
					t.Fatal(at, next, err)
				}
				checkLimit(t, rs, next, s.Revision(), limit)
				for _, one := range rs {
					got[one.Revision] += len(one.Tuples)
				}
				at = next
			}
			expect := maps.Clone(want)
			maps.DeleteFunc(expect, func(rev uint64, _ int) bool { return rev <= horizon })
			if diff := cmp.Diff(expect, got); diff != "" {
				t.Fatalf("horizon %d, limit %d: %s", horizon, limit, diff)
			}
		}
	}
}

// The entry that is being applied may have trimmed the list before its horizon
// is published; what is gone must not look like nothing.
func TestChanges_NoticeThatTheListIsTrimmed(t *testing.T) {
	s := ready(t)
	for rev := uint64(2); rev <= 9; rev++ {
		apply(t, s, rev, write(t, OpTouch, fmt.Sprintf("doc:%d#viewer@user:x", rev)))
	}
	g := s.state.Load().space("default").gen.Load()
	w := watch{g: g, upto: 9, limit: 1, next: 5}
	g.trim(7)
	if _, _, err := s.Changes("default", 1, 6, 0, 1); !errors.Is(err, ErrHorizon) {
		t.Error(err)
	}
	if rs, next, err := s.Changes("default", 1, 7, 0, 1); err != nil || next != 8 || len(rs) != 1 {
		t.Error(rs, next, err)
	}
	w.out = []Revision{{Revision: 5}} // a call that has something already ends with that
	if rs, next, err := w.run(); err != nil || next != 5 || len(rs) != 1 {
		t.Error(rs, next, err)
	}
}

// TestChanges_BesideTheWriter follows a store that writes and trims, for the
// race detector: each revision comes once, whole and in order.
func TestChanges_BesideTheWriter(t *testing.T) {
	s := ready(t)
	const last = 3000
	var readers sync.WaitGroup
	for k := range 3 {
		readers.Go(func() { follow(t, s, last, 1+k*5) })
	}
	// Each revision replaces the tuple of the one before, and touches doc:hot
	// several times.
	for rev := uint64(2); rev <= last; rev++ {
		c := write(t, OpTouch, fmt.Sprintf("doc:%d#viewer@user:x", rev), fmt.Sprintf("doc:hot#viewer@user:x[c%d]", rev))
		if rev > 2 {
			c.Updates = append(c.Updates, Update{OpDelete, parse(t, fmt.Sprintf("doc:%d#viewer@user:x", rev-1))})
		}
		cmds := []Command{write(t, OpTouch, "doc:hot#viewer@user:x"), c, write(t, OpDelete, "doc:transient#viewer@user:x")}
		if rev%64 == 0 {
			cmds = append(cmds, Command{Kind: KindHorizon, Horizon: rev - 32})
		}
		apply(t, s, rev, cmds...)
	}
	readers.Wait()
}

func follow(t *testing.T, s *Store, last uint64, limit int) {
	for at := uint64(1); at < last; {
		rs, next, err := s.Changes("default", 1, at, 0, limit)
		if errors.Is(err, ErrHorizon) {
			at = s.Revision() // too slow
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		for _, r := range rs {
			at++
			var got []string
			for _, c := range r.Tuples {
				got = append(got, fmt.Sprint(c.Deleted, " ", c.Tuple))
			}
			slices.Sort(got)
			want := []string{fmt.Sprintf("false doc:%d#viewer@user:x", at), fmt.Sprintf("false doc:hot#viewer@user:x[c%d]", at)}
			if at > 2 {
				want = append(want, fmt.Sprintf("true doc:%d#viewer@user:x", at-1))
			}
			slices.Sort(want)
			if r.Revision != at || !slices.Equal(got, want) {
				t.Errorf("revision %d (want %d): %v", r.Revision, at, got)
				return
			}
		}
		if at = max(at, next); at != next {
			t.Errorf("complete up to %d after revision %d", next, at)
			return
		}
	}
}

// BenchmarkChanges reads a list of 200,000 changes from its start and pages of
// it from its end.
func BenchmarkChanges(b *testing.B) {
	const n = 200_000
	s := filled(b, n)
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			if _, next, err := s.Changes("default", 0, 1, 0, 2*n); err != nil || next != s.Revision() {
				b.Fatal(next, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/change")
	})
	b.Run("last", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if rs, _, err := s.Changes("default", 0, s.Revision()-1, 0, 1); err != nil || len(rs) != 1 {
				b.Fatal(rs, err)
			}
		}
	})
	b.Run("none", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if rs, _, err := s.Changes("default", 0, s.Revision(), 0, 1); err != nil || rs != nil {
				b.Fatal(rs, err)
			}
		}
	})
}
