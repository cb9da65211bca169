package graph

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// chains has two ways from objects to objects without end: one that is decided
// on each, and one over unions alone.
const chains = `
definition user {}
definition group { relation member: user | group#member }
definition folder {
	relation parent: folder
	relation viewer: user | group#member
	relation banned: user
	permission view = viewer + parent->view
	permission see = (viewer + parent->see) - banned
}
definition chain {
	relation parent: folder | chain
	permission view = parent->view
	permission see = parent->see
	permission once = parent->see & parent->view
}`

// TestList_DepthIsThatOfCheck: whatever the way to an object looks like, it is
// listed as allowed as far as Check says so, and with the error from there on.
func TestList_DepthIsThatOfCheck(t *testing.T) {
	var tuples strings.Builder
	tuples.WriteString("folder:0#viewer@user:ann\nfolder:0#viewer@group:x#member\ngroup:x#member@user:bob\nchain:0#parent@folder:20\n")
	for i := range 120 {
		fmt.Fprintf(&tuples, "folder:%d#parent@folder:%d\nchain:%d#parent@chain:%d\n", i+1, i, i+1, i)
	}
	w := newWorld(t, chains, tuples.String())
	for _, text := range []string{"folder:?#view@user:", "folder:?#see@user:", "chain:?#view@user:", "chain:?#see@user:", "chain:?#once@user:"} {
		for _, id := range []string{"ann", "bob"} {
			got, _, err := w.listing(text + id)
			if err != nil {
				t.Fatal(err)
			}
			w.expectAsCheck(text+id, got)
		}
	}
	for _, object := range []string{"folder:47#", "folder:49#", "folder:50#", "folder:51#", "folder:100#", "chain:28#", "chain:29#", "chain:30#"} {
		for _, permission := range []string{"view", "see"} {
			got, _, err := w.listing(object + permission + "@user:?")
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"ann", "bob", "nobody"} {
				want := outcome(w.ask(w.question(object + permission + "@user:" + id)))
				if is := saidOf(got, id); is != want {
					t.Errorf("%s of %s%s: %s, Check says %s", id, object, permission, is, want)
				}
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

// expectAsCheck compares a listing of objects 0 to 120 with Check.
func (w *world) expectAsCheck(text string, listing []string) {
	w.t.Helper()
	for i := range 121 {
		id := fmt.Sprint(i)
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

// lookedAt is a context that ends when it has been looked at so many times.
type lookedAt struct {
	context.Context
	left *int
}

func (c lookedAt) Err() error {
	if *c.left--; *c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestList_EndsInTheMiddleOfADecision: the end of the list is never told as the
// failure of one result.
func TestList_EndsInTheMiddleOfADecision(t *testing.T) {
	w := newWorld(t, traitSchema, `
		doc:a#viewer@user:ann[over:{"limit":18}]
		doc:b#viewer@user:ann
		doc:a#banned@user:bob
		doc:a#viewer@user:bob
		doc:b#banned@user:ann[over:{"limit":18}]
		doc:a#viewer@user:*[over:{"limit":1}]`)
	q := w.question(`doc:a#see@user:ann {"age":5}`)
	for left := range 40 {
		yield := func(l Listed) bool {
			if l.Err != nil {
				t.Errorf("%d looks: %+v", left, l)
			}
			return true
		}
		n := left
		_, err := w.graph.ListObjects(lookedAt{context.Background(), &n}, w.view(), &ObjectsQuestion{Type: "doc",
			Permission: "see", Subjects: q.Subjects, Context: q.Context, Now: noon}, yield)
		if (err == nil) != (n >= 0) || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("objects, %d looks: %v", left, err)
		}
		n = left
		_, err = w.graph.ListSubjects(lookedAt{context.Background(), &n}, w.view(), &SubjectsQuestion{Object: q.Object,
			Permission: "see", Type: "user", Context: q.Context, Now: noon}, yield)
		if (err == nil) != (n >= 0) || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("subjects, %d looks: %v", left, err)
		}
	}
}

// TestList_DecisionsCountAgainstTheList: what is read to decide results is read
// for the list.
func TestList_DecisionsCountAgainstTheList(t *testing.T) {
	var tuples strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&tuples, "doc:d%d#viewer@user:ann\ndoc:a#viewer@user:u%d\n", i, i)
	}
	w := newWorld(t, basic, tuples.String()+"doc:a#banned@user:u1\ndoc:d1#banned@user:ann")
	for _, text := range []string{"doc:?#see@user:ann", "doc:a#see@user:?"} {
		_, cost, err := w.listing(text)
		if err != nil || cost.Reads < 2000 || cost.Steps < 1000 {
			t.Errorf("%s: %+v, %v", text, cost, err)
		}
		q := w.question(text)
		limits, yield := Limits{List: cost.Reads - 500}, func(Listed) bool { return true }
		if q.Object.ID == "?" {
			_, err = w.graph.ListObjects(context.Background(), w.view(), &ObjectsQuestion{Type: "doc", Permission: "see",
				Subjects: q.Subjects, Now: noon, Limits: limits}, yield)
		} else {
			_, err = w.graph.ListSubjects(context.Background(), w.view(), &SubjectsQuestion{Object: q.Object, Permission: "see",
				Type: "user", Now: noon, Limits: limits}, yield)
		}
		if limit := (*LimitError)(nil); !errors.As(err, &limit) || limit.Max != limits.List {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestList_StopsWhenTheCallerHasEnough(t *testing.T) {
	sequential(t)
	w := listWorld(t)
	for i, l := range longLists {
		n := 0
		if err := w.runLong(i, false, func(Listed) bool { n++; return n < 10 }); err != nil || n != min(10, l.want) {
			t.Errorf("%s: %d, %v", l.name, n, err)
		}
	}
}

// TestList_ManyResults lists more than any number of 16 bits, each id once, at
// no allocation each.
func TestList_ManyResults(t *testing.T) {
	sequential(t)
	w := listWorld(t)
	for i, l := range longLists {
		seen := make(map[string]bool, l.want)
		var last uint64
		err := w.runLong(i, false, func(r Listed) bool {
			if seen[r.ID] || r.Position <= last || r.Err != nil || r.Missing != nil {
				t.Fatalf("%s: %+v", l.name, r)
			}
			seen[r.ID], last = true, r.Position
			return true
		})
		if err != nil || len(seen) != l.want {
			t.Errorf("%s: %d, %v", l.name, len(seen), err)
		}
		allocs := testing.AllocsPerRun(1, func() { _ = w.runLong(i, false, func(Listed) bool { return true }) })
		if !racing && allocs > 400 {
			t.Errorf("%s: %v allocations", l.name, allocs)
		}
	}
}

// TestList_PagesOfManyResults continues a long list in the middle.
func TestList_PagesOfManyResults(t *testing.T) {
	sequential(t)
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

func TestList_SeveralAtATime(t *testing.T) {
	w := newWorld(t, basic, `
		doc:a#viewer@user:ann
		doc:a#folder@folder:f
		folder:f#viewer@group:x#member
		group:x#member@user:bob
		doc:a#approved@user:ann`)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				w.expectLists(`
					doc:?#view@user:ann = a
					doc:?#read@user:ann = a
					doc:?#view@user:bob = a
					folder:?#view@user:bob = f
					doc:a#view@user:? = ann bob
					doc:a#read@user:? = ann`)
			}
		})
	}
	all.Wait()
}
