package oracle

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// small is a world that can be worked out by hand.
func small(t *testing.T, tuples ...string) *World {
	t.Helper()
	w, err := NewWorld(parse(t, `
caveat open(open bool) { open }
definition user {}
definition doc {
	relation viewer: user | user:* | user with open
	relation rival: doc
	permission view = viewer - rival->view
}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range tuples {
		tp, err := tuple.ParseTuple(text)
		if err != nil {
			t.Fatal(err)
		}
		w.Tuples = append(w.Tuples, tp)
	}
	return w
}

func user(id string) tuple.Subject          { return tuple.Subject{Type: "user", ID: id} }
func doc(id string) tuple.Object            { return tuple.Object{Type: "doc", ID: id} }
func about(s tuple.Subject) []tuple.Subject { return []tuple.Subject{s} }

func TestObjects_AreThoseThatASubjectReaches(t *testing.T) {
	w := small(t, "doc:a#viewer@user:ann", "doc:b#viewer@user:*", "doc:b#rival@doc:a", "doc:c#viewer@user:ann[open]",
		"doc:x#viewer@user:ann", "doc:x#rival@doc:x")
	got := Solve(w, &graph.Question{Subjects: about(user("ann"))}).Objects("doc", "view")
	want := map[tuple.Object]Value{doc("a"): Allowed, doc("c"): Conditional, doc("x"): Failed}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSubjects_AreThoseThatReachAnObject(t *testing.T) {
	w := small(t, "doc:b#viewer@user:*", "doc:b#rival@doc:a", "doc:a#viewer@user:ann", "doc:a#viewer@user:bob[open]", "doc:z#viewer@user:eve")
	got := Subjects(w, graph.Question{Object: doc("b"), Permission: "view"}, "user")
	want := map[tuple.Subject]Value{user("bob"): Conditional, user("eve"): Allowed}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
