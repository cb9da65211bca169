package authz

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// TestViewpoint_AnswersTogetherAsOneByOne asks more questions than go to the
// checker at a time, wrong ones, ones of several subjects and ones with context
// among them, in each of the ways to ask at a viewpoint.
func TestViewpoint_AnswersTogetherAsOneByOne(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:ann", "doc:b#viewer@group:g#member", "group:g#member@user:bob", "doc:a#banned@user:bob", "doc:b#viewer@user:*",
		`doc:c#viewer@user:ann[near:{"most":5}]`)
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	subject := func() tuple.Subject {
		return tuple.Subject{Type: pick("user", "user", "user", "group", "none"), ID: pick("ann", "bob", "new", "g", "*"), Relation: pick("", "", "", "member")}
	}
	qs := make([]Question, 5*together+3)
	for i := range qs {
		qs[i] = Question{Object: tuple.Object{Type: pick("doc", "doc", "doc", "dok"), ID: pick("a", "b", "c", "new", "")}, Permission: pick("view", "viewer", "none"), Subject: subject()}
		for range r.IntN(8) / 6 {
			qs[i].Implied = append(qs[i].Implied, subject())
		}
		if r.IntN(3) == 0 {
			qs[i].Context = map[string]any{"distance": float64(r.IntN(9))}
		}
	}
	p, err := w.Viewpoint(t.Context(), "", Consistency{})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]BatchResult, len(qs))
	p.CheckAll(t.Context(), qs, nil, out)
	var resolved Resolved
	for range 2 { // its memory is used again
		p.Resolve(qs, &resolved)
	}
	decided := 0
	for i := range qs {
		want, wantErr := p.CheckWith(t.Context(), &qs[i], nil)
		got, gotErr := p.CheckResolved(t.Context(), &resolved, i)
		if wantErr != nil {
			if reason := reasonOf(t, wantErr); out[i].Err == nil || gotErr == nil || reasonOf(t, out[i].Err) != reason || reasonOf(t, gotErr) != reason {
				t.Errorf("%+v: %v together, %v resolved, want %v", qs[i], out[i].Err, gotErr, wantErr)
			}
			continue
		}
		decided++
		if out[i].Err != nil || gotErr != nil || got.Decision != want.Decision || !cmp.Equal(out[i].Missing, want.Missing) || out[i].Decision != want.Decision {
			t.Errorf("%+v: %+v together, %+v resolved, want %+v", qs[i], out[i], got, want)
		}
	}
	if decided < 10 {
		t.Errorf("only %d questions are decided", decided)
	}
}
