package iamload

import (
	"slices"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

var small = Plan{
	Organizations: 3, Clouds: 9, Folders: 60, Resources: 2000, Bindings: 6000, Users: 300, Groups: 40, Custom: 30, CustomHolds: 20,
}

func TestLoad_IsTheSameAgain(t *testing.T) {
	a, b := New(small), New(small)
	if a.Schema() != b.Schema() || !slices.Equal(slices.Collect(a.Tuples()), slices.Collect(b.Tuples())) {
		t.Error("another population of the same plan")
	}
	other := small
	other.Seed = 2
	if slices.Equal(slices.Collect(a.Tuples()), slices.Collect(New(other).Tuples())) {
		t.Error("the same population of another seed")
	}
}

// naive answers from the tuples by what the words say: a role that has the
// permission is bound, here or above, to one of the subjects or a group of it.
type naive struct {
	grants map[string][]string // relation -> permissions
	rows   map[tuple.Object]map[string][]tuple.Subject
}

func newNaive(l *Load) *naive {
	n := &naive{map[string][]string{}, map[tuple.Object]map[string][]tuple.Subject{}}
	for i := range l.roles {
		for _, p := range l.roles[i].permissions {
			n.grants[l.roles[i].relation] = append(n.grants[l.roles[i].relation], catalogue.NameOf(p))
		}
	}
	for t := range l.Tuples() {
		if n.rows[t.Object] == nil {
			n.rows[t.Object] = map[string][]tuple.Subject{}
		}
		n.rows[t.Object][t.Relation] = append(n.rows[t.Object][t.Relation], t.Subject)
	}
	return n
}

func (n *naive) may(q Question) bool {
	for at, found := q.Object, true; found; {
		for relation, bound := range n.rows[at] {
			if slices.Contains(n.grants[relation], q.Permission) && slices.ContainsFunc(bound, func(s tuple.Subject) bool { return n.is(q, s) }) {
				return true
			}
		}
		parents := n.rows[at]["parent"]
		if found = len(parents) > 0; found {
			at = tuple.Object{Type: parents[0].Type, ID: parents[0].ID}
		}
	}
	return false
}

func (n *naive) is(q Question, bound tuple.Subject) bool {
	if bound.Relation == "" {
		return slices.Contains(q.Subjects, bound)
	}
	members := n.rows[tuple.Object{Type: bound.Type, ID: bound.ID}][bound.Relation]
	return slices.ContainsFunc(members, func(s tuple.Subject) bool { return slices.Contains(q.Subjects, s) })
}

func TestLoad_QuestionsAreAnsweredAsTheWordsSay(t *testing.T) {
	plan := small
	plan.Seed = uint64(time.Now().UnixNano())
	t.Logf("seed %d", plan.Seed)
	l := New(plan)
	g, view := stored(t, l)
	n, allowed := newNaive(l), 0
	const questions = 4000
	for i := range questions {
		q := l.Question(i)
		a, err := g.Check(t.Context(), view, &graph.Question{Object: q.Object, Permission: q.Permission, Subjects: q.Subjects, Now: 1})
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		if want := n.may(q); (a.Decision == graph.Allowed) != want {
			t.Errorf("%+v: %v, want %v", q, a.Decision, want)
		} else if want {
			allowed++
		}
	}
	if allowed < questions/4 || allowed > questions*9/10 {
		t.Errorf("%d of %d are allowed", allowed, questions)
	}
}

func stored(t *testing.T, l *Load) (*graph.Graph, store.View) {
	t.Helper()
	s := store.New(store.Options{})
	parsed, err := graph.ParseWithin(l.Schema(), 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	if warnings, err := graph.Validate(parsed); err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	g, err := graph.Compile(parsed, s.Symbols())
	if err != nil {
		t.Fatal(err)
	}
	revision := uint64(0)
	apply := func(c store.Command) {
		revision++
		entry := store.Entry{Commands: []store.Command{c}}
		if err := s.Apply(revision, entry.Append(nil))[0].Err(); err != nil {
			t.Fatal(err)
		}
	}
	apply(store.Command{Kind: store.KindInit, Tenant: "default", ClusterID: "a"})
	var updates []store.Update
	seen := map[tuple.Key]bool{}
	for tp := range l.Tuples() {
		if !seen[tp.Key()] {
			seen[tp.Key()] = true
			updates = append(updates, store.Update{Op: store.OpCreate, Tuple: tp})
		}
	}
	for some := range slices.Chunk(updates, 1000) {
		apply(store.Command{Kind: store.KindWrite, Tenant: "default", Updates: some})
	}
	view, err := s.View("default", 0)
	if err != nil {
		t.Fatal(err)
	}
	return g, view
}
