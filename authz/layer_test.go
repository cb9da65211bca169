package authz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// newLayer opens a layer whose schema has a relation for each word of the record
// "roles", and founds it with the roles viewer and editor.
func newLayer(t testing.TB, w *world) *Layer {
	t.Helper()
	l := w.Layer("_test", layerSchema)
	if err := l.Found(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	at := layerView(t, l)
	if at.HasSchema() {
		t.Fatal("a schema before the first write of one")
	}
	commit(t, l, LayerWrite{At: at, WriteSchema: true, Records: []RecordUpdate{{Key: "roles", Value: []byte("viewer editor")}}})
	return l
}

func layerSchema(v LayerView) (string, error) {
	roles, ok := v.Record("roles")
	if !ok {
		return "", errors.New("no roles")
	}
	var b strings.Builder
	b.WriteString("use expiration\ndefinition user {}\ndefinition thing {\n")
	for role := range strings.FieldsSeq(string(roles)) {
		fmt.Fprintf(&b, "relation r.%s: user | user with expiration\npermission %s = r.%s\n", role, role, role)
	}
	b.WriteString("}\n")
	return b.String(), nil
}

func layerView(t testing.TB, l *Layer) *LayerView {
	t.Helper()
	at, err := l.View(t.Context(), Consistency{})
	if err != nil {
		t.Fatal(err)
	}
	return &at
}

func commit(t testing.TB, l *Layer, write LayerWrite) string {
	t.Helper()
	token, err := l.Commit(t.Context(), ann, write)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func keyOf(t testing.TB, text string) tuple.Key {
	t.Helper()
	tp, err := tuple.ParseTuple(text)
	if err != nil {
		t.Fatal(err)
	}
	return tp.Key()
}

func (v *LayerView) decide(t testing.TB, permission, subject string) string {
	t.Helper()
	who, err := tuple.ParseSubject(subject)
	if err != nil {
		t.Fatal(err)
	}
	a, err := v.CheckSet(t.Context(), tuple.Object{Type: "thing", ID: "a"}, permission, NewSubjectSet(who))
	if err != nil {
		return reasonOf(t, err)
	}
	return a.Decision.String()
}

func TestLayer_CommitsOnlyIfRequirementsHold(t *testing.T) {
	w := newWorld(t)
	l := newLayer(t, w)
	old := layerView(t, l)
	const expired = "thing:a#r.viewer@user:late[expiration:2001-01-01T00:00:00Z]"
	commit(t, l, LayerWrite{
		At: old, Updates: updates(t, Create, "thing:a#r.viewer@user:ann", expired),
		Records: []RecordUpdate{{Key: "x", Value: []byte("1")}},
	})
	now := layerView(t, l)
	row := func(text string) Requirement { return Requirement{Kind: RowSame, Key: keyOf(t, text)} }
	for i, c := range []struct {
		at      *LayerView
		require Requirement
		holds   bool
	}{
		{now, Requirement{Kind: RecordUnchanged, Record: "x"}, true},
		{old, Requirement{Kind: RecordUnchanged, Record: "x"}, false},
		{old, Requirement{Kind: RecordUnchanged, Record: "never"}, true},
		{now, Requirement{Kind: RecordIs, Record: "x", Value: []byte("1")}, true},
		{now, Requirement{Kind: RecordIs, Record: "x", Value: []byte("2")}, false},
		{now, Requirement{Kind: RecordIs, Record: "x"}, false},
		{now, Requirement{Kind: RecordIs, Record: "never"}, true},
		{now, Requirement{Kind: RecordIs, Record: "never", Value: []byte("1")}, false},
		{now, Requirement{Kind: TupleThere, Key: keyOf(t, "thing:a#r.viewer@user:ann")}, true},
		{now, Requirement{Kind: TupleThere, Key: keyOf(t, "thing:a#r.viewer@user:bob")}, false},
		{now, Requirement{Kind: TupleThere, Key: keyOf(t, "thing:a#r.editor@user:ann")}, false},
		{now, Requirement{Kind: TupleThere, Key: keyOf(t, expired)}, false},
		{now, Requirement{Kind: NoTuple, Filter: filterOf(keyOf(t, "thing:a#r.viewer@user:bob"))}, true},
		{now, Requirement{Kind: NoTuple, Filter: filterOf(keyOf(t, "thing:a#r.viewer@user:ann"))}, false},
		{now, Requirement{Kind: NoTuple, Filter: filterOf(keyOf(t, expired))}, true},
		{now, row("thing:a#r.viewer@user:ann"), true},
		{old, row("thing:a#r.viewer@user:ann"), false},
		{old, row("thing:a#r.viewer@user:whoever"), false},
		{old, row("thing:a#r.editor@user:ann"), true},
	} {
		mark := fmt.Sprint("mark", i)
		_, err := l.Commit(t.Context(), ann, LayerWrite{
			At:      c.at,
			Updates: updates(t, Touch, "thing:"+mark+"#r.viewer@user:ann"),
			Records: []RecordUpdate{{Key: mark, Value: []byte("1")}},
			Require: []Requirement{{Kind: RecordIs, Record: "never"}, c.require},
		})
		switch {
		case c.holds && err != nil:
			t.Errorf("%d: %+v: %v", i, c.require, err)
		case !c.holds && (err == nil || reasonOf(t, err) != Conflict || indexOf(err) != "1"):
			t.Errorf("%d: %+v: got %v, index %q", i, c.require, err, indexOf(err))
		}
		after := layerView(t, l)
		_, recorded := after.Record(mark)
		if written := after.Has(keyOf(t, "thing:"+mark+"#r.viewer@user:ann")); written != c.holds || recorded != c.holds {
			t.Errorf("%d: %+v: tuple written %v, record %v", i, c.require, written, recorded)
		}
	}
}

func indexOf(err error) string {
	var e *Error
	errors.As(err, &e)
	if e == nil {
		return ""
	}
	return e.Metadata["index"]
}

func TestLayer_FirstSchemaIsWrittenOnce(t *testing.T) {
	w := newWorld(t)
	l := w.Layer("_test", layerSchema)
	if _, err := l.View(t.Context(), Consistency{}); err == nil || reasonOf(t, err) != "UNKNOWN_TENANT" {
		t.Errorf("before Found: %v", err)
	}
	for range 2 {
		if err := l.Found(t.Context(), ann); err != nil {
			t.Fatal(err)
		}
	}
	first := LayerWrite{At: layerView(t, l), WriteSchema: true, Records: []RecordUpdate{{Key: "roles", Value: []byte("viewer")}}}
	commit(t, l, first)
	if _, err := l.Commit(t.Context(), ann, first); err == nil || reasonOf(t, err) != Conflict || indexOf(err) != "" {
		t.Errorf("a second first schema: %v, index %q", err, indexOf(err))
	}
}

func TestLayer_NewSchemaIsCompiledOnce(t *testing.T) {
	w := newWorld(t)
	calls := 0
	l := w.Layer("_test", func(v LayerView) (string, error) { calls++; return layerSchema(v) })
	if err := l.Found(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	commit(t, l, LayerWrite{At: layerView(t, l), WriteSchema: true, Records: []RecordUpdate{{Key: "roles", Value: []byte("viewer")}}})
	before := layerView(t, l)
	commit(t, l, LayerWrite{At: before, Updates: updates(t, Create, "thing:a#r.viewer@user:ann")})
	if again := layerView(t, l); again.graph != before.graph || calls != 1 {
		t.Errorf("%d schemas made without a change", calls)
	}
	commit(t, l, LayerWrite{At: layerView(t, l), WriteSchema: true, Records: []RecordUpdate{{Key: "roles", Value: []byte("viewer editor")}}})
	after := layerView(t, l)
	commit(t, l, LayerWrite{At: after, Updates: updates(t, Create, "thing:a#r.editor@user:bob")})
	after = layerView(t, l)
	for want, got := range map[string]string{
		"allowed":          after.decide(t, "viewer", "user:ann"),
		"allowed ":         after.decide(t, "editor", "user:bob"),
		"denied":           after.decide(t, "editor", "user:ann"),
		"UNKNOWN_RELATION": before.decide(t, "editor", "user:bob"),
	} {
		if strings.TrimSpace(want) != got {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	old, err := l.View(t.Context(), Consistency{Exactly, before.Token})
	if err != nil || old.graph != before.graph || calls != 2 {
		t.Errorf("an old view: %v, %d schemas made", err, calls)
	}
}

func TestLayer_WriteIsBoundToTheSchemaItWasDecidedAt(t *testing.T) {
	w := newWorld(t)
	l := newLayer(t, w)
	old := layerView(t, l)
	commit(t, l, LayerWrite{At: old, WriteSchema: true, Records: []RecordUpdate{{Key: "roles", Value: []byte("editor")}}, Unbound: []Relation{{"thing", "r.viewer"}}})
	_, err := l.Commit(t.Context(), ann, LayerWrite{At: old, Updates: updates(t, Create, "thing:a#r.viewer@user:ann")})
	if err == nil || reasonOf(t, err) != Conflict {
		t.Errorf("got %v", err)
	}
	_, err = l.Commit(t.Context(), ann, LayerWrite{At: layerView(t, l), Updates: updates(t, Create, "thing:a#r.viewer@user:ann")})
	if err == nil || reasonOf(t, err) == Conflict {
		t.Errorf("a tuple that the schema does not allow: %v", err)
	}
}

func TestLayer_RelationGoesOnlyWhenNothingIsBound(t *testing.T) {
	w := newWorld(t)
	l := newLayer(t, w)
	drop := func() error {
		_, err := l.Commit(t.Context(), ann, LayerWrite{
			At: layerView(t, l), WriteSchema: true, Unbound: []Relation{{"thing", "r.viewer"}},
			Records: []RecordUpdate{{Key: "roles", Value: []byte("editor")}},
		})
		return err
	}
	commit(t, l, LayerWrite{At: layerView(t, l), Updates: updates(t, Create, "thing:a#r.viewer@user:ann", "thing:a#r.editor@user:ann")})
	if err := drop(); err == nil || reasonOf(t, err) == Conflict {
		t.Errorf("while it is bound: %v", err)
	}
	at := layerView(t, l)
	if got := at.decide(t, "viewer", "user:ann"); got != "allowed" {
		t.Errorf("after the refusal: %s", got)
	}
	commit(t, l, LayerWrite{At: at, Updates: updates(t, Delete, "thing:a#r.viewer@user:ann")})
	if err := drop(); err != nil {
		t.Error(err)
	}
	at = layerView(t, l)
	if got := at.decide(t, "viewer", "user:ann"); got != "UNKNOWN_RELATION" {
		t.Errorf("after it went: %s", got)
	}
}

func TestLayer_OfRacingWritesOneWins(t *testing.T) {
	w := newWorld(t)
	l := newLayer(t, w)
	commit(t, l, LayerWrite{At: layerView(t, l), Updates: updates(t, Create, "thing:a#r.editor@user:u0", "thing:a#r.editor@user:u1")})
	at := layerView(t, l) // each decides that the other is left
	errs := make([]error, 2)
	var racing sync.WaitGroup
	for i := range errs {
		racing.Go(func() {
			_, errs[i] = l.Commit(t.Context(), ann, LayerWrite{
				At: at, Updates: updates(t, Delete, fmt.Sprintf("thing:a#r.editor@user:u%d", i)),
				Require: []Requirement{{Kind: RowSame, Key: keyOf(t, "thing:a#r.editor@user:u0")}},
			})
		})
	}
	racing.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Fatalf("got %v and %v", errs[0], errs[1])
	}
	for _, err := range errs {
		if err != nil && reasonOf(t, err) != Conflict {
			t.Error(err)
		}
	}
	left := slices.Collect(layerView(t, l).Tuples(tuple.Filter{Type: "thing", ID: "a"}))
	if len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// Whatever the ordinary service is asked to do with a layer's tenant, it refuses.
func TestLayer_IsClosedToOthers(t *testing.T) {
	w := newWorld(t)
	l := newLayer(t, w)
	token := commit(t, l, LayerWrite{At: layerView(t, l), Updates: updates(t, Create, "thing:a#r.viewer@user:ann")})
	tuples := updates(t, Touch, "thing:a#r.viewer@user:eve")
	thing, eve := tuple.Object{Type: "thing", ID: "a"}, tuple.Subject{Type: "user", ID: "eve"}
	q := Question{Object: thing, Permission: "viewer", Subject: eve}
	for name, call := range map[string]func(ctx context.Context) error{
		"check": func(ctx context.Context) error {
			_, err := w.Check(ctx, CheckRequest{Tenant: "_test", Question: q})
			return err
		},
		"batch": func(ctx context.Context) error {
			_, err := w.BatchCheck(ctx, BatchRequest{Tenant: "_test", Questions: []Question{q}})
			return err
		},
		"viewpoint": func(ctx context.Context) error { _, err := w.Viewpoint(ctx, "_test", Consistency{}); return err },
		"explain": func(ctx context.Context) error {
			_, err := w.Explain(ctx, CheckRequest{Tenant: "_test", Question: q})
			return err
		},
		"expand": func(ctx context.Context) error {
			_, err := w.Expand(ctx, ExpandRequest{Tenant: "_test", Object: thing, Permission: "viewer"})
			return err
		},
		"list objects": func(ctx context.Context) error {
			_, err := w.ListObjects(ctx, ListObjectsRequest{Tenant: "_test", Type: "thing", Permission: "viewer", Subject: eve})
			return err
		},
		"list subjects": func(ctx context.Context) error {
			_, err := w.ListSubjects(ctx, ListSubjectsRequest{Tenant: "_test", Object: thing, Permission: "viewer", Type: "user"})
			return err
		},
		"read":   func(ctx context.Context) error { _, err := w.Read(ctx, ReadRequest{Tenant: "_test"}); return err },
		"export": func(ctx context.Context) error { _, err := w.Export(ctx, "_test", Consistency{}, ""); return err },
		"write": func(ctx context.Context) error {
			_, err := w.Write(ctx, ann, WriteRequest{Tenant: "_test", Updates: tuples})
			return err
		},
		"delete": func(ctx context.Context) error {
			return w.DeleteMatching(ctx, ann, DeleteMatchingRequest{Tenant: "_test", Filter: tuple.Filter{Type: "thing"}}, func(Deletion) error { return nil })
		},
		"import": func(ctx context.Context) error {
			_, err := w.Import(ctx, ann, ImportRequest{Tenant: "_test"})
			return err
		},
		"write schema": func(ctx context.Context) error {
			_, _, err := w.WriteSchema(ctx, ann, WriteSchemaRequest{Tenant: "_test", Source: "definition user {}"})
			return err
		},
		"read schema": func(ctx context.Context) error { _, _, err := w.ReadSchema(ctx, "_test", Consistency{}); return err },
		"history":     func(ctx context.Context) error { _, _, err := w.SchemaHistory(ctx, "_test", Consistency{}); return err },
		"diff": func(ctx context.Context) error {
			_, err := w.DiffSchema(ctx, "_test", "definition user {}", Consistency{})
			return err
		},
		"watch":         func(ctx context.Context) error { _, err := w.Watch(ctx, WatchRequest{Tenant: "_test"}); return err },
		"create tenant": func(ctx context.Context) error { _, err := w.CreateTenant(ctx, ann, "_test"); return err },
		"delete tenant": func(ctx context.Context) error { return w.DeleteTenant(ctx, ann, "_test") },
	} {
		if err := call(t.Context()); err == nil || reasonOf(t, err) != "RESERVED_TENANT" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Check(t.Context(), CheckRequest{Question: q, Consistency: Consistency{Exactly, token}}); err == nil || reasonOf(t, err) != "OTHER_TENANT" {
		t.Errorf("with a layer's token: %v", err)
	}
	if n := len(slices.Collect(layerView(t, l).Tuples(tuple.Filter{}))); n != 1 {
		t.Errorf("%d tuples", n)
	}
}

func TestLayer_ReachesNoOtherLayer(t *testing.T) {
	w := newWorld(t)
	l := newLayer(t, w)
	if _, err := l.Service.Viewpoint(t.Context(), "_other", Consistency{}); err == nil || reasonOf(t, err) != "RESERVED_TENANT" {
		t.Errorf("got %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("opened twice")
		}
	}()
	w.Layer("_test", layerSchema)
}

// After a restore the same record may stand for another schema.
func TestGraphs_LayersAreMadeAnewOfRestoredRecords(t *testing.T) {
	made := 0
	g := &graphs{most: 10}
	get := func(layer bool, source []byte) *compiled {
		c, err := g.get(t.Context(), graphKey{tenant: "_test"}, source, func() (*compiled, error) {
			made++
			return &compiled{layer: layer, size: 1}, nil
		})
		if err != nil || !c.holds(source) {
			t.Fatal(err)
		}
		return c
	}
	first, restored := []byte("layer schema 1"), []byte("layer schema 1")
	get(true, first)
	if get(true, first); made != 1 {
		t.Errorf("made %d times", made)
	}
	get(true, restored)
	if get(true, restored); made != 2 || g.size != 1 || g.order.Len() != 1 {
		t.Errorf("made %d times, %d kept of size %d", made, g.order.Len(), g.size)
	}
}

// The bytes of all texts are bounded, but two graphs are kept whatever they take:
// the schema in force, and the one before it that questions still ask about.
func TestGraphs_AreBoundedByTheirText(t *testing.T) {
	for name, test := range map[string]struct{ size, want int }{
		"small": {mostText / 100, 100}, "large": {mostText / 3, 3}, "huge": {mostText * 2, 2},
	} {
		g := &graphs{most: 1000}
		for i := range 300 {
			key := graphKey{tenant: "_test", revision: uint64(i)}
			made := 0
			compile := func() (*compiled, error) { made++; return &compiled{size: test.size}, nil }
			source := []byte{byte(i)}
			for range 2 {
				if _, err := g.get(t.Context(), key, source, compile); err != nil {
					t.Fatal(err)
				}
			}
			if made != 1 {
				t.Fatalf("%s: the newest was made %d times", name, made)
			}
			if n := g.order.Len(); n > test.want || len(g.byKey) != n || g.size != n*test.size {
				t.Fatalf("%s: %d kept, %d of size %d", name, n, len(g.byKey), g.size)
			}
		}
		if n := g.order.Len(); n != test.want {
			t.Errorf("%s: %d kept, want %d", name, n, test.want)
		}
	}
}

// One that questions use goes round while others come and go.
func TestGraphs_UsedOnesStay(t *testing.T) {
	g := &graphs{most: 3}
	get := func(rev uint64) (made bool) {
		if _, err := g.get(t.Context(), graphKey{revision: rev}, []byte{1}, func() (*compiled, error) { made = true; return &compiled{size: 1}, nil }); err != nil {
			t.Fatal(err)
		}
		return made
	}
	get(1)
	for rev := uint64(2); rev < 50; rev++ {
		get(rev)
		if get(1) {
			t.Fatalf("it went for revision %d", rev)
		}
	}
}
