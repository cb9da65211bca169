package graph

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// TestResolveAll_IsResolve asks for names that are stored, unknown, wildcards and
// not valid, with one subject, several and none, alone and together.
func TestResolveAll_IsResolve(t *testing.T) {
	w := newWorld(t, `
		definition user {}
		definition group { relation member: user | user:* | group#member }
		definition doc { relation viewer: user | user:* | group#member
			permission view = viewer }
	`, `
		doc:a#viewer@user:ann
		doc:b#viewer@group:g#member
		group:g#member@user:bob
		group:h#member@user:*
	`)
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	subject := func() tuple.Subject {
		return tuple.Subject{Type: pick("user", "user", "group", "", "nobody"), ID: pick("ann", "bob", "g", "new", "*", "", "a b"),
			Relation: pick("", "", "member", tuple.Plain, "nothing")}
	}
	qs := make([]Question, 20_000)
	for i := range qs {
		q := &qs[i]
		q.Object = tuple.Object{Type: pick("doc", "doc", "doc", "group", "", "none"), ID: pick("a", "b", "g", "new", "ann", "*", "", "x#y")}
		q.Permission, q.Now = pick("view", "view", "viewer", "member", "", "none"), int64(i)
		for range []int{1, 1, 1, 0, 2, 3, 4, 6, 7, 9}[r.IntN(10)] {
			q.Subjects = append(q.Subjects, subject())
		}
		if r.IntN(8) == 0 {
			q.Contextual = parseTuples(t, "doc:c#viewer@user:new")
		}
		q.Limits.Depth = r.IntN(3)
	}
	v := w.view()
	out, errs := make([]Resolved, len(qs)), make([]error, len(qs))
	w.graph.ResolveAll(v, qs, out, errs)
	resolved := 0
	for i := range qs {
		want, wantErr := w.graph.resolve(v, &qs[i])
		want = unnamed(want)
		one, oneErr := w.graph.Resolve(v, &qs[i])
		if !reflect.DeepEqual(oneErr, wantErr) || !reflect.DeepEqual(errs[i], wantErr) {
			t.Fatalf("%+v: %v alone, %v together, want %v", qs[i], oneErr, errs[i], wantErr)
		}
		if wantErr != nil {
			continue
		}
		resolved++
		if !isSame(&one, &want) || !isSame(&out[i], &want) {
			t.Fatalf("%+v: %+v alone, %+v together, want %+v", qs[i], one, out[i], want)
		}
	}
	if resolved < 100 {
		t.Errorf("only %d questions are valid", resolved)
	}
	slices.Reverse(qs)
	w.graph.ResolveAll(v, qs, out, errs)
	for i := range qs {
		expectAlike(t, w, &qs[i], &out[i], errs[i])
	}
}

// unnamed returns r without names for subjects that no tuple names, if it needs none.
func unnamed(r Resolved) Resolved {
	if len(r.Subjects()) > mostInline || r.given != nil || isLocal(r.Object) {
		return r
	}
	subjects := slices.Clone(r.Subjects())
	out := Resolved{Program: r.Program, Object: r.Object, Context: r.Context, Now: r.Now, limits: r.limits}
	for _, s := range subjects {
		if isLocal(s.Node) {
			s.Node = 0
		}
		out.addSubject(s)
	}
	return out
}

func isSame(a, b *Resolved) bool {
	return reflect.DeepEqual(a.Subjects(), b.Subjects()) && reflect.DeepEqual(a.given, b.given) && a.Program == b.Program &&
		a.Object == b.Object && a.Now == b.Now && reflect.DeepEqual(a.Context, b.Context) && a.limits == b.limits && a.IsStored() == b.IsStored()
}

// expectAlike expects of a question that was resolved where another had been, and
// of one that Check resolves, what holds of a new one.
func expectAlike(t *testing.T, w *world, q *Question, r *Resolved, err error) {
	t.Helper()
	v := w.view()
	named, wantErr := w.graph.resolve(v, q)
	want := unnamed(named)
	if !reflect.DeepEqual(err, wantErr) {
		t.Fatalf("%+v: %v, want %v", q, err, wantErr)
	}
	checked, checkErr := w.graph.Check(t.Context(), v, q)
	if wantErr != nil {
		if checkErr == nil {
			t.Fatalf("%+v is answered, want %v", q, wantErr)
		}
		return
	}
	if !isSame(r, &want) {
		t.Fatalf("%+v: %+v after another question, want %+v", q, r, want)
	}
	answer, answerErr := w.graph.CheckResolved(t.Context(), v, &named)
	if !reflect.DeepEqual(checked, answer) || !reflect.DeepEqual(checkErr, answerErr) {
		t.Fatalf("%+v: %+v %v, want %+v %v", q, checked, checkErr, answer, answerErr)
	}
}
