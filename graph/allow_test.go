package graph

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/store"
)

func TestCheckTuple(t *testing.T) {
	w := newWorld(t, conditionalSchema, "")
	tests := []struct{ tuple, field, message string }{
		{"doc:a#viewer@user:ann", "", ""},
		{"doc:a#viewer@group:x#member", "", ""},
		{"group:x#member@user:*[over]", "", ""},
		{`doc:a#viewer@user:ann[over:{"limit":1}][expiration:2031-01-01T00:00:00Z]`, "", ""},
		{"dok:a#viewer@user:ann", "object.type", `did you mean "doc"?`},
		{"doc:a#viewers@user:ann", "relation", `did you mean "viewer"?`},
		{"doc:a#see@user:ann", "relation", "is a permission"},
		{"doc:a#viewer@usr:ann", "subject.type", `did you mean "user"?`},
		{"doc:a#viewer@group:x#members", "subject.relation", `did you mean "member"?`},
		{"doc:a#viewer@group:x", "subject", "it accepts user | "},
		{"doc:a#viewer@user:*", "subject", "it accepts user | "},
		{"group:x#member@user:*", "caveat", "group#member accepts user:* only with a caveat (it accepts"},
		{"doc:a#folder@folder:f[expiration:2031-01-01T00:00:00Z]", "expiration", "doc#folder does not accept folder:f with an expiry (it accepts"},
		{"doc:a#folder@folder:f[inside]", "caveat", "doc#folder does not accept folder:f with this caveat (it accepts"},
		{"doc:a#viewer@user:ann[inside][expiration:2031-01-01T00:00:00Z]", "caveat", "doc#viewer accepts user:ann with this caveat only without an expiry (it accepts"},
		{"doc:a#folder@folder:f[insid]", "caveat", `caveat "insid" is not a caveat of the schema (did you mean "inside"?)`},
		{"doc:a#folder@folder:f[sometimes]", "caveat", `is not a caveat of the schema (doc#folder accepts folder | folder with over)`},
		{`doc:a#viewer@user:ann[over:{"limit":"x"}]`, "caveat.context", "limit"},
		{`doc:a#viewer@user:ann[over:{"limits":1}]`, "caveat.context", "limits"},
	}
	for _, tc := range tests {
		err := w.graph.CheckTuple(parseTuples(t, tc.tuple)[0])
		var not *NotAllowedError
		switch {
		case tc.field == "" && err == nil:
		case errors.As(err, &not) && not.Field == tc.field && strings.Contains(err.Error(), tc.message):
		default:
			t.Errorf("%s: %v", tc.tuple, err)
		}
	}
}

func TestCheckTuple_SaysWhichTraitsAreMissing(t *testing.T) {
	w := newWorld(t, `
		use expiration
		caveat over(age int) { age > 1 }
		definition user {}
		definition doc {
			relation timed: user with expiration
			relation either: user with over | user with expiration
			relation both: user with over and expiration
		}`, "")
	const expiry = "[expiration:2031-01-01T00:00:00Z]"
	for text, want := range map[string]string{
		"doc:a#timed@user:ann":         "doc#timed accepts user:ann only with an expiry (it accepts user with expiration)",
		"doc:a#either@user:ann":        "doc#either accepts user:ann only with a caveat or an expiry (it accepts user with over | user with expiration)",
		"doc:a#both@user:ann":          "doc#both accepts user:ann only with a caveat and an expiry (it accepts user with over and expiration)",
		"doc:a#both@user:ann[over]":    `caveat "over": doc#both accepts user:ann with this caveat only if there is an expiry, too (it accepts user with over and expiration)`,
		"doc:a#both@user:ann" + expiry: `expiration "2031-01-01T00:00:00Z": doc#both accepts user:ann with an expiry only if there is a caveat, too (it accepts user with over and expiration)`,
	} {
		if err := w.graph.CheckTuple(parseTuples(t, text)[0]); err == nil || err.Error() != want {
			t.Errorf("%s: %v, not %s", text, err, want)
		}
	}
}

