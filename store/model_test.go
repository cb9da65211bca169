package store

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// model is the obviously right store of one tenant: the whole content after
// each revision, when rows and records last changed, and all record writes.
type model struct {
	at      map[uint64]map[tuple.Key]tuple.Tuple
	now     map[tuple.Key]tuple.Tuple
	rows    map[string]uint64
	records map[string][]recordWrite // oldest first
}

type recordWrite struct {
	rev   uint64
	value []byte // nil = deleted
}

func newModel() *model {
	return &model{
		at:  map[uint64]map[tuple.Key]tuple.Tuple{},
		now: map[tuple.Key]tuple.Tuple{}, rows: map[string]uint64{}, records: map[string][]recordWrite{},
	}
}

// record returns the last write of key up to rev.
func (m *model) record(key string, rev uint64) recordWrite {
	var last recordWrite
	for _, w := range m.records[key] {
		if w.rev <= rev {
			last = w
		}
	}
	return last
}

// expect says how a write without a request id must end.
func (m *model) expect(c Command, horizon uint64, now int64) Code {
	live := func(t tuple.Tuple) bool { return t.Expires == 0 || t.Expires > now }
	for _, p := range c.Preconditions {
		matches := false
		for _, t := range m.now {
			matches = matches || p.Filter.Matches(t) && live(t)
		}
		switch {
		case p.Kind == PreTuplesMatch && !matches, p.Kind == PreTuplesAbsent && matches:
			return CodePrecondition
		case (p.Kind == PreRecordUnchanged || p.Kind == PreRowUnchanged) && p.Since < horizon:
			return CodeHorizon
		case p.Kind == PreRecordUnchanged && m.record(p.Record, now64).rev > p.Since,
			p.Kind == PreRecordEquals && !equalRecord(m.record(p.Record, now64).value, p.Value),
			p.Kind == PreRowUnchanged && m.rows[p.Object.String()+"#"+p.Relation] > p.Since:
			return CodePrecondition
		}
	}
	for _, e := range c.Empty {
		for _, t := range m.now {
			if t.Object.Type == e.Type && t.Relation == e.Relation && t.Subject.Type == e.SubjectType &&
				t.Subject.IsWildcard() == e.Wildcard && t.Expires == 0 {
				return CodeShapeInUse
			}
		}
	}
	for _, u := range c.Updates {
		if t, ok := m.now[u.Tuple.Key()]; u.Op == OpCreate && ok && live(t) {
			return CodeAlreadyExists
		}
	}
	return OK
}

func (m *model) apply(rev uint64, c Command) {
	for _, u := range c.Updates {
		k := u.Tuple.Key()
		old, was := m.now[k]
		if u.Op == OpDelete {
			delete(m.now, k)
		} else {
			m.now[k] = u.Tuple
		}
		if now, is := m.now[k]; was != is || old != now {
			m.rows[k.Object.String()+"#"+k.Relation] = rev
		}
	}
	for _, r := range c.Records {
		w := recordWrite{rev: rev}
		if !r.Delete {
			w.value = append([]byte{}, r.Value...)
		}
		if w.value != nil || m.record(r.Key, rev).value != nil {
			m.records[r.Key] = append(m.records[r.Key], w)
		}
	}
}

// now64 is a revision after all.
const now64 = ^uint64(0)

