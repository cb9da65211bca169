package graph

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listing asks for a list in the form of a question whose object or subject has
// the id "?": it lists those. It returns "id", "id?missing", "!id" for an
// exception and "id: error".
func (w *world) listing(text string) ([]string, ListCost, error) {
	w.t.Helper()
	var out []string
	yield := func(l Listed) bool {
		switch {
		case l.Err != nil:
			out = append(out, l.ID+": "+l.Err.Error())
		case l.Decision == Conditional:
			out = append(out, l.ID+"?"+strings.Join(l.Missing, ","))
		case l.Decision == Denied:
			out = append(out, "!"+l.ID)
		default:
			out = append(out, l.ID)
		}
		return true
	}
	q := w.question(text)
	if q.Object.ID == "?" {
		cost, err := w.graph.ListObjects(context.Background(), w.view(), &ObjectsQuestion{Type: q.Object.Type, Permission: q.Permission,
			Subjects: q.Subjects, Context: q.Context, Contextual: q.Contextual, Now: q.Now, Limits: q.Limits}, yield)
		return out, cost, err
	}
	cost, err := w.graph.ListSubjects(context.Background(), w.view(), &SubjectsQuestion{Object: q.Object, Permission: q.Permission,
		Type: q.Subjects[0].Type, Relation: q.Subjects[0].Relation, Context: q.Context, Contextual: q.Contextual, Now: q.Now, Limits: q.Limits}, yield)
	return out, cost, err
}

// expectLists asks for the lists of a table, "question = id id ...", one a line.
func (w *world) expectLists(table string) {
	w.t.Helper()
	for _, line := range lines(table) {
		text, want, _ := strings.Cut(line, " =")
		got, _, err := w.listing(text)
		if diff := cmp.Diff(strings.Fields(want), strings.Fields(strings.Join(got, " "))); err != nil || diff != "" {
			w.t.Errorf("%s: %v (-want +got)\n%s", text, err, diff)
		}
	}
}

func TestList_Rules(t *testing.T) {
	tests := []struct{ name, tuples, want string }{
		{"the newest tuple comes first", `
			doc:a#viewer@user:ann
			doc:b#viewer@user:ann
			doc:a#viewer@user:bob`, `
			doc:?#viewer@user:ann = b a
			doc:?#view@user:ann = b a
			doc:?#approved@user:ann =
			doc:a#view@user:? = bob ann
			doc:z#view@user:? =`},
		{"each comes once", `
			doc:a#viewer@user:ann
			doc:a#folder@folder:f
			folder:f#viewer@user:ann
			folder:f#viewer@group:x#member
			group:x#member@user:ann`, `
			doc:?#view@user:ann = a
			doc:a#view@user:? = ann`},
		{"arrows and usersets", `
			doc:a#folder@folder:f
			folder:f#parent@folder:g
			folder:g#viewer@group:x#member
			group:x#member@group:y#member
			group:y#member@user:ann
			group:y#member@robot:r`, `
			folder:?#view@user:ann = g f
			doc:?#view@user:ann = a
			doc:?#view@robot:r = a
			doc:a#view@user:? = ann
			doc:a#view@group:?#member = x y
			doc:a#view@folder:?#view = f g
			doc:a#view@folder:?#viewer = f g
			doc:a#view@doc:?#viewer = a
			group:?#member@group:y#member = y x`},
		{"a userset nobody has heard of is a member of itself", ``, `
			group:?#member@group:new#member = new
			group:new#member@group:?#member = new`},
		{"intersections and exclusions", `
			doc:a#viewer@user:ann
			doc:b#viewer@user:ann
			doc:a#approved@user:ann
			doc:b#banned@user:ann
			doc:a#viewer@user:bob`, `
			doc:?#read@user:ann = a
			doc:?#see@user:ann = a
			doc:a#read@user:? = ann
			doc:a#see@user:? = bob ann
			doc:b#see@user:? =`},
		{"the set of subjects asks as one", `
			doc:a#viewer@user:ann
			doc:a#approved@group:x#member
			doc:b#viewer@user:ann
			doc:b#banned@group:x#member`, `
			doc:?#read@user:ann =
			doc:?#read@user:ann,group:x#member = a
			doc:?#see@user:ann,group:x#member = a`},
		{"a wildcard stands for everyone else", `
			folder:f#viewer@user:*
			folder:f#owner@user:ann
			doc:a#folder@folder:f
			doc:a#viewer@user:bob
			doc:a#banned@user:cid`, `
			folder:?#view@user:nobody = f
			doc:?#view@user:nobody = a
			doc:?#view@robot:r =
			folder:f#view@user:? = ann *
			doc:a#view@user:? = bob ann *
			doc:a#see@user:? = * bob ann !cid`},
		{"a wildcard that takes away", `
			doc:a#viewer@user:ann
			doc:a#banned@user:*`, `
			doc:?#see@user:ann =
			doc:a#see@user:? =`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { newWorld(t, basic, tc.tuples).expectLists(tc.want) })
	}
}

