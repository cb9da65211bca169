package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func parse(t testing.TB, text string) tuple.Tuple {
	t.Helper()
	return must[tuple.Tuple](t)(tuple.ParseTuple(text))
}

func apply(t testing.TB, s *Store, rev uint64, cmds ...Command) []Outcome {
	t.Helper()
	e := Entry{Commands: cmds}
	return s.Apply(rev, e.Append(nil))
}

var secret = []byte("0123456789abcdef0123456789abcdef")

// ready returns a store with the tenant "default", made at revision 1.
func ready(t testing.TB) *Store {
	t.Helper()
	s := New(Options{CollectMin: 1})
	apply(t, s, 1, Command{Kind: KindInit, ClusterID: "c", Tenant: "default"})
	return s
}

func write(t testing.TB, op Op, texts ...string) Command {
	t.Helper()
	c := Command{Kind: KindWrite, Tenant: "default", Actor: "ann", Time: int64(time.Hour)}
	for _, text := range texts {
		c.Updates = append(c.Updates, Update{op, parse(t, text)})
	}
	return c
}

func codes(outs []Outcome) []Code {
	var out []Code
	for _, o := range outs {
		out = append(out, o.Code)
	}
	return out
}

func texts(t testing.TB, s *Store, rev uint64) []string {
	t.Helper()
	var out []string
	for _, tp := range content(t, s, "default", rev) {
		out = append(out, tp.String())
	}
	return out
}

func TestApply_CommandsOfOneEntrySeeTheirPredecessors(t *testing.T) {
	s := ready(t)
	outs := apply(t, s, 2,
		write(t, OpCreate, "doc:a#viewer@user:x"),
		write(t, OpCreate, "doc:a#viewer@user:x", "doc:b#viewer@user:x"),
		write(t, OpDelete, "doc:a#viewer@user:x"),
		write(t, OpCreate, "doc:a#viewer@user:x[ip]"))
	if diff := cmp.Diff([]Code{OK, CodeAlreadyExists, OK, OK}, codes(outs)); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff([]string{"doc:a#viewer@user:x[ip]"}, texts(t, s, 2)); diff != "" {
		t.Fatal(diff)
	}
}

func TestApply_CreateThenDeleteInOneRevisionNetsToNothing(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpCreate, "doc:a#viewer@user:x"), write(t, OpDelete, "doc:a#viewer@user:x"))
	if got := texts(t, s, 2); got != nil {
		t.Fatal(got)
	}
}

func TestApply_UnknownSubjectRelationIsNotThePlainSubject(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpCreate, "doc:a#viewer@group:g"))
	apply(t, s, 3, write(t, OpDelete, "doc:a#viewer@group:g#neverseen"))
	if diff := cmp.Diff([]string{"doc:a#viewer@group:g"}, texts(t, s, 3)); diff != "" {
		t.Fatal(diff)
	}
}

func TestApply_CreateReplacesAnExpiredTuple(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpCreate, "doc:a#viewer@user:x[expiration:1970-01-01T00:30:00Z]"))
	outs := apply(t, s, 3, write(t, OpCreate, "doc:a#viewer@user:x"))
	if outs[0].Code != OK {
		t.Fatal(outs[0].Err())
	}
	if diff := cmp.Diff([]string{"doc:a#viewer@user:x"}, texts(t, s, 3)); diff != "" {
		t.Fatal(diff)
	}
}