func TestRemoved_NamesWhatTheNextSchemaDoesNotStore(t *testing.T) {
	w := newWorld(t, conditionalSchema, "")
	next := w.compile(`
		use expiration
		caveat over(age int, limit int) { age > limit }
		definition user {}
		definition group { relation member: user | user:* with over | group#member with over }
		definition folder { relation viewer: user; permission view = viewer }
		definition doc {
			relation viewer: user | user with expiration | user with over and expiration
			relation folder: folder | folder with over
			permission banned = viewer
		}`)
	if got := w.graph.Removed(w.graph); got != nil {
		t.Error(got)
	}
	want := []store.EmptyShape{
		{Type: "group", Relation: "member", SubjectType: "user", Caveat: "over"},
		{Type: "group", Relation: "member", SubjectType: "group", SubjectRelation: "member"},
		{Type: "group", Relation: "member", SubjectType: "group", SubjectRelation: "member", Caveat: "inside"},
		{Type: "folder", Relation: "viewer", SubjectType: "user", Caveat: "inside"},
		{Type: "doc", Relation: "viewer", SubjectType: "user", Caveat: "over"},
		{Type: "doc", Relation: "viewer", SubjectType: "user", Caveat: "inside"},
		{Type: "doc", Relation: "viewer", SubjectType: "user", Caveat: "broken"},
		{Type: "doc", Relation: "viewer", SubjectType: "group", SubjectRelation: "member", AnyCaveat: true, AnyExpiring: true},
		{Type: "doc", Relation: "banned", SubjectType: "user", AnyCaveat: true, AnyExpiring: true},
	}
	if diff := cmp.Diff(want, w.graph.Removed(next)); diff != "" {
		t.Error(diff)
	}
}

func TestDepends_FollowsTheKindsOfSubject(t *testing.T) {
	w := newWorld(t, `
		caveat over(age int) { age > 18 }
		definition user {}
		definition robot {}
		definition group { relation member: user | group#member; relation unused: user }
		definition folder { relation viewer: user | group#member; permission view = viewer }
		definition doc {
			relation folder: folder
			relation runner: robot with over
			relation viewer: user | user:* | robot
			relation banned: user
			permission use = viewer + runner + folder->view - banned
			permission every = folder.all(view)
		}`, "")
	tests := []struct {
		question string
		want     []string
		caveats  bool
	}{
		{"doc:a#use@robot:r", []string{"doc#runner@robot", "doc#viewer@robot"}, true},
		{"doc:a#use@user:ann", []string{"doc#banned@user", "doc#folder@folder", "doc#viewer@user", "doc#viewer@user#*", "folder#viewer@group#member",
			"folder#viewer@user", "group#member@group#member", "group#member@user"}, false},
		{"doc:a#every@group:x#member", []string{"doc#folder@folder", "folder#viewer@group#member", "group#member@group#member"}, false},
		{"doc:a#banned@robot:r", nil, false},
		{"doc:a#viewer@robot:r,user:ann,robot:s", []string{"doc#viewer@robot", "doc#viewer@user", "doc#viewer@user#*"}, false},
		{"doc:a#banned@robot:r,user:ann,group:x,folder:f", []string{"doc#banned@user"}, false},
	}
	y := w.store.Symbols()
	for range 2 { // learned, then remembered
		for _, tc := range tests {
			r, err := w.graph.Resolve(w.view(), w.question(tc.question))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, id := range w.graph.Depends(&r) {
				s := y.Shape(id)
				text := y.Name(s.Type) + "#" + y.Name(s.Relation) + "@" + y.Name(s.SubjectType)
				if s.SubjectRelation != 0 {
					text += "#" + y.Name(s.SubjectRelation)
				}
				got = append(got, text)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" || w.graph.UsesContext(&r) != tc.caveats {
				t.Errorf("%s: uses context %v, %s", tc.question, w.graph.UsesContext(&r), diff)
			}
		}
	}
}
