package catalogue

import (
	"context"
	"slices"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// compile is what the engine does with a schema's text.
func compile(t testing.TB, source string, symbols *store.Symbols) *graph.Graph {
	t.Helper()
	s, err := graph.ParseWithin(source, 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := graph.Validate(s); err != nil {
		t.Fatal(err)
	}
	g, err := graph.Compile(s, symbols)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// world is a schema and tuples in the engine.
type world struct {
	t     testing.TB
	store *store.Store
	graph *graph.Graph
	rev   uint64
}

func newWorld(t testing.TB, schema string) *world {
	t.Helper()
	w := &world{t: t, store: store.New(store.Options{})}
	w.apply(store.Command{Kind: store.KindInit, ClusterID: "c", Tenant: "default"})
	w.graph = compile(t, schema, w.store.Symbols())
	return w
}

func (w *world) apply(c store.Command) {
	w.t.Helper()
	w.rev++
	e := store.Entry{Commands: []store.Command{c}}
	if err := w.store.Apply(w.rev, e.Append(nil))[0].Err(); err != nil {
		w.t.Fatal(err)
	}
}

// resource returns "KIND/ID" as an object.
func resource(id string) tuple.Object { return tuple.Object{Type: "iam.resource", ID: id} }

// write stores object#relation@subject; subjects are written as in tuples.
func (w *world) write(object, relation, subject string) {
	w.t.Helper()
	s, err := tuple.ParseSubject(subject)
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := tuple.ParseObject(object)
	if err != nil {
		w.t.Fatal(err)
	}
	t := tuple.Tuple{Object: o, Relation: relation, Subject: s}
	if err := w.graph.CheckTuple(t); err != nil {
		w.t.Fatal(err)
	}
	w.apply(store.Command{Kind: store.KindWrite, Tenant: "default", Updates: []store.Update{{Op: store.OpTouch, Tuple: t}}})
}

// bind is an access binding of role on the resource "KIND/ID".
func (w *world) bind(role, on, subject string) {
	w.t.Helper()
	w.write("iam.resource:"+on, RelationOf(role), subject)
}

// allowed asks whether a subject set has a permission or role on a resource.
func (w *world) allowed(name, on string, subjects ...string) bool {
	w.t.Helper()
	v, err := w.store.View("default", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	q := &graph.Question{Object: resource(on), Permission: NameOf(name), Now: 1}
	for _, text := range subjects {
		s, err := tuple.ParseSubject(text)
		if err != nil {
			w.t.Fatal(err)
		}
		q.Subjects = append(q.Subjects, s)
	}
	a, err := w.graph.Check(context.Background(), v, q)
	if err != nil {
		w.t.Fatalf("%s on %s: %v", name, on, err)
	}
	return a.Decision == graph.Allowed
}

func role(t testing.TB, id string) *Role {
	t.Helper()
	r, ok := Shipped().Role(id)
	if !ok {
		t.Fatalf("there is no role %s", id)
	}
	return r
}

// includes reports whether a role is another or includes it, directly or not.
func includes(t testing.TB, r *Role, other string) bool {
	t.Helper()
	return r.ID == other || slices.ContainsFunc(r.Includes, func(id string) bool { return includes(t, role(t, id), other) })
}
