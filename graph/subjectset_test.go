package graph

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// withSet returns q with all subjects but the first in a set.
func withSet(q *Question, s *SubjectSet) *Question {
	out := *q
	out.Subjects, out.Implied = q.Subjects[:1], s
	return &out
}

// TestSubjectSet_IsPartOfTheSubjects asks with and without sets, which live as long as
// the world, while tuples come and go, at new and at old views, with two schemas in turn.
func TestSubjectSet_IsPartOfTheSubjects(t *testing.T) {
	sequential(t)
	allowed := 0
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 3))
		w := newWorld(t, basic, "doc:a#viewer@user:first")
		graphs := []*Graph{w.graph, w.compile(basic + " definition more {}")}
		subject := func() tuple.Subject {
			if rng.IntN(4) == 0 {
				return tuple.Subject{Type: "group", ID: fmt.Sprint("g", rng.IntN(3)), Relation: "member"}
			}
			return tuple.Subject{Type: []string{"user", "robot"}[rng.IntN(2)], ID: fmt.Sprint("s", rng.IntN(6))}
		}
		var sets []*SubjectSet
		for i := range 4 {
			var all []tuple.Subject
			for range []int{1, 3, 5, 7}[i] {
				all = append(all, subject())
			}
			sets = append(sets, NewSubjectSet(all...))
		}
		var views []store.View
		for range 30 {
			to := subject()
			kind := tuple.Tuple{Object: tuple.Object{Type: "doc", ID: fmt.Sprint("d", rng.IntN(3))}, Relation: []string{"viewer", "approved", "banned"}[rng.IntN(3)], Subject: to}
			if to.Type == "robot" {
				kind.Object, kind.Relation = tuple.Object{Type: "group", ID: fmt.Sprint("g", rng.IntN(3))}, "member"
			}
			w.writeTuples([]tuple.Tuple{kind}, []store.Op{store.OpTouch, store.OpTouch, store.OpDelete}[rng.IntN(3)])
			views = append(views, w.view())
			for range 20 {
				set, v, g := sets[rng.IntN(len(sets))], views[max(0, len(views)-1-rng.IntN(3))], graphs[rng.IntN(2)]
				q := &Question{
					Object: tuple.Object{Type: "doc", ID: fmt.Sprint("d", rng.IntN(3))}, Permission: []string{"view", "read", "see"}[rng.IntN(3)],
					Subjects: append([]tuple.Subject{subject()}, set.Subjects()...), Now: noon,
				}
				want, wantErr := g.Check(t.Context(), v, q)
				got, err := g.Check(t.Context(), v, withSet(q, set))
				if got.Decision != want.Decision || fmt.Sprint(err) != fmt.Sprint(wantErr) {
					t.Fatalf("seed %d: %+v: %v %v, with a set %v %v", seed, q, want.Decision, wantErr, got.Decision, err)
				}
				if want.Decision == Allowed {
					allowed++
				}
			}
		}
	}
	if allowed < 1000 {
		t.Errorf("only %d questions are allowed", allowed)
	}
}

// TestSubjectSet_KnowsTheObject: a name that nobody had when the set was looked up has
// been written since. At the old view no tuple names it, but as the object it is the subject.
func TestSubjectSet_KnowsTheObject(t *testing.T) {
	w := newWorld(t, `use self
		definition user { relation friend: user; permission me = self + friend }
		definition group {
			relation member: user | group#member
			permission alone = self - member
		}
		definition doc { relation viewer: user | group#member }`, "doc:a#viewer@user:bob")
	old := w.view()
	for _, test := range []struct {
		question string
		set      tuple.Subject
		want     Decision
	}{
		{"user:ann#me@user:bob", tuple.Subject{Type: "user", ID: "ann"}, Allowed},
		{"group:g#alone@group:g", tuple.Subject{Type: "group", ID: "g", Relation: "member"}, Denied},
	} {
		set := NewSubjectSet(test.set)
		if _, err := w.graph.Check(t.Context(), old, withSet(w.question("doc:a#viewer@user:zoe"), set)); err != nil || set.known.Load() == nil {
			t.Fatal(err)
		}
		w.write("doc:a#viewer@" + test.set.String())
		q := withSet(w.question(test.question), set)
		for range 2 {
			if a, err := w.graph.Check(t.Context(), old, q); err != nil || a.Decision != test.want {
				t.Errorf("%s: %v %v", test.question, a.Decision, err)
			}
		}
	}
}