func TestApply_RequestIDTakesEffectOnce(t *testing.T) {
	s := ready(t)
	at := func(c Command, id string, now time.Duration) Command {
		c.RequestID, c.Time = id, int64(now)
		return c
	}
	first := uuid7(int64(time.Hour), 1)
	create := write(t, OpCreate, "doc:a#viewer@user:x")
	outs := apply(t, s, 2, at(create, first, time.Hour))
	again := apply(t, s, 9, at(create, first, time.Hour+time.Minute))
	want := outs[0]
	want.Replayed = true
	if diff := cmp.Diff(want, again[0]); diff != "" {
		t.Fatal(diff)
	}
	other := at(create, first, time.Hour)
	other.Actor = "bob"
	outs = apply(t, s, 10,
		at(write(t, OpDelete, "doc:a#viewer@user:x"), first, time.Hour+time.Minute), // another body
		other, // another caller's id is another id
		at(create, uuid7(int64(49*time.Minute), 2), time.Hour),
		at(create, uuid7(int64(3*time.Hour), 3), time.Hour),
		at(create, "not-a-uuid", time.Hour))
	if diff := cmp.Diff([]Code{CodeRequestReused, CodeAlreadyExists, CodeRequestTooOld, CodeInvalid, CodeInvalid}, codes(outs)); diff != "" {
		t.Fatal(diff)
	}
	late := apply(t, s, 11, at(create, first, time.Hour+RequestWindow+time.Second))
	if late[0].Code != CodeRequestTooOld {
		// The window is counted when the entry before has been applied.
		late = apply(t, s, 12, at(create, first, time.Hour+RequestWindow+time.Second))
	}
	if late[0].Code != CodeRequestTooOld {
		t.Fatal(late[0])
	}
}

func TestApply_SchemaRevisionAndEmptyShapes(t *testing.T) {
	s := ready(t)
	schema := Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{{Key: SchemaRecord, Value: []byte("one")}}}
	apply(t, s, 2, schema)
	stale, fresh := write(t, OpTouch, "doc:a#viewer@user:*"), write(t, OpTouch, "doc:a#viewer@user:*")
	stale.SchemaRevision, fresh.SchemaRevision = 1, 2
	schema.Empty = []EmptyShape{{Type: "doc", Relation: "viewer", SubjectType: "user", Wildcard: true}}
	outs := apply(t, s, 3, stale, fresh, schema)
	if diff := cmp.Diff([]Code{CodeSchemaChanged, OK, CodeShapeInUse}, codes(outs)); diff != "" {
		t.Fatal(diff)
	}
	if got := outs[2].Detail; got != "1 tuples doc#viewer: user:*" {
		t.Fatal(got)
	}
}

func TestApply_DeletedTenantComesBackAsAnother(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpTouch, "doc:a#viewer@user:x"))
	apply(t, s, 3, Command{Kind: KindDeleteTenant, Tenant: "default"})
	var unknown *TenantError
	if _, err := s.View("default", 0); !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	apply(t, s, 4, Command{Kind: KindCreateTenant, Tenant: "default"})
	old := write(t, OpTouch, "doc:a#viewer@user:x")
	old.Incarnation = 1
	if outs := apply(t, s, 5, old); outs[0].Code != CodeTenantIncarnation {
		t.Fatal(outs[0])
	}
	if got := texts(t, s, 0); got != nil {
		t.Fatal(got)
	}
	if info, _ := s.Tenant("default"); info.Incarnation != 4 {
		t.Fatal(info)
	}
}

func TestApply_TwoLivesOfATenantDifferInIncarnation(t *testing.T) {
	s := ready(t)
	outs := apply(t, s, 2, Command{Kind: KindDeleteTenant, Tenant: "default"}, Command{Kind: KindCreateTenant, Tenant: "default"})
	if diff := cmp.Diff([]Code{OK, CodeInvalid}, codes(outs)); diff != "" {
		t.Fatal(diff)
	}
}

// TestApply_LimitsAreThoseOfTheHistory compares a store full of versions that
// nobody can read any more with one that has never seen them.
func TestApply_LimitsAreThoseOfTheHistory(t *testing.T) {
	defer func(old int) { maxVersions = old }(maxVersions)
	maxVersions = 20
	a := New(Options{CollectMin: 1 << 30})
	apply(t, a, 1, Command{Kind: KindInit, ClusterID: "c", Tenant: "default"})
	for rev := uint64(2); rev < 20; rev++ {
		apply(t, a, rev, write(t, []Op{OpTouch, OpDelete}[rev%2], "doc:a#viewer@user:x"))
	}
	apply(t, a, 20, Command{Kind: KindHorizon, Horizon: 20})
	b := restored(t, a)
	for rev := uint64(21); rev < 60; rev++ {
		c := write(t, OpTouch, fmt.Sprintf("doc:%d#viewer@user:x", rev))
		outA, outB := apply(t, a, rev, c), apply(t, b, rev, c)
		if diff := cmp.Diff(outA, outB); diff != "" {
			t.Fatalf("revision %d: %s", rev, diff)
		}
		if want := rev >= 41; want != (outA[0].Code == CodeExhausted) {
			t.Fatalf("revision %d: %v", rev, outA[0])
		}
	}
}