func TestList_WildcardUnderTwoExclusions(t *testing.T) {
	newWorld(t, `
		definition user {}
		definition doc {
			relation viewer: user:*
			relation blocked: user | user:*
			relation exempt: user
			permission view = viewer - (blocked - exempt)
		}`, `
		doc:a#viewer@user:*
		doc:a#blocked@user:*
		doc:a#exempt@user:ann
		doc:b#exempt@user:ann
		doc:c#viewer@user:*
		doc:c#blocked@user:ann
		doc:c#blocked@user:bob
		doc:c#exempt@user:ann`).expectLists(`
		doc:a#view@user:? = ann
		doc:b#view@user:? =
		doc:c#view@user:? = * !bob
		doc:?#view@user:ann = c a
		doc:?#view@user:bob =`)
}

func TestList_SelfIsListed(t *testing.T) {
	newWorld(t, `
		use self
		definition user { relation friend: user; permission view = self + friend }`, `
		user:ann#friend@user:bob`).expectLists(`
		user:?#view@user:bob = bob ann
		user:?#view@user:new = new
		user:ann#view@user:? = ann bob
		user:new#view@user:? = new`)
}

const traitSchema = `
use expiration
caveat over(age int, limit int) { age >= limit }
caveat fine(a int) { 1 / a > 0 }
definition user {}
definition group { relation member: user | user with over | user with expiration }
definition doc {
	relation viewer: user | user with over | user with fine | user:* with over | group#member with over
	relation banned: user | user with over
	permission view = viewer
	permission see = viewer - banned
}`

func TestList_CaveatsAreToldAsCheckTellsThem(t *testing.T) {
	newWorld(t, traitSchema, `
		doc:a#viewer@user:ann[over:{"limit":18}]
		doc:b#viewer@group:x#member[over]
		group:x#member@user:ann
		doc:c#viewer@user:ann[fine:{"a":0}]
		doc:d#viewer@user:ann
		doc:d#banned@user:ann[over:{"limit":5}]
		doc:e#viewer@user:*[over:{"limit":7}]
		doc:e#viewer@user:bob`).expectLists(`
		doc:?#view@user:ann = d c: caveat fine of doc:c#viewer@user:ann: division by zero a?age e?age b?age,limit
		doc:?#view@user:ann {"age":6,"limit":20} = d c: caveat fine of doc:c#viewer@user:ann: division by zero
		doc:?#see@user:ann {"age":19,"limit":19} = c: caveat fine of doc:c#viewer@user:ann: division by zero a e b
		doc:?#see@user:ann = d?age c: caveat fine of doc:c#viewer@user:ann: division by zero a?age e?age b?age,limit
		doc:e#view@user:? = bob *?age
		doc:e#view@user:? {"age":3} = bob
		doc:b#view@user:? = ann?age,limit
		doc:c#view@user:? = ann: caveat fine of doc:c#viewer@user:ann: division by zero`)
}

func TestList_ErrorsNameTheirOwnTuple(t *testing.T) {
	w := newWorld(t, traitSchema, `
		doc:a#viewer@user:ann[fine:{"a":0}]
		doc:b#viewer@user:ann[fine:{"a":0}]
		doc:b#viewer@user:bob[fine:{"a":0}]`)
	for _, text := range []string{"doc:?#see@user:ann", "doc:b#see@user:?"} {
		got, _, err := w.listing(text)
		if err != nil || len(got) != 2 {
			t.Fatal(got, err)
		}
		for _, line := range got {
			id, _, _ := strings.Cut(line, ":")
			if !strings.Contains(line, "doc:"+id+"#viewer@user:ann") && !strings.Contains(line, "doc:b#viewer@user:"+id) {
				t.Errorf("%s: %s", text, line)
			}
		}
	}
}

func TestList_ContextualTuplesReplaceStoredOnes(t *testing.T) {
	w := newWorld(t, traitSchema, `
		doc:a#viewer@user:ann
		doc:b#viewer@user:ann`)
	given := parseTuples(t, `
		doc:a#viewer@user:ann[over]
		doc:new#viewer@user:ann
		doc:new#viewer@user:only
		doc:new#viewer@user:*[over]`)
	for text, want := range map[string][]string{
		"doc:?#view@user:ann":    {"new", "b", "a?age,limit"},
		"doc:?#view@user:nobody": {"new?age,limit"},
		"doc:new#view@user:?":    {"ann", "only", "*?age,limit"},
	} {
		q := w.question(text)
		var got []string
		yield := func(l Listed) bool {
			got = append(got, strings.TrimSuffix(l.ID+"?"+strings.Join(l.Missing, ","), "?"))
			return true
		}
		var err error
		if q.Object.ID == "?" {
			_, err = w.graph.ListObjects(context.Background(), w.view(), &ObjectsQuestion{Type: "doc", Permission: "view",
				Subjects: q.Subjects, Contextual: given, Now: noon}, yield)
		} else {
			_, err = w.graph.ListSubjects(context.Background(), w.view(), &SubjectsQuestion{Object: q.Object, Permission: "view",
				Type: "user", Contextual: given, Now: noon}, yield)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", text, err, diff)
		}
	}
}

