package graph

import (
	"fmt"
	"strings"
	"testing"
)

const basic = `
definition user {}
definition robot {}
definition group { relation member: user | robot | group#member }
definition folder {
	relation parent: folder
	relation owner: user
	relation viewer: user | user:* | group#member
	permission view = viewer + owner + parent->view
}
definition doc {
	relation folder: folder
	relation viewer: user | group#member
	relation approved: user | group#member
	relation banned: user | user:* | group#member
	permission view = viewer + folder->view
	permission read = view & approved
	permission see = view - banned
	permission never = nil
}`

// forwardOnly is basic with group members that may expire, so that membership
// is walked from the object's end.
var forwardOnly = "use expiration\n" + strings.Replace(basic, "user | robot | group#member", "user | robot | group#member | robot with expiration", 1)

func TestCheck_Rules(t *testing.T) {
	tests := []struct{ name, tuples, want string }{
		{"direct subject", `doc:a#viewer@user:ann`, `
			doc:a#viewer@user:ann = allowed
			doc:a#view@user:ann = allowed
			doc:a#view@user:bob = denied
			doc:b#view@user:ann = denied
			doc:a#approved@user:ann = denied`},
		{"nil grants nobody", `doc:a#viewer@user:ann`, `doc:a#never@user:ann = denied`},
		{"userset", `
			doc:a#viewer@group:x#member
			group:x#member@user:ann
			group:x#member@group:y#member
			group:y#member@robot:r`, `
			doc:a#view@user:ann = allowed
			doc:a#view@robot:r = allowed
			doc:a#view@robot:s = denied`},
		{"wildcard counts for its type and for subjects without relation", `
			folder:f#viewer@user:*
			doc:a#folder@folder:f`, `
			doc:a#view@user:ann = allowed
			doc:a#view@user:nobody_has_heard_of = allowed
			doc:a#view@robot:r = denied
			doc:a#view@group:x#member = denied`},
		{"arrow over several levels", `
			doc:a#folder@folder:f
			folder:f#parent@folder:g
			folder:g#parent@folder:h
			folder:h#owner@user:ann`, `
			doc:a#view@user:ann = allowed
			doc:a#view@user:bob = denied`},
		{"intersection and exclusion", `
			doc:a#viewer@user:ann
			doc:a#viewer@user:bob
			doc:a#viewer@group:x#member
			group:x#member@user:cid
			doc:a#approved@user:ann
			doc:a#approved@user:dan
			doc:a#banned@user:bob`, `
			doc:a#read@user:ann = allowed
			doc:a#read@user:bob = denied
			doc:a#read@user:dan = denied
			doc:a#see@user:ann = allowed
			doc:a#see@user:bob = denied
			doc:a#see@user:cid = allowed
			doc:a#see@user:dan = denied`},
		{"exclusion by wildcard", `
			doc:a#viewer@user:ann
			doc:a#banned@user:*`, `doc:a#see@user:ann = denied`},
		{"a userset is a member of itself", `
			doc:a#viewer@group:x#member
			group:y#member@group:z#member
			group:x#member@group:y#member`, `
			group:x#member@group:x#member = allowed
			group:unknown#member@group:unknown#member = allowed
			group:x#member@group:unknown#member = denied
			doc:a#viewer@group:x#member = allowed
			doc:a#view@group:z#member = allowed
			doc:a#view@doc:a#view = allowed
			doc:a#view@doc:a#viewer = allowed
			doc:a#view@doc:b#viewer = denied
			doc:a#read@doc:a#viewer = denied
			doc:a#see@doc:a#see = allowed
			doc:a#see@doc:a#view = allowed
			group:y#member@group:x#member = denied`},
		{"the set of subjects asks as one", `
			doc:a#viewer@user:ann
			doc:a#approved@group:x#member
			doc:b#viewer@user:ann
			doc:b#banned@group:x#member`, `
			doc:a#read@user:ann = denied
			doc:a#read@user:ann,group:x#member = allowed
			doc:a#read@group:x#member,user:ann = allowed
			doc:b#see@user:ann = allowed
			doc:b#see@user:ann,group:x#member = denied
			doc:a#view@user:bob,user:cid,robot:r,user:ann = allowed`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { newWorld(t, basic, tc.tuples).expect(tc.want) })
	}
}

func TestCheck_ArrowsGoByTheObjectOfAUserset(t *testing.T) {
	newWorld(t, `
		definition user {}
		definition group { relation member: user; relation admin: user }
		definition doc {
			relation team: group | group#member
			permission run = team->admin
		}`, `
		doc:a#team@group:x#member
		group:x#member@user:ann
		group:x#admin@user:bob`).expect(`
		doc:a#run@user:ann = denied
		doc:a#run@user:bob = allowed`)
}

func TestCheck_ArrowsSkipTypesWithoutTheTarget(t *testing.T) {
	newWorld(t, `
		definition user {}
		definition org { relation admin: user }
		definition doc {
			relation parent: org | user
			permission any = parent->admin
			permission all = parent.all(admin)
		}`, `
		doc:a#parent@org:o
		doc:b#parent@org:o
		doc:b#parent@user:bob
		org:o#admin@user:ann`).expect(`
		doc:a#any@user:ann = allowed
		doc:b#any@user:ann = allowed
		doc:a#all@user:ann = allowed
		doc:b#all@user:ann = denied`)
}

func TestCheck_AllNeedsOneAndEveryone(t *testing.T) {
	newWorld(t, `
		definition user {}
		definition group { relation member: user | group#member }
		definition doc { relation team: group; permission run = team.all(member) }`, `
		doc:a#team@group:x
		doc:a#team@group:y
		group:x#member@user:ann
		group:y#member@user:ann
		group:x#member@user:bob`).expect(`
		doc:a#run@user:ann = allowed
		doc:a#run@user:bob = denied
		doc:none#run@user:ann = denied`)
}

