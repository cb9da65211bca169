package graph

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// benchSchema has 4 levels of inheritance and nested groups.
const benchSchema = `
definition user {}
definition group { relation member: user | group#member }
definition organization { relation admin: user | group#member; relation viewer: user | group#member
	permission administrate = admin
	permission view = viewer + administrate }
definition cloud { relation organization: organization; relation admin: user | group#member; relation viewer: user | group#member
	permission administrate = admin + organization->administrate
	permission view = viewer + administrate + organization->view }
definition folder { relation cloud: cloud; relation admin: user | group#member; relation viewer: user | group#member
	permission administrate = admin + cloud->administrate
	permission view = viewer + administrate + cloud->view }
definition instance { relation folder: folder; relation viewer: user | group#member; relation banned: user | group#member
	permission view = viewer + folder->view
	permission see = view - banned }`

func benchWorld(t testing.TB) *world {
	var b strings.Builder
	b.WriteString(`
		organization:o#viewer@group:g0#member
		cloud:c#organization@organization:o
		folder:f#cloud@cloud:c
		instance:i#folder@folder:f
		instance:i#viewer@user:direct
		instance:i#viewer@group:wide#member
		instance:i#banned@user:banned
		group:g4#member@user:deep
	`)
	for i := range 4 {
		fmt.Fprintf(&b, "group:g%d#member@group:g%d#member\n", i, i+1)
	}
	for i := range 10_000 {
		fmt.Fprintf(&b, "group:wide#member@user:w%d\n", i)
	}
	w := newWorld(t, benchSchema, b.String())
	w.graph.SetOrder(Measured)
	return w
}

// hot are the questions of the hot path.
var hot = []struct{ name, question, want string }{
	{"Direct", "instance:i#viewer@user:direct", "allowed"},
	{"Inherited4Groups5", "instance:i#view@user:deep", "allowed"},
	{"Wide10000", "instance:i#viewer@user:w7777", "allowed"},
	{"Exclusion", "instance:i#see@user:direct", "allowed"},
	{"Excluded", "instance:i#see@user:banned", "denied"},
	{"Denied", "instance:i#view@user:nobody", "denied"},
	{"DeniedKnown", "instance:i#view@user:banned", "denied"},
}

func BenchmarkCheckResolved(b *testing.B) {
	w := benchWorld(b)
	ctx, v := context.Background(), w.view()
	for _, h := range hot {
		b.Run(h.name, func(b *testing.B) {
			q := w.question(h.question)
			r, err := w.graph.Resolve(v, q)
			if got := outcome(w.ask(q)); err != nil || got != h.want {
				b.Fatal(got, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.graph.CheckResolved(ctx, v, &r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	w := benchWorld(b)
	ctx, v := context.Background(), w.view()
	for _, h := range hot[:2] {
		b.Run(h.name, func(b *testing.B) {
			q := w.question(h.question)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.graph.Check(ctx, v, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCaveat asks through one tuple with a caveat.
func BenchmarkCaveat(b *testing.B) {
	w := newWorld(b, conditionalSchema, `doc:a#viewer@user:ann[over:{"limit":18}]`)
	ctx, v := context.Background(), w.view()
	q := w.question(`doc:a#viewer@user:ann {"age":20}`)
	b.ReportAllocs()
	for b.Loop() {
		if a, err := w.graph.Check(ctx, v, q); err != nil || a.Decision != Allowed {
			b.Fatal(a, err)
		}
	}
}

// A caller, what it is besides, and what no tuple names.
func TestCheck_SetsOfSubjectsAllocateNothing(t *testing.T) {
	w := newWorld(t, `
		definition user {}
		definition system {}
		definition group { relation member: user }
		definition doc { relation viewer: user | group#member | system
			permission view = viewer }`, `
		doc:a#viewer@system:all
		doc:b#viewer@group:g#member
		group:g#member@user:ann`)
	ctx, v := context.Background(), w.view()
	for doc, want := range map[string]Decision{"a": Allowed, "b": Allowed} {
		q := w.question("doc:" + doc + "#view@user:ann")
		for _, id := range []string{"all", "new", "newer", "newest", "none"} {
			q.Subjects = append(q.Subjects, tuple.Subject{Type: "system", ID: id})
		}
		n := testing.AllocsPerRun(1000, func() {
			if a, err := w.graph.Check(ctx, v, q); err != nil || a.Decision != want {
				t.Fatal(a, err)
			}
		})
		if n != 0 && !racing {
			t.Errorf("doc:%s: %v allocations", doc, n)
		}
	}
}

func TestCheck_DefiniteAnswersAllocateNothing(t *testing.T) {
	w := benchWorld(t)
	ctx, v := context.Background(), w.view()
	for _, h := range hot {
		q := w.question(h.question)
		n := testing.AllocsPerRun(1000, func() {
			if got := outcome(w.graph.Check(ctx, v, q)); got != h.want {
				t.Fatalf("%s: %s", h.question, got)
			}
		})
		if n != 0 && !racing {
			t.Errorf("%s: %v allocations", h.question, n)
		}
	}
}