func TestList_ExpiredTuplesAreGone(t *testing.T) {
	w := newWorld(t, traitSchema, `
		group:x#member@user:ann[expiration:2030-01-01T11:00:00Z]
		group:y#member@user:ann[expiration:2030-01-01T13:00:00Z]`)
	w.expectLists(`
		group:?#member@user:ann = y
		group:x#member@user:? =
		group:y#member@user:? = ann`)
}

func TestList_UnknownNamesAreErrors(t *testing.T) {
	w := newWorld(t, basic, "")
	for text, want := range map[string]string{
		"dok:?#view@user:ann":      `object.type "dok" is not in the schema (did you mean "doc"?)`,
		"doc:?#vieww@user:ann":     `permission "vieww" is not in the schema (did you mean "view"?)`,
		"doc:?#view@usr:ann":       `subject.type "usr" is not in the schema (did you mean "user"?)`,
		"doc:?#view@user:*":        `subject.id "*": a question is about one subject, not about a wildcard`,
		"doc:a#vieww@user:?":       `permission "vieww" is not in the schema (did you mean "view"?)`,
		"doc:a#view@usr:?":         `subject.type "usr" is not in the schema (did you mean "user"?)`,
		"doc:a#view@group:?#membr": `subject.relation "membr" is not in the schema (did you mean "member"?)`,
	} {
		if _, _, err := w.listing(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestList_FoldersAreDecidedOnce: the documents of a folder that excludes cost no
// decision each, and those of a folder that denies are not looked at.
func TestList_FoldersAreDecidedOnce(t *testing.T) {
	var tuples strings.Builder
	tuples.WriteString("folder:good#viewer@user:ann\nfolder:bad#viewer@user:ann\nfolder:bad#banned@user:ann\n")
	for i := range 1000 {
		fmt.Fprintf(&tuples, "doc:good%d#folder@folder:good\ndoc:bad%d#folder@folder:bad\n", i, i)
	}
	w := newWorld(t, listSchema, tuples.String())
	got, cost, err := w.listing("doc:?#seen@user:ann")
	if err != nil || len(got) != 1000 || cost.Reads > 1100 || cost.Steps > 1100 {
		t.Errorf("%d listed, %+v, %v", len(got), cost, err)
	}
}

// TestList_CirclesThroughTheContraryAreFound: what is undecided because of a
// subject is listed with the error, on whatever side the subject is named.
func TestList_CirclesThroughTheContraryAreFound(t *testing.T) {
	for _, tc := range []struct{ schema, tuples, lists string }{
		{`definition doc { relation parent: doc; relation blocked: user:*; relation exempt: user; relation direct: user
			permission p = (direct + parent.all(p)) - (blocked - exempt) }`, `
			doc:a#parent@doc:b
			doc:b#parent@doc:a
			doc:b#blocked@user:*
			doc:b#exempt@user:ann`, "doc:a#p@user:? ann"},
		{`definition doc { relation parent: doc; relation b: user
			permission p = (r + b) & parent.all(r)
			permission q = parent->p
			permission r = parent->q }`, `
			doc:d#b@user:ann
			doc:d#parent@doc:a
			doc:a#parent@doc:b
			doc:b#parent@doc:d`, "doc:?#p@user:ann d, doc:d#p@user:? ann"},
		{`definition doc { relation owner: user | doc#edit | doc; relation direct: user
			permission view = (direct + owner->view + view) & owner.all(edit)
			permission edit = view }`, `
			doc:d#owner@doc:a
			doc:d#direct@user:ann
			doc:a#owner@doc:b#edit
			doc:b#owner@doc:d`, "doc:d#edit@user:? ann"},
	} {
		w := newWorld(t, "definition user {}\n"+tc.schema, tc.tuples)
		for list := range strings.SplitSeq(tc.lists, ", ") {
			text, id, _ := strings.Cut(list, " ")
			got, _, err := w.listing(text)
			if is := saidOf(got, id); err != nil || !strings.HasPrefix(is, "error: a cycle") {
				t.Errorf("%s in %s: %s, %v", id, text, is, err)
			}
			if is := saidOf(got, "nobody"); is != "denied" {
				t.Errorf("nobody in %s: %s", text, is)
			}
		}
	}
}