func TestCheck_SelfGrantsTheObjectItself(t *testing.T) {
	newWorld(t, `
		use self
		definition user { relation friend: user; permission view = self + friend->view_self; permission view_self = self }
		definition doc { relation owner: user; permission view = owner->view_self }`, `
		user:ann#friend@user:bob
		doc:a#owner@user:ann`).expect(`
		user:ann#view@user:ann = allowed
		user:ann#view@user:bob = allowed
		user:bob#view@user:ann = denied
		user:new#view@user:new = allowed
		user:new#view@user:other = denied
		doc:a#view@user:ann = allowed
		doc:a#view@user:bob = denied`)
}

func TestCheck_SchemaHidesWhatItDoesNotAllow(t *testing.T) {
	w := newWorld(t, `
		definition user {}
		definition group { relation member: user }
		definition doc { relation viewer: user | user:* | group#member; relation parent: doc; permission view = viewer + parent->view }`, `
		doc:a#viewer@user:ann
		doc:b#viewer@user:*
		doc:c#viewer@group:x#member
		group:x#member@user:ann`)
	table := `
		doc:a#view@user:ann = allowed
		doc:b#view@user:ann = %s
		doc:c#view@user:ann = %s`
	w.expect(fmt.Sprintf(table, "allowed", "allowed"))
	w.graph = w.compile(`
		definition user {}
		definition group { relation member: user }
		definition doc { relation viewer: user; permission view = viewer }`)
	w.expect(fmt.Sprintf(table, "denied", "denied"))
}

func TestCheck_UnknownNamesAreErrors(t *testing.T) {
	newWorld(t, basic, ``).expect(`
		dok:a#view@user:ann = error: object.type "dok" is not in the schema (did you mean "doc"?)
		doc:a#vieww@user:ann = error: permission "vieww" is not in the schema (did you mean "view"?)
		doc:a#view@usr:ann = error: subject.type "usr" is not in the schema (did you mean "user"?)
		doc:a#view@group:x#members = error: subject.relation "members" is not in the schema (did you mean "member"?)
		doc:a#view@user:* = error: subject.id "*": a question is about one subject, not about a wildcard`)
}

func TestCheck_PruningSkipsBranchesThatCannotReachTheSubject(t *testing.T) {
	w := newWorld(t, `
		definition user {}
		definition robot {}
		definition group { relation member: user | group#member }
		definition doc {
			relation viewer: user | group#member
			relation runner: robot
			permission use = viewer + runner
			permission both = viewer & runner
		}`, `
		doc:a#viewer@group:g0#member
		doc:a#runner@robot:r
		group:g0#member@group:g1#member
		group:g1#member@user:ann`)
	w.expect(`
		doc:a#use@robot:r = allowed
		doc:a#use@user:ann = allowed
		doc:a#both@robot:r = denied
		doc:a#both@robot:r,user:ann = allowed
		doc:a#use@group:g1#member = allowed`)
	for question, reads := range map[string]int{
		"doc:a#use@robot:r": 1, "doc:a#both@robot:r": 0, "doc:a#viewer@robot:r": 0, "doc:a#use@doc:a#runner": 0,
	} {
		if a, err := w.ask(w.question(question)); err != nil || a.Reads != reads {
			t.Errorf("%s: %d reads, %v; want %d", question, a.Reads, err, reads)
		}
	}
}

func TestCheck_UnionsAreFlat(t *testing.T) {
	w := newWorld(t, `
		definition user {}
		definition folder {
			relation parent: folder
			relation viewer: user
			relation editor: user
			relation admin: user
			permission administrate = admin + parent->administrate
			permission edit = editor + administrate + parent->edit
			permission view = viewer + edit + parent->view
		}`, `
		folder:a#parent@folder:b
		folder:b#parent@folder:c
		folder:c#admin@user:ann`)
	w.expect(`
		folder:a#view@user:ann = allowed
		folder:a#edit@user:ann = allowed
		folder:a#view@user:bob = denied
		folder:a#view@folder:a#administrate = allowed
		folder:a#view@folder:c#administrate = allowed
		folder:a#edit@folder:b#view = denied`)
	a, err := w.ask(w.question("folder:a#view@user:bob"))
	// One step per folder; roles that nobody has there, or bob nowhere, cost nothing.
	if err != nil || a.Steps != 3 || a.Reads != 2+2 {
		t.Errorf("steps=%d reads=%d %v", a.Steps, a.Reads, err)
	}
}

func TestCheck_DiamondsAreCheap(t *testing.T) {
	const depth = 25
	var tuples strings.Builder
	for i := range depth {
		for _, from := range []string{"a", "b"} {
			for _, to := range []string{"a", "b"} {
				fmt.Fprintf(&tuples, "group:%s%d#member@group:%s%d#member\n", from, i, to, i+1)
			}
		}
	}
	w := newWorld(t, forwardOnly, tuples.String())
	w.expect(`group:a0#member@user:ann = denied`)
	if a, _ := w.ask(w.question("group:a0#member@user:ann")); a.Steps != 2*depth+1 {
		t.Errorf("%d steps", a.Steps)
	}
}

func TestCheck_WideGroupsAreProbed(t *testing.T) {
	var tuples strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&tuples, "group:all#member@user:u%d\n", i)
	}
	w := newWorld(t, basic, tuples.String()+"doc:a#viewer@group:all#member")
	a, err := w.ask(w.question("doc:a#view@user:u7000"))
	if err != nil || a.Decision != Allowed || a.Reads > 5 {
		t.Errorf("%+v %v", a, err)
	}
}
