package bench

import (
	"fmt"
	"testing"

	"github.com/pemba-authz/pemba/graph"
)

// BenchmarkResolve is what it takes to find the ids of a question's names, by
// itself and among so many of a batch.
func BenchmarkResolve(b *testing.B) {
	w := worldOf(b, Plan{Workload: IAM, Tuples: benchTuples(b)})
	view := w.view(b)
	questions := asked(w.draw(ring, 0, nil))
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, err := w.graph.Resolve(view, &questions[i%ring]); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
	for _, n := range []int{8, 128} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			out, errs := make([]graph.Resolved, n), make([]error, n)
			i := 0
			for b.Loop() {
				if i%n == 0 {
					at := i % ring
					w.graph.ResolveAll(view, questions[at:at+n], out, errs)
				}
				i++
			}
		})
	}
}
