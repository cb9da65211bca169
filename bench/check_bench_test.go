package bench

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// BenchmarkIAM asks random questions about the cloud example, uniform and by
// Zipf's law: from a question's strings to the decision, and the walk alone.
func BenchmarkIAM(b *testing.B) { benchmarkWorkload(b, Plan{Workload: IAM, Tuples: benchTuples(b)}) }

// BenchmarkWorkloads asks about the other workloads.
func BenchmarkWorkloads(b *testing.B) {
	for _, workload := range []string{Docs, Social, Nested} {
		b.Run(workload, func(b *testing.B) { benchmarkWorkload(b, Plan{Workload: workload, Tuples: benchTuples(b)}) })
	}
}

func benchmarkWorkload(b *testing.B, plan Plan) {
	w := worldOf(b, plan)
	b.Run("Uniform", func(b *testing.B) { w.benchmark(b, asked(w.draw(ring, 0, nil))) })
	b.Run("Zipf", func(b *testing.B) { w.benchmark(b, asked(w.draw(ring, 1.1, nil))) })
}

// benchmark measures questions from strings and with ids resolved.
func (w *world) benchmark(b *testing.B, questions []graph.Question) {
	ctx, view := b.Context(), w.view(b)
	allowed, n := 0, len(questions)
	count := func(a graph.Answer, err error) {
		if err != nil {
			b.Fatal(err)
		}
		if a.Decision == graph.Allowed {
			allowed++
		}
	}
	b.Run("Strings", func(b *testing.B) {
		allowed = 0
		timeEach(b, func(i int) { readQuestion(&questions[i%n]) }, func(i int) { count(w.graph.Check(ctx, view, &questions[i%n])) })
		b.ReportMetric(100*float64(allowed)/float64(b.N+100_000), "allowed-%")
	})
	b.Run("Walk", func(b *testing.B) {
		resolved := w.resolve(b, view, questions)
		var r graph.Resolved
		timeEach(b, func(i int) { r = resolved[i%n] }, func(int) { count(w.graph.CheckResolved(ctx, view, &r)) })
	})
}

// BenchmarkNestedDenied asks about documents that are shared with an outermost
// group of 100,000 members, ten levels of groups deep, for users of another such
// group: they are in as many groups themselves.
func BenchmarkNestedDenied(b *testing.B) {
	w := worldOf(b, Plan{Workload: Nested, Tuples: benchTuples(b)})
	s := w.population.shape.(*nested)
	questions := asked(w.draw(ring, 0, func(q *Question) bool {
		tree, _, document, _ := number(q.Object.ID)
		_, group, _ := s.sharedWith(document)
		asks, _, _, _ := number(q.Subject.ID)
		return group == 0 && asks != tree
	}))
	b.Logf("%d members below a group, levels of %v groups", s.users, s.groups.sizes)
	w.benchmark(b, questions)
}

const caveatSchema = `
caveat in_hours(hour int, from int, until int) { hour >= from && hour < until }
definition user {}
definition folder { relation viewer: user with in_hours; permission view = viewer }
definition document { relation folder: folder; permission view = folder->view }`

// BenchmarkCaveat asks about documents whose folders are open to a user by a
// caveat, half of them at the hour that is given.
func BenchmarkCaveat(b *testing.B) {
	w := emptyWorld(b, caveatSchema)
	const documents = 100_000
	var updates []store.Update
	for t := range caveatTuples(documents) {
		if updates = append(updates, store.Update{Op: store.OpCreate, Tuple: t}); len(updates) == 1000 {
			w.write(b, updates)
			updates = updates[:0]
		}
	}
	w.write(b, updates)
	questions := make([]graph.Question, documents)
	d := drawsOf(1, 'q')
	for i := range questions {
		n := d.intN(documents)
		questions[i] = graph.Question{
			Object: tuple.Object{Type: "document", ID: fmt.Sprint("d", n)}, Permission: "view",
			Subjects: []tuple.Subject{{Type: "user", ID: fmt.Sprint("u", n/10)}},
			Context:  decodeContext(b, `{"hour":12}`), Now: time.Now().UnixNano(),
		}
	}
	w.benchmark(b, questions)
}

func caveatTuples(documents int) iter.Seq[tuple.Tuple] {
	return func(yield func(tuple.Tuple) bool) {
		for i := range documents {
			folder := tuple.Object{Type: "folder", ID: fmt.Sprint("f", i/10)}
			if i%10 == 0 && !yield(tuple.Tuple{Object: folder, Relation: "viewer", Subject: tuple.Subject{Type: "user", ID: fmt.Sprint("u", i/10)},
				Caveat: "in_hours", Context: fmt.Sprintf(`{"from":%d,"until":%d}`, 9-i/10%2*9, 17-i/10%2*9)}) {
				return
			}
			document := tuple.Object{Type: "document", ID: fmt.Sprint("d", i)}
			if !yield(tuple.Tuple{Object: document, Relation: "folder", Subject: plain(folder)}) {
				return
			}
		}
	}
}
