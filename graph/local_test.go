package graph

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// TestResolve_ANameHasOneNode: what is not stored when a question first names it, and
// written while the question is resolved, stays what it was.
func TestResolve_ANameHasOneNode(t *testing.T) {
	w := newWorld(t, basic, "doc:a#viewer@user:bob")
	sym := w.graph.types[w.graph.typeIndex["doc"]].sym
	name, v := tuple.Object{Type: "doc", ID: "new"}, w.view()
	var r Resolved
	first := r.node(v, sym, name)
	w.write("doc:new#viewer@user:bob")
	if !isLocal(first) || r.node(v, sym, name) != first {
		t.Error("a name has two nodes")
	}
	if other := new(Resolved); isLocal(other.node(v, sym, name)) {
		t.Error("what is stored is local")
	}
}

// TestResolve_BesideAWriter asks about an object that has a ban among the contextual
// tuples, while a writer names the object for the first time.
func TestResolve_BesideAWriter(t *testing.T) {
	w := newWorld(t, basic, "doc:a#viewer@user:bob")
	ann := tuple.Subject{Type: "user", ID: "ann"}
	for i := range 300 {
		o := tuple.Object{Type: "doc", ID: fmt.Sprint("n", i)}
		q := &Question{Object: o, Permission: "see", Subjects: []tuple.Subject{ann}, Now: noon}
		q.Contextual = append(q.Contextual, tuple.Tuple{Object: o, Relation: "viewer", Subject: ann})
		for j := range 90 {
			q.Contextual = append(q.Contextual, tuple.Tuple{Object: tuple.Object{Type: "doc", ID: fmt.Sprint("x", j)}, Relation: "viewer", Subject: ann})
		}
		q.Contextual = append(q.Contextual, tuple.Tuple{Object: o, Relation: "banned", Subject: ann})
		var all sync.WaitGroup
		all.Go(func() { w.write("doc:" + o.ID + "#approved@user:zoe") })
		for range 4 {
			if a, err := w.ask(q); err != nil || a.Decision != Denied {
				t.Errorf("%s: %v %v", o, a.Decision, err)
			}
		}
		all.Wait()
	}
}
