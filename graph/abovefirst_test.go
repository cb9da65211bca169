package graph

import "testing"

// The first tuple that nests groups in a way in which none were nested before
// counts, though what is above the group has been kept.
func TestAbove_SeesTheFirstTupleOfAShape(t *testing.T) {
	const schema = `
definition user {}
definition team { relation member: user | team#member }
definition group { relation member: user | group#member | team#member }
definition doc { relation viewer: group#member
	permission view = viewer }`
	w := newWorld(t, schema, `
		doc:d#viewer@group:top#member
		group:mid#member@group:low#member
		team:t#member@user:ann
		group:low#member@user:bob
	`)
	ask := func(question, want string) {
		t.Helper()
		for range 3 { // what is above a group is kept from the second time on
			if got := outcome(w.ask(w.question(question))); got != want {
				t.Fatalf("%s: %s, want %s", question, got, want)
			}
		}
	}
	ask("doc:d#view@user:ann", "denied")
	ask("doc:d#view@user:bob", "denied")
	w.write("group:top#member@group:mid#member")
	ask("doc:d#view@user:ann", "denied")
	ask("doc:d#view@user:bob", "allowed")
	w.write("group:low#member@team:t#member")
	ask("doc:d#view@user:ann", "allowed")
	w.write("team:t#member@team:u#member")
	w.write("team:u#member@user:eve")
	ask("doc:d#view@user:eve", "allowed")
}

// A view from before a user was in a group does not see it, whether the user is in
// one group or in several.
func TestGroups_OfLaterRevisionsAreNotSeen(t *testing.T) {
	w := newWorld(t, basic, `
		doc:d#viewer@group:g#member
		doc:other#viewer@user:ann
		group:h#member@user:bob
	`)
	before := w.view()
	w.write("group:g#member@user:ann")
	w.write("group:g#member@user:bob")
	after := w.view()
	for _, user := range []string{"ann", "bob"} {
		q := w.question("doc:d#view@user:" + user)
		then, err := w.graph.Check(t.Context(), before, q)
		now, errNow := w.graph.Check(t.Context(), after, q)
		if err != nil || errNow != nil || then.Decision != Denied || now.Decision != Allowed {
			t.Errorf("%s: %v %v, then %v %v", user, then.Decision, err, now.Decision, errNow)
		}
	}
}

// What somebody has kept at a later revision, after a walk has looked when groups were
// nested last, is not what its view shows.
func TestAbove_KeptMeanwhileAtALaterRevisionIsNotSeen(t *testing.T) {
	w := newWorld(t, basic, `
		doc:d#viewer@group:top#member
		group:low#member@user:ann
		group:other#member@group:another#member
	`)
	g, view := w.graph, w.view()
	r, err := g.Resolve(view, w.question("doc:d#view@user:ann"))
	if err != nil {
		t.Fatal(err)
	}
	member := g.types[g.typeIndex["group"]].relations["member"]
	begin := func() (*walk, *aboveTable, uint64) {
		walk := new(walk)
		walk.begin(t.Context(), g, &view, &r)
		if !walk.findNamed(0, member) || len(walk.groups) != 1 {
			t.Fatalf("groups %v", walk.groups)
		}
		known, change := walk.knownAbove(member)
		return walk, known, change
	}
	first, known, change := begin()
	if known == nil {
		t.Fatal("there is no table")
	}
	w.write("group:top#member@group:low#member")
	for range 3 {
		w.expect("doc:d#view@user:ann = allowed") // kept from the second time on
	}
	var room [inlineAbove]group
	if a, ok := known.find(member, first.groups[0], &room); !ok || a.rev <= view.Revision() {
		t.Fatalf("nothing is kept of the later revision: %+v", a)
	}
	if !first.joinAbove(0, member, first.groups[0], known, change) || len(first.groups) != 1 {
		t.Errorf("a view of revision %d sees groups of a later one: %v", view.Revision(), first.groups)
	}
	if _, known, _ := begin(); known != nil {
		t.Error("the change is not noticed")
	}
}