func TestSubjectSet_SeesTheFirstWildcard(t *testing.T) {
	w := newWorld(t, basic, "doc:a#viewer@user:ann\ngroup:g#member@robot:r")
	q := withSet(w.question("doc:a#see@robot:r"), NewSubjectSet(tuple.Subject{Type: "user", ID: "ann"}))
	for _, want := range []Decision{Allowed, Denied} {
		if a, err := w.ask(q); err != nil || a.Decision != want {
			t.Errorf("%v %v, want %v", a.Decision, err, want)
		}
		w.write("doc:a#banned@user:*")
	}
}

func TestSubjectSet_ErrorsAreThoseOfItsSubjects(t *testing.T) {
	w := newWorld(t, basic, "doc:a#viewer@user:ann")
	for _, s := range []tuple.Subject{
		{Type: "nobody", ID: "x"}, {Type: "user", ID: "*"}, {Type: "group", ID: "g", Relation: "chief"}, {Type: "user", ID: ""}, {Type: "user", ID: "a#b"},
	} {
		q := &Question{Object: tuple.Object{Type: "doc", ID: "a"}, Permission: "view", Subjects: []tuple.Subject{{Type: "user", ID: "bob"}, s}, Now: noon}
		_, want := w.ask(q)
		if _, err := w.ask(withSet(q, NewSubjectSet(s))); want == nil || fmt.Sprint(err) != want.Error() {
			t.Errorf("%v: %v, in a set %v", s, want, err)
		}
	}
}

func TestSubjectSet_IsLookedUpOnce(t *testing.T) {
	w := newWorld(t, basic, "doc:a#viewer@user:ann")
	set := NewSubjectSet(tuple.Subject{Type: "user", ID: "ann"}, tuple.Subject{Type: "user", ID: "late"})
	q := withSet(w.question("doc:a#view@user:bob"), set)
	ask := func(want Decision) *knownSubjects {
		t.Helper()
		if a, err := w.ask(q); err != nil || a.Decision != want {
			t.Fatal(a, err)
		}
		return set.known.Load()
	}
	first := ask(Allowed)
	w.write("doc:b#viewer@user:cid") // after which late might be somebody
	if again := ask(Allowed); again != first || again.upTo.Load() != viewOf(w).Newest() {
		t.Error("what is known is made anew")
	}
	w.write("doc:b#viewer@user:late")
	q.Object.ID = "b"
	if later := ask(Allowed); later == first {
		t.Error("late is not found")
	}
	if racing {
		return
	}
	v := w.view()
	if n := testing.AllocsPerRun(100, func() {
		set.known.Load().upTo.Store(0) // as after a write
		if _, err := w.graph.Check(t.Context(), v, q); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func viewOf(w *world) *store.View {
	v := w.view()
	return &v
}

func TestSubjectSet_ManyAtOnce(t *testing.T) {
	w := newWorld(t, basic, "doc:a#viewer@user:u0")
	set := NewSubjectSet(tuple.Subject{Type: "user", ID: "u0"}, tuple.Subject{Type: "user", ID: "u99"})
	q := withSet(w.question("doc:a#view@user:bob"), set)
	var views []store.View
	for i := range 100 {
		w.write(fmt.Sprintf("doc:a#viewer@user:u%d", i))
		views = append(views, w.view())
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 300 {
				if a, err := w.graph.Check(t.Context(), views[(i*37+j*7)%len(views)], q); err != nil || a.Decision != Allowed {
					t.Error(a, err)
				}
			}
		})
	}
	all.Wait()
}