func TestApply_SchemaRevisionOfADeletedSchemaIsStale(t *testing.T) {
	s := ready(t)
	schema := Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{{Key: SchemaRecord, Value: []byte("one")}}}
	apply(t, s, 2, schema)
	schema.Records[0].Delete = true
	apply(t, s, 3, schema)
	for _, rev := range []uint64{2, 3} {
		c := write(t, OpTouch, "doc:a#viewer@user:x")
		c.SchemaRevision = rev
		if outs := apply(t, s, 2+rev, c); outs[0].Code != CodeSchemaChanged {
			t.Errorf("validated at %d: %v", rev, outs[0])
		}
	}
}

// The server proposes a write again when the schema has changed meanwhile; its
// request id must not be used up by the first try.
func TestApply_SchemaChangedIsNotKeptUnderTheRequestID(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{{Key: SchemaRecord, Value: []byte("one")}}})
	c := write(t, OpCreate, "doc:a#viewer@user:x")
	c.RequestID, c.SchemaRevision = uuid7(c.Time, 1), 1
	if outs := apply(t, s, 3, c); outs[0].Code != CodeSchemaChanged {
		t.Fatal(outs[0])
	}
	c.SchemaRevision = 2
	if outs := apply(t, s, 4, c); outs[0].Code != OK || outs[0].Replayed {
		t.Fatal(outs[0])
	}
}

func TestKept_FindsTheOutcomeOfTheSameBody(t *testing.T) {
	s := ready(t)
	c := write(t, OpCreate, "doc:a#viewer@user:x")
	c.RequestID = uuid7(c.Time, 1)
	if _, ok := s.Kept(&c); ok {
		t.Fatal("kept before it was applied")
	}
	apply(t, s, 2, c)
	if out, ok := s.Kept(&c); !ok || out.Code != OK || out.Revision != 2 {
		t.Fatal(out, ok)
	}
	c.Updates = nil
	if _, ok := s.Kept(&c); ok {
		t.Fatal("kept under another body")
	}
}

func TestCollect_ReclaimsRecords(t *testing.T) {
	s := ready(t)
	for rev := uint64(2); rev < 1000; rev++ {
		apply(t, s, rev, Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{{Key: "k", Value: []byte{byte(rev)}}}})
	}
	apply(t, s, 1000, Command{Kind: KindHorizon, Horizon: 1000})
	if st := s.Stats(); st.Records != 1 || st.Changes != 0 {
		t.Fatalf("%+v", st)
	}
	v := must[View](t)(s.View("default", 0))
	if value, rev, ok := v.Record("k"); !ok || rev != 999 || value[0] != byte(999%256) {
		t.Fatal(value, rev, ok)
	}
}

func TestApply_PanicsOnWhatItCannotRead(t *testing.T) {
	for name, entry := range map[string][]byte{
		"empty": {}, "version": {9, 0}, "kind": JoinEntry([][]byte{{200, 0, 0, 0, 0, 0, 0}}), "short": {entryVersion, 1, 5, 2},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			ready(t).Apply(2, entry)
		})
	}
}

func TestView_KeepsItsContentWhileTheStoreCollects(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpTouch, "doc:a#viewer@user:x"))
	old := must[View](t)(s.View("default", 2))
	apply(t, s, 3, write(t, OpDelete, "doc:a#viewer@user:x"))
	for rev := uint64(4); rev < 3000; rev++ {
		apply(t, s, rev, write(t, []Op{OpTouch, OpDelete}[rev%2], "doc:b#viewer@user:x"))
	}
	apply(t, s, 3000, Command{Kind: KindHorizon, Horizon: 3000})
	if st := s.Stats(); st.Versions > 10 {
		t.Fatalf("%d versions left", st.Versions)
	}
	y := s.Symbols()
	shape := y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("viewer"), y.Lookup("user"), 0})
	if _, ok := old.Find(old.Node(y.Lookup("doc"), "a"), shape, old.Node(y.Lookup("user"), "x")); !ok {
		t.Fatal("the old view lost its tuple")
	}
	if _, err := s.View("default", 2999); !errors.Is(err, ErrHorizon) {
		t.Fatal(err)
	}
	if _, err := s.View("default", 3001); !errors.Is(err, ErrFuture) {
		t.Fatal(err)
	}
}

