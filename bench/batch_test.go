package bench

import (
	"fmt"
	"testing"

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
			at := 0
			for b.Loop() {
				if at%n == 0 {
					from := at % ring
					w.graph.ResolveAll(view, questions[from:from+n], out, errs)
				}
				if _, err := w.graph.CheckResolved(ctx, view, &out[at%n]); err != nil || errs[at%n] != nil {
					b.Fatal(err, errs[at%n])
				}
				at++
			}
		})
	}
}
