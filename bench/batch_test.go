package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
)

// BenchmarkBatch is what a question costs in this process, from its strings to
// the decision, by itself and as one of a batch.
func BenchmarkBatch(b *testing.B) {
	w := worldOf(b, Plan{Workload: IAM, Tuples: benchTuples(b)})
	view, ctx := w.view(b), b.Context()
	questions := asked(w.draw(ring, 0, nil))
	for _, n := range []int{1, 8, 32, 128} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			out, errs := make([]graph.Resolved, n), make([]error, n)
			walks, answers, failed := make([]*graph.Resolved, n), make([]graph.Answer, n), make([]error, n)
			for i := range walks {
				walks[i] = &out[i]
			}
			at, spent := 0, time.Duration(0)
			for b.Loop() {
				if at++; at%n != 0 { // b.Loop counts questions
					continue
				}
				from := at % ring
				for i := range n { // as in timeEach
					readQuestion(&questions[from+i])
				}
				start := time.Now()
				w.graph.ResolveAll(view, questions[from:from+n], out, errs)
				w.graph.CheckAll(ctx, view, walks, answers, failed)
				spent += time.Since(start)
				for i := range n {
					if errs[i] != nil || failed[i] != nil {
						b.Fatal(errs[i], failed[i])
					}
				}
			}
			b.ReportMetric(float64(spent)/float64(max(1, at/n*n)), "mean-ns")
		})
	}
}