// TestView_ReadersBesideTheWriter is for the race detector: views taken at any
// time hold exactly the tuples of their revision.
func TestView_ReadersBesideTheWriter(t *testing.T) {
	s := ready(t)
	const last = 4000
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for s.Revision() < last {
				v, err := s.View("default", 0)
				if err != nil {
					t.Error(err)
					return
				}
				n := 0
				for tp := range v.Tuples(tuple.Filter{Type: "doc", ID: "hot"}) {
					if tp.Subject.ID != fmt.Sprint(v.Revision()) && v.Revision() > 1 {
						t.Errorf("revision %d shows %s", v.Revision(), tp)
					}
					n++
				}
				if n != 1 && v.Revision() > 1 {
					t.Errorf("revision %d shows %d tuples", v.Revision(), n)
					return
				}
			}
		})
	}
	for rev := uint64(2); rev <= last; rev++ {
		c := write(t, OpTouch, fmt.Sprintf("doc:hot#viewer@user:%d", rev), fmt.Sprintf("doc:%d#viewer@user:x", rev))
		if rev > 2 {
			c.Updates = append(c.Updates, Update{OpDelete, parse(t, fmt.Sprintf("doc:hot#viewer@user:%d", rev-1))})
		}
		apply(t, s, rev, c)
		if rev%100 == 0 {
			apply(t, s, rev+1, Command{Kind: KindHorizon, Horizon: rev - 20}, write(t, OpDelete, fmt.Sprintf("doc:hot#viewer@user:%d", rev)),
				write(t, OpTouch, fmt.Sprintf("doc:hot#viewer@user:%d", rev+1)))
			rev++
		}
	}
	readers.Wait()
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshot_WritingDoesNotSeeLaterWrites(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpTouch, "doc:a#viewer@user:x"))
	_, want := s.Hash()
	c := s.Capture()
	apply(t, s, 3, write(t, OpDelete, "doc:a#viewer@user:x"), write(t, OpTouch, "doc:b#viewer@user:x"))
	apply(t, s, 4, Command{Kind: KindHorizon, Horizon: 4})
	var buf bytes.Buffer
	if _, err := c.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	n := New(Options{})
	if err := n.Restore(&buf); err != nil {
		t.Fatal(err)
	}
	if rev, got := n.Hash(); rev != 2 || got != want {
		t.Fatalf("revision %d, hashes equal: %v", rev, got == want)
	}
}

// TestRestore_RefusesDamage damages a snapshot at every byte, by truncation
// and by a flipped bit: Restore names the section and leaves the store alone.
func TestRestore_RefusesDamage(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, write(t, OpTouch, "doc:a#viewer@user:x[ip:{\"a\":1}]", "doc:a#viewer@group:g#member"),
		Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{{Key: "k", Value: []byte("v")}}, RequestID: uuid7(1e15, 1), Time: 1e15})
	var buf bytes.Buffer
	if _, err := s.Capture().WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	whole := buf.Bytes()
	target := ready(t)
	_, before := target.Hash()
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 0x10
		for name, data := range map[string][]byte{"cut": whole[:i], "flipped": flipped} {
			var corrupt *CorruptError
			if err := target.Restore(bytes.NewReader(data)); !errors.As(err, &corrupt) {
				t.Fatalf("%s at byte %d: %v", name, i, err)
			}
		}
	}
	if err := target.Restore(bytes.NewReader(append(bytes.Clone(whole), 0))); err == nil {
		t.Fatal("a byte too many is accepted")
	}
	if _, after := target.Hash(); after != before {
		t.Fatal("a failed restore changed the store")
	}
	if err := target.Restore(bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
}