func equalRecord(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// source makes random commands over a small world, so that they collide.
type source struct {
	r    *rand.Rand
	now  int64
	sent []Command // with request ids, to be sent again
}

func (s *source) tuple() tuple.Tuple {
	n := func(most int) int { return s.r.IntN(most) }
	t := tuple.Tuple{
		Object:   tuple.Object{Type: []string{"doc", "folder"}[n(2)], ID: fmt.Sprint(n(6))},
		Relation: []string{"viewer", "editor"}[n(2)],
	}
	switch n(4) {
	case 0:
		t.Subject = tuple.Subject{Type: "group", ID: fmt.Sprint(n(3)), Relation: "member"}
	case 1:
		t.Subject = tuple.Subject{Type: "user", ID: tuple.Wildcard}
	default:
		t.Subject = tuple.Subject{Type: "user", ID: fmt.Sprint(n(8))}
	}
	if n(4) == 0 {
		t.Caveat = []string{"ip", "hours"}[n(2)]
		t.Context = []string{"", `{"a":1}`, `{"a":2}`}[n(3)]
	}
	if n(4) == 0 {
		t.Expires = s.now + int64(n(20)-5)*int64(time.Second)
		t.Expires = max(t.Expires, 1)
	}
	return t
}

func (s *source) command(rev uint64) Command {
	s.now += int64(s.r.IntN(int(2 * time.Second)))
	c := Command{Kind: KindWrite, Tenant: []string{"default", "other"}[s.r.IntN(2)], Actor: "a", Time: s.now}
	seen := map[tuple.Key]bool{}
	for range 1 + s.r.IntN(4) {
		u := Update{Op: Op(1 + s.r.IntN(3)), Tuple: s.tuple()}
		if !seen[u.Tuple.Key()] {
			seen[u.Tuple.Key()] = true
			c.Updates = append(c.Updates, u)
		}
	}
	if s.r.IntN(3) == 0 {
		c.RequestID = uuid7(s.now-int64(s.r.IntN(30))*int64(time.Minute)/2, s.r.Uint64N(1<<48))
		if n := len(s.sent); n > 0 && s.r.IntN(2) == 0 {
			again := s.sent[n-1-s.r.IntN(min(n, 5))]
			if s.r.IntN(2) == 0 {
				again.Time = c.Time
				return again
			}
			c.RequestID = again.RequestID
		}
		defer func() { s.sent = append(s.sent, c) }()
	}
	if s.r.IntN(4) == 0 {
		c.Preconditions = append(c.Preconditions, s.precondition(rev))
	}
	if s.r.IntN(4) == 0 {
		c.Records = append(c.Records, RecordUpdate{Key: s.record(), Value: s.value(), Delete: s.r.IntN(3) == 0})
	}
	if s.r.IntN(20) == 0 {
		c.Empty = append(c.Empty, EmptyShape{Type: "doc", Relation: "viewer", SubjectType: "user", Wildcard: true, AnyCaveat: true})
	}
	return c
}

func (s *source) precondition(rev uint64) Precondition {
	t := s.tuple()
	f := tuple.Filter{Type: t.Object.Type}
	if s.r.IntN(2) == 0 {
		f.ID = t.Object.ID
	}
	if s.r.IntN(2) == 0 {
		f.Relation = t.Relation
	}
	if s.r.IntN(2) == 0 {
		f.SubjectType = t.Subject.Type
		if s.r.IntN(2) == 0 {
			f.SubjectID = t.Subject.ID
		}
		if s.r.IntN(2) == 0 {
			if f.SubjectRelation = t.Subject.Relation; f.SubjectRelation == "" {
				f.SubjectRelation = tuple.Plain
			}
		}
	}
	since := rev - uint64(s.r.Int64N(int64(min(rev, 20))))
	p := Precondition{Kind: PreconditionKind(1 + s.r.IntN(5)), Filter: f, Record: s.record(), Object: t.Object, Relation: t.Relation, Since: since}
	if p.Kind == PreRecordEquals && s.r.IntN(2) == 0 {
		p.Value = append([]byte{}, s.value()...)
	}
	return p
}

func (s *source) record() string { return []string{SchemaRecord, "1", "2"}[s.r.IntN(3)] }

// value returns one of few, so that records often are what they were.
func (s *source) value() []byte { return [][]byte{nil, []byte("x"), []byte("y")}[s.r.IntN(3)] }

// uuid7 makes a request id with the given creation time.
func uuid7(ns int64, n uint64) string {
	ms := uint64(max(ns, 0)) / uint64(time.Millisecond)
	return fmt.Sprintf("%08x-%04x-7000-8000-%012x", ms>>16, ms&0xffff, n)
}

func sorted(tuples []tuple.Tuple) []tuple.Tuple {
	sort.Slice(tuples, func(i, j int) bool { return tuples[i].String() < tuples[j].String() })
	return tuples
}

func content(t testing.TB, s *Store, tenant string, rev uint64) []tuple.Tuple {
	t.Helper()
	v := must[View](t)(s.View(tenant, rev))
	var out []tuple.Tuple
	for _, typ := range []string{"doc", "folder"} {
		out = slices.AppendSeq(out, v.Tuples(tuple.Filter{Type: typ}))
	}
	return sorted(out)
}

// TestStore_AgreesWithModel feeds one random log to two stores, one of which
// is restarted from a snapshot now and then, and compares outcomes and every
// readable view with the model, hashes, and Verify.
func TestStore_AgreesWithModel(t *testing.T) {
	seen, collected := map[Code]int{}, 0
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { collected += runModel(t, seed, 150, seen) })
	}
	if collected < 20 {
		t.Errorf("space was reclaimed %d times: the test does not test it", collected)
	}
	for _, c := range []Code{OK, CodeAlreadyExists, CodePrecondition, CodeShapeInUse, CodeRequestReused, CodeRequestTooOld, CodeHorizon} {
		if seen[c] < 10 {
			t.Errorf("outcome %q came up %d times: the test does not test it", c, seen[c])
		}
	}
}

