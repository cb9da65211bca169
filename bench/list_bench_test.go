package bench

import (
	"slices"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// BenchmarkList lists objects and subjects in this process, in an organization of
// a tenth of the tuples: the longest of 200 lists again and again. It reports
// results a second, and how long the first result takes.
func BenchmarkList(b *testing.B) {
	n := benchTuples(b)
	w := worldOf(b, Plan{Workload: IAM, Tuples: n, Parts: 10})
	view := w.view(b)
	questions := w.draw(200, 0, func(q *Question) bool { return q.Object.Type == "instance" })
	for _, c := range []struct {
		name string
		list func(q *Question, yield func(graph.Listed) bool) error
	}{
		{"Objects", func(q *Question, yield func(graph.Listed) bool) error {
			_, err := w.graph.ListObjects(b.Context(), view, &graph.ObjectsQuestion{Type: q.Object.Type, Permission: q.Permission,
				Subjects: []tuple.Subject{q.Subject}, Now: time.Now().UnixNano()}, yield)
			return err
		}},
		{"Subjects", func(q *Question, yield func(graph.Listed) bool) error {
			_, err := w.graph.ListSubjects(b.Context(), view, &graph.SubjectsQuestion{Object: q.Object, Permission: q.Permission,
				Type: "user", Now: time.Now().UnixNano()}, yield)
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkList(b, questions, c.list) })
	}
}

func benchmarkList(b *testing.B, questions []Question, list func(*Question, func(graph.Listed) bool) error) {
	longest, most := &questions[0], -1
	for i := range questions {
		n := 0
		if err := list(&questions[i], func(graph.Listed) bool { n++; return true }); err != nil {
			b.Fatal(err)
		}
		if n > most {
			longest, most = &questions[i], n
		}
	}
	results := 0
	var firsts []int64
	b.ReportAllocs()
	for b.Loop() {
		start, before := time.Now(), results
		if err := list(longest, func(graph.Listed) bool {
			if results == before {
				firsts = append(firsts, int64(time.Since(start)))
			}
			results++
			return true
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(results)/b.Elapsed().Seconds(), "results/s")
	b.ReportMetric(float64(results)/float64(b.N), "results/op")
	if slices.Sort(firsts); len(firsts) > 0 {
		b.ReportMetric(float64(firsts[len(firsts)/2])/1000, "first-p50-µs")
		b.ReportMetric(float64(firsts[len(firsts)*99/100])/1000, "first-p99-µs")
	}
}