// TestVerify_FindsDamage breaks derived state by hand, one part at a time.
func TestVerify_FindsDamage(t *testing.T) {
	for name, damage := range map[string]func(g *generation){
		"row counter":   func(g *generation) { g.counts.at(1).live++ },
		"shape counter": func(g *generation) { g.traits.at(1).live.Add(1) },
		"shape changed": func(g *generation) { g.shapes.at(1).changed.Store(0) },
		"change list":   func(g *generation) { g.log.add(change{2, 1, changeDelete}) },
		"creations":     func(g *generation) { g.log.stamps.chunks[0][0].rev = 99 },
		"row list":      func(g *generation) { p, at := g.nodes.at(1); p.body[uint32(p.records[at+wordFirst])]-- },
		"row order":     func(g *generation) { l := firstList(g); l[0], l[1] = l[1], l[0] },
		"row mark":      func(g *generation) { firstList(g)[0] |= marked },
		"row end":       func(g *generation) { firstList(g)[0] ^= 1 << 32 },
		"life":          func(g *generation) { g.end(1, g.facts.at(1), 1) },
		"record name":   func(g *generation) { p, at := g.nodes.at(1); p.records[at+wordName] ^= keyOf(1, forward).bit() },
		"node index":    func(g *generation) { g.nodeIndex.parts.Store(nil) },
		"record":        func(g *generation) { g.records.versions.at(1).created = 99 },
	} {
		t.Run(name, func(t *testing.T) {
			s := ready(t)
			c := write(t, OpTouch)
			for i := range smallRow { // doc:a's row has counters, the users' have not
				c.Updates = append(c.Updates, Update{OpTouch, parse(t, fmt.Sprint("doc:a#viewer@user:", i))})
			}
			c.Records = []RecordUpdate{{Key: "k", Value: []byte("v")}}
			apply(t, s, 2, c)
			if err := s.Verify(); err != nil {
				t.Fatal(err)
			}
			damage(s.state.Load().space("default").gen.Load())
			if s.Verify() == nil {
				t.Fatal("not found")
			}
		})
	}
}

// firstList returns the postings of the first node's first row.
func firstList(g *generation) []uint64 {
	r := g.row(1, keyOf(1, forward))
	return r.page.body[r.list:]
}

func TestCommand_ValidateNamesTheField(t *testing.T) {
	dup := write(t, OpTouch, "doc:a#viewer@user:x", "doc:a#viewer@user:x")
	for want, c := range map[string]Command{
		"update 1: doc:a#viewer@user:x occurs twice": dup,
		"unknown kind 77":                           {Kind: 77},
		"a cluster needs a secret":                  {Kind: KindInit, ClusterID: "c", Tenant: "t"},
		"needs a secret of 16 to 64 bytes":          {Kind: KindInit, ClusterID: "c", Tenant: "t", ClusterSecret: secret[:15]},
		"of 16 to 64 bytes":                         {Kind: KindInit, ClusterID: "c", Tenant: "t", ClusterSecret: make([]byte, 65)},
		"precondition 0: unknown kind 6":            {Kind: KindWrite, Tenant: "t", Preconditions: []Precondition{{Kind: 6}}},
		"precondition 0: a record's key":            {Kind: KindWrite, Tenant: "t", Preconditions: []Precondition{{Kind: PreRecordEquals}}},
		`tenant "":`:                                {Kind: KindWrite},
		`tenant "a/b":`:                             {Kind: KindCreateTenant, Tenant: "a/b"},
		"update 0: unknown operation 0":             {Kind: KindWrite, Tenant: "t", Updates: make([]Update, 1)},
		"10001 updates in one write; at most 10000": {Kind: KindWrite, Tenant: "t", Updates: make([]Update, 10001)},
		"precondition 0: filter.type":               {Kind: KindWrite, Tenant: "t", Preconditions: []Precondition{{Kind: PreTuplesMatch}}},
		"record 0: a record's key":                  {Kind: KindWrite, Tenant: "t", Records: make([]RecordUpdate, 1)},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
