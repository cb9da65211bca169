package graph

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
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
			relation blocked: user:*
			relation exempt: user
			permission view = viewer - (blocked - exempt)
		}`, `
		doc:a#viewer@user:*
		doc:a#blocked@user:*
		doc:a#exempt@user:ann
		doc:b#exempt@user:ann`).expectLists(`
		doc:a#view@user:? = ann
		doc:b#view@user:? =
		doc:?#view@user:ann = a
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

// TestList_DepthIsThatOfCheck: whatever the way to an object looks like, it is
// listed as allowed as far as Check says so, and with the error from there on.
func TestList_DepthIsThatOfCheck(t *testing.T) {
	var tuples strings.Builder
	tuples.WriteString("folder:0#viewer@user:ann\nfolder:0#viewer@group:x#member\ngroup:x#member@user:bob\n")
	for i := range 120 {
		fmt.Fprintf(&tuples, "folder:%d#parent@folder:%d\n", i+1, i)
	}
	w := newWorld(t, strings.Replace(listSchema, "definition doc", `definition chain {
		relation parent: folder
		permission view = parent->view
		permission see = parent->see
		permission once = parent->see & parent->view
	}
	definition doc`, 1), tuples.String()+"chain:c#parent@folder:48\nchain:d#parent@folder:50")
	for _, text := range []string{"folder:?#view@user:", "folder:?#see@user:", "chain:?#view@user:", "chain:?#see@user:", "chain:?#once@user:"} {
		for _, id := range []string{"ann", "bob"} {
			got, _, err := w.listing(text + id)
			if err != nil {
				t.Fatal(err)
			}
			w.expectAsCheck(text+id, got)
		}
	}
	for _, object := range []string{"folder:47", "folder:48", "folder:49", "folder:50", "folder:51", "folder:100", "chain:c", "chain:d"} {
		got, _, err := w.listing(object + "#see@user:?")
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"ann", "bob", "nobody"} {
			want := outcome(w.ask(w.question(object + "#see@user:" + id)))
			if is := saidOf(got, id); is != want {
				t.Errorf("%s of %s: %s, Check says %s", id, object, is, want)
			}
		}
	}
}

// saidOf returns the outcome that a listing tells of an id.
func saidOf(listing []string, id string) string {
	for _, name := range []string{id, "*"} {
		for _, line := range listing {
			if line == name {
				return "allowed"
			}
			if message, ok := strings.CutPrefix(line, name+": "); ok {
				return "error: " + message
			}
		}
	}
	return "denied"
}

// expectAsCheck compares a listing of objects 0 to 120, c and d with Check.
func (w *world) expectAsCheck(text string, listing []string) {
	w.t.Helper()
	ids := []string{"c", "d"}
	for i := range 121 {
		ids = append(ids, fmt.Sprint(i))
	}
	for _, id := range ids {
		want := outcome(w.ask(w.question(strings.Replace(text, "?", id, 1))))
		if is := saidOf(listing, id); is != want {
			w.t.Errorf("%s of %s: %s, Check says %s", id, text, is, want)
		}
	}
}

func TestList_EndsWhenItsContextDoes(t *testing.T) {
	var tuples strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&tuples, "doc:%d#viewer@user:ann\ndoc:a#viewer@user:u%d\n", i, i)
	}
	w := newWorld(t, basic, tuples.String())
	for _, permission := range []string{"view", "see"} {
		for _, after := range []int{0, 1, 500} {
			ctx, cancel := context.WithCancel(context.Background())
			n := 0
			yield := func(Listed) bool {
				if n++; n == after {
					cancel()
				}
				return true
			}
			if after == 0 {
				cancel()
			}
			_, err := w.graph.ListObjects(ctx, w.view(), &ObjectsQuestion{Type: "doc", Permission: permission,
				Subjects: []tuple.Subject{{Type: "user", ID: "ann"}}, Now: noon}, yield)
			if !errors.Is(err, context.Canceled) || n > after+2*checkEvery {
				t.Errorf("objects by %s, cancelled after %d: %d more, %v", permission, after, n-after, err)
			}
			if after > 0 {
				ctx, cancel = context.WithCancel(context.Background())
			}
			n = 0
			_, err = w.graph.ListSubjects(ctx, w.view(), &SubjectsQuestion{Object: tuple.Object{Type: "doc", ID: "a"},
				Permission: permission, Type: "user", Now: noon}, yield)
			if !errors.Is(err, context.Canceled) || n > after+2*checkEvery {
				t.Errorf("subjects by %s, cancelled after %d: %d more, %v", permission, after, n-after, err)
			}
			cancel()
		}
	}
}

func TestList_StopsWhenTheCallerHasEnough(t *testing.T) {
	w := listWorld(t)
	for i, l := range longLists {
		n := 0
		if err := w.runLong(i, func(Listed) bool { n++; return n < 10 }); err != nil || n != min(10, l.want) {
			t.Errorf("%s: %d, %v", l.name, n, err)
		}
	}
}

// TestList_ManyResults lists more than any number of 16 bits, each id once, at
// no allocation each.
func TestList_ManyResults(t *testing.T) {
	w := listWorld(t)
	for i, l := range longLists {
		seen := make(map[string]bool, l.want)
		var last uint64
		err := w.runLong(i, func(r Listed) bool {
			if seen[r.ID] || r.Position <= last || r.Err != nil || r.Missing != nil {
				t.Fatalf("%s: %+v", l.name, r)
			}
			seen[r.ID], last = true, r.Position
			return true
		})
		if err != nil || len(seen) != l.want {
			t.Errorf("%s: %d, %v", l.name, len(seen), err)
		}
		allocs := testing.AllocsPerRun(1, func() { _ = w.runLong(i, func(Listed) bool { return true }) })
		if !racing && allocs > 400 {
			t.Errorf("%s: %v allocations", l.name, allocs)
		}
	}
}

// TestList_PagesOfManyResults continues a long list in the middle.
func TestList_PagesOfManyResults(t *testing.T) {
	w := listWorld(t)
	for _, permission := range []string{"viewer", "see"} {
		whole, pages := w.direct(permission, 0, many), []string(nil)
		for skip := uint64(0); ; {
			page := w.direct(permission, skip, 33_333)
			for _, l := range page {
				pages, skip = append(pages, l.ID), l.Position
			}
			if len(page) < 33_333 {
				break
			}
		}
		if len(pages) != len(whole) || !slices.EqualFunc(whole, pages, func(l Listed, id string) bool { return l.ID == id }) {
			t.Errorf("%s: %d in pages, %d in all", permission, len(pages), len(whole))
		}
	}
}

// direct lists some documents of user:direct.
func (w *world) direct(permission string, skip uint64, most int) []Listed {
	w.t.Helper()
	var out []Listed
	_, err := w.graph.ListObjects(context.Background(), w.view(), &ObjectsQuestion{Type: "doc", Permission: permission,
		Subjects: []tuple.Subject{{Type: "user", ID: "direct"}}, Now: noon, Skip: skip},
		func(l Listed) bool { out = append(out, l); return len(out) < most })
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}
