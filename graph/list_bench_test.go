package graph

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const listSchema = `
definition user {}
definition group { relation member: user | user:* | group#member }
definition folder {
	relation parent: folder
	relation viewer: user | user:* | group#member
	relation banned: user
	permission view = viewer + parent->view
	permission see = (viewer + parent->see) - banned
}
definition doc {
	relation folder: folder
	relation viewer: user | user:* | group#member
	relation approved: user
	relation banned: user
	permission view = viewer + folder->view
	permission see = view - banned
	permission read = view & approved
	permission seen = viewer + folder->see
}`

// many is what the lists of the benchmarks are long.
const many = 100_000

// sharedList is made once, by the first that needs it.
var sharedList struct {
	sync.Once
	world *world
}

// listWorld returns a world that must not be written to.
func listWorld(t testing.TB) *world {
	sharedList.Do(func() { sharedList.world = newListWorld(t) })
	w := *sharedList.world
	w.t = t
	return &w
}

// newListWorld holds many objects of every kind for one user, and many users for
// one object.
func newListWorld(t testing.TB) *world {
	var tuples []tuple.Tuple
	add := func(objectType, id, relation, subject string) {
		s, err := tuple.ParseSubject(subject)
		if err != nil {
			t.Fatal(err)
		}
		tuples = append(tuples, tuple.Tuple{Object: tuple.Object{Type: objectType, ID: id}, Relation: relation, Subject: s})
	}
	for i := range many {
		id := fmt.Sprintf("%06d", i)
		add("doc", "direct-"+id, "viewer", "user:direct")
		add("doc", "inherited-"+id, "folder", fmt.Sprintf("folder:f%d", i%1000))
		add("doc", "group-"+id, "viewer", "group:g0#member")
		add("doc", "wide", "viewer", "user:"+id)
		add("group", "wide", "member", "user:"+id)
		if i%10 == 0 {
			add("doc", "direct-"+id, "banned", "user:direct")
			add("folder", "public", "banned", "user:"+id)
		}
	}
	for i := range 1000 {
		add("folder", fmt.Sprintf("f%d", i), "parent", fmt.Sprintf("folder:p%d", i%10))
	}
	for i := range 10 {
		add("folder", fmt.Sprintf("p%d", i), "parent", "folder:top")
		add("group", fmt.Sprintf("g%d", i), "member", fmt.Sprintf("group:g%d#member", i+1))
	}
	add("folder", "top", "viewer", "user:inherited")
	add("folder", "p3", "banned", "user:inherited")
	add("group", "g10", "member", "user:deep")
	add("group", "g10", "member", "group:wide#member")
	add("folder", "public", "viewer", "user:*")
	w := newWorld(t, listSchema, "")
	w.writeTuples(tuples, store.OpTouch)
	return w
}

// longLists are the lists of the benchmarks with how long they are.
var longLists = []struct {
	name, object, permission, subject string // object "type:" lists objects, subject "user:" subjects
	want                              int
}{
	{"ObjectsDirect", "doc:", "viewer", "user:direct", many},
	{"ObjectsView", "doc:", "view", "user:direct", many},
	{"ObjectsInherited", "doc:", "view", "user:inherited", many},
	{"ObjectsGroups10", "doc:", "view", "user:deep", many},
	{"ObjectsExclusion", "doc:", "see", "user:direct", many * 9 / 10},
	{"ObjectsInheritedExclusion", "doc:", "see", "user:inherited", many},
	{"ObjectsExcludedFolder", "doc:", "seen", "user:inherited", many * 9 / 10},
	{"ObjectsNone", "doc:", "view", "user:nobody", 0},
	{"SubjectsDirect", "doc:wide", "viewer", "user:", many},
	{"SubjectsGroups12", "doc:group-000000", "view", "user:", many + 1},
	{"SubjectsExclusion", "doc:wide", "see", "user:", many},
	{"SubjectsExceptions", "folder:public", "see", "user:", many/10 + 1},
}

// runLong lists one of longLists.
func (w *world) runLong(i int, noIDs bool, yield func(Listed) bool) error {
	l := longLists[i]
	tp, err := tuple.ParseTuple(l.object + "x#" + l.permission + "@" + l.subject + "x")
	if err != nil {
		return err
	}
	subject := tuple.Subject{Type: "user", ID: tp.Subject.ID[:len(tp.Subject.ID)-1]}
	if subject.ID == "" {
		o := tuple.Object{Type: tp.Object.Type, ID: tp.Object.ID[:len(tp.Object.ID)-1]}
		_, err = w.graph.ListSubjects(context.Background(), w.view(), &SubjectsQuestion{
			Object: o, Permission: l.permission, Type: "user", Now: w.now, NoIDs: noIDs}, yield)
		return err
	}
	_, err = w.graph.ListObjects(context.Background(), w.view(), &ObjectsQuestion{
		Type: "doc", Permission: l.permission, Subjects: []tuple.Subject{subject}, Now: w.now, NoIDs: noIDs}, yield)
	return err
}

func BenchmarkList(b *testing.B) { benchmarkLong(b, false) }

// BenchmarkListCount lists without ids.
func BenchmarkListCount(b *testing.B) { benchmarkLong(b, true) }

func benchmarkLong(b *testing.B, noIDs bool) {
	w := listWorld(b)
	for i, l := range longLists {
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				if err := w.runLong(i, noIDs, func(Listed) bool { n++; return true }); err != nil || n != l.want {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(max(1, l.want)*b.N)/b.Elapsed().Seconds()/1e6, "M/s")
		})
	}
}

// BenchmarkListFirst measures how long the first result takes.
func BenchmarkListFirst(b *testing.B) {
	w := listWorld(b)
	for i, l := range longLists {
		if l.want == 0 {
			continue
		}
		b.Run(l.name, func(b *testing.B) {
			for b.Loop() {
				if err := w.runLong(i, false, func(Listed) bool { return false }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