// runModel returns how often the first store reclaimed space.
func runModel(t *testing.T, seed uint64, entries int, seen map[Code]int) (collected int) {
	src := &source{r: rand.New(rand.NewPCG(seed, 1)), now: int64(time.Hour)}
	a, b := New(Options{CollectMin: 1, CollectPercent: 1, copyStep: int(seed%3) * 2}), New(Options{CollectMin: 1 << 30})
	m := map[string]*model{"default": newModel(), "other": newModel()}
	rev := uint64(1)
	setup := []Command{{Kind: KindInit, ClusterID: "c", Tenant: "default"}, {Kind: KindCreateTenant, Tenant: "other"}}
	apply(t, a, 1, setup...)
	apply(t, b, 1, setup...)
	generation := func() *generation { return a.state.Load().space("default").gen.Load() }
	for range entries {
		before := generation()
		rev += 1 + uint64(src.r.IntN(2))
		cmds := entry(src, rev)
		outcomes, horizon := apply(t, a, rev, cmds...), b.Horizon()
		if diff := cmp.Diff(outcomes, apply(t, b, rev, cmds...)); diff != "" {
			t.Fatalf("revision %d: outcomes differ: %s", rev, diff)
		}
		if generation() != before {
			collected++
		}
		for i, c := range cmds {
			if c.Kind != KindWrite {
				continue
			}
			mo, out := m[c.Tenant], outcomes[i]
			seen[out.Code]++
			if want := mo.expect(c, horizon, c.Time); c.RequestID == "" && out.Code != want {
				t.Fatalf("revision %d, command %d: %q, want %q", rev, i, out.Code, want)
			}
			if out.Code == OK && !out.Replayed {
				mo.apply(rev, c)
			}
		}
		for _, mo := range m {
			mo.at[rev] = maps.Clone(mo.now)
		}
		if src.r.IntN(25) == 0 {
			b = restored(t, b)
		}
		if src.r.IntN(40) == 0 {
			compare(t, a, b, m)
		}
	}
	compare(t, a, b, m)
	return collected
}

func entry(src *source, rev uint64) []Command {
	var cmds []Command
	for range 1 + src.r.IntN(3) {
		cmds = append(cmds, src.command(rev))
	}
	if src.r.IntN(10) == 0 {
		back := uint64(src.r.IntN(40))
		cmds = append(cmds, Command{Kind: KindHorizon, Horizon: rev - min(rev, back)})
	}
	return cmds
}

func restored(t *testing.T, s *Store) *Store {
	t.Helper()
	var buf bytes.Buffer
	if _, err := s.Capture().WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	n := New(Options{CollectMin: 1 << 30})
	if err := n.Restore(&buf); err != nil {
		t.Fatal(err)
	}
	return n
}

func compare(t *testing.T, a, b *Store, m map[string]*model) {
	t.Helper()
	for _, s := range []*Store{a, b} {
		if err := s.Verify(); err != nil {
			t.Fatal(err)
		}
		for name, mo := range m {
			compareViews(t, s, name, mo)
		}
	}
	_, ha := a.Hash()
	_, hb := b.Hash()
	if ha != hb {
		t.Fatalf("hashes differ at revision %d", a.Revision())
	}
}

func compareViews(t *testing.T, s *Store, tenant string, m *model) {
	t.Helper()
	for rev, want := range m.at {
		if rev < s.Horizon() {
			if _, err := s.View(tenant, rev); err == nil {
				t.Fatalf("revision %d lies below the horizon %d and is served", rev, s.Horizon())
			}
			continue
		}
		var tuples []tuple.Tuple
		for _, tp := range want {
			tuples = append(tuples, tp)
		}
		if diff := cmp.Diff(sorted(tuples), content(t, s, tenant, rev)); diff != "" {
			t.Fatalf("tenant %s at revision %d: %s", tenant, rev, diff)
		}
		compareRows(t, must[View](t)(s.View(tenant, rev)), tuples)
	}
}

// compareRows reads the same view by object, by subject and by key.
func compareRows(t *testing.T, v View, want []tuple.Tuple) {
	t.Helper()
	for _, tp := range want {
		y := v.Symbols()
		o, s := v.Node(y.Lookup(tp.Object.Type), tp.Object.ID), v.Node(y.Lookup(tp.Subject.Type), tp.Subject.ID)
		f, ok := v.Find(o, y.LookupShape(shapeOf(y.Lookup, tp)), s)
		if !ok || v.Tuple(f) != tp {
			t.Fatalf("%s is not found in its view at %d", tp, v.Revision())
		}
	}
	for _, f := range []tuple.Filter{
		{Type: "doc", ID: "1"},
		{Type: "doc", ID: "2", Relation: "viewer", SubjectType: "group"},
		{Type: "doc", SubjectType: "user", SubjectID: "3"},
		{Type: "folder", Relation: "editor", SubjectType: "user", SubjectID: "*"},
		{Type: "folder", SubjectType: "user", SubjectRelation: tuple.Plain},
		{Type: "doc", ID: "3", SubjectType: "group", SubjectID: "1", SubjectRelation: "member"},
	} {
		var filtered []tuple.Tuple
		for _, tp := range want {
			if f.Matches(tp) {
				filtered = append(filtered, tp)
			}
		}
		if diff := cmp.Diff(sorted(filtered), sorted(slices.Collect(v.Tuples(f)))); diff != "" {
			t.Fatalf("filter %+v at %d: %s", f, v.Revision(), diff)
		}
	}
}
