package bench

import (
	"iter"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// memory loads tuples into a store of this process.
func memory(t testing.TB, source string, tuples iter.Seq[tuple.Tuple]) (*graph.Graph, store.View) {
	t.Helper()
	schema, err := graph.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(store.Options{})
	g, err := graph.Compile(schema, s.Symbols())
	if err != nil {
		t.Fatal(err)
	}
	commands := []store.Command{{Kind: store.KindInit, Tenant: "default", ClusterID: "a"}}
	var updates []store.Update
	flush := func() {
		commands = append(commands, store.Command{Kind: store.KindWrite, Tenant: "default", Updates: updates})
		updates = nil
	}
	for tup := range tuples {
		if err := g.CheckTuple(tup); err != nil {
			t.Fatal(err)
		}
		if updates = append(updates, store.Update{Op: store.OpCreate, Tuple: tup}); len(updates) == 1000 {
			flush()
		}
	}
	flush()
	for i, c := range commands {
		entry := store.Entry{Commands: []store.Command{c}}
		if err := s.Apply(uint64(i)+1, entry.Append(nil))[0].Err(); err != nil {
			t.Fatal(err)
		}
	}
	view, err := s.View("default", 0)
	if err != nil {
		t.Fatal(err)
	}
	return g, view
}

func cloudSchema(t testing.TB) string {
	t.Helper()
	source, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestPopulation_AllowsASensibleShareOfItsQuestions(t *testing.T) {
	p := population(t, 100_000, 1)
	g, view := memory(t, cloudSchema(t), p.Tuples())
	questions := p.Questions(1, 0).Source()
	type count struct{ asked, allowed, steps, reads int }
	var all count
	byPermission := make(map[string]count)
	for range 20_000 {
		q := questions.Next()
		answer, err := g.Check(t.Context(), view, &graph.Question{
			Object: q.Object, Permission: q.Permission, Subjects: []tuple.Subject{q.Subject}, Now: time.Now().UnixNano(),
		})
		if err != nil {
			t.Fatalf("%s %s %s: %v", q.Object, q.Permission, q.Subject, err)
		}
		name := q.Object.Type + " " + q.Permission
		c := byPermission[name]
		c.asked, all.asked = c.asked+1, all.asked+1
		if answer.Decision == graph.Allowed {
			c.allowed, all.allowed = c.allowed+1, all.allowed+1
		}
		all.steps, all.reads = all.steps+answer.Steps, all.reads+answer.Reads
		byPermission[name] = c
	}
	for name, c := range byPermission {
		t.Logf("%-35s %5d asked, %2d %% allowed", name, c.asked, 100*c.allowed/c.asked)
	}
	t.Logf("all: %d %% allowed, %d steps and %d reads on average",
		100*all.allowed/all.asked, all.steps/all.asked, all.reads/all.asked)
	if share := float64(all.allowed) / float64(all.asked); share < 0.15 || share > 0.5 {
		t.Errorf("%.0f %% of the questions are allowed", 100*share)
	}
}

func BenchmarkWalk(b *testing.B) {
	p := population(b, 100_000, 1)
	g, view := memory(b, cloudSchema(b), p.Tuples())
	questions := p.Questions(1, 0).Source()
	now := time.Now().UnixNano()
	b.ReportAllocs()
	for b.Loop() {
		q := questions.Next()
		_, err := g.Check(b.Context(), view, &graph.Question{
			Object: q.Object, Permission: q.Permission, Subjects: []tuple.Subject{q.Subject}, Now: now,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
