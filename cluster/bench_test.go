package cluster

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// The log is on disk, in the benchmark's temporary dir, and every entry is
// synced.
func BenchmarkPropose(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			n := open(b, quiet(b.TempDir()))
			before := n.Store().Revision()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if _, err := n.Propose(b.Context(), write(int(i))); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/float64(max(n.Store().Revision()-before, 1)), "writes/entry")
		})
	}
}

func BenchmarkReadIndex(b *testing.B) {
	for _, readers := range []int{1, 64, 10_000} {
		for _, writing := range []bool{false, true} {
			b.Run(fmt.Sprintf("readers=%d/writing=%v", readers, writing), func(b *testing.B) {
				n := open(b, quiet(b.TempDir()))
				stop := make(chan struct{})
				var writer, wg sync.WaitGroup
				if writing {
					writer.Go(func() {
						for i := 0; ; i++ {
							select {
							case <-stop:
								return
							default:
								propose(b, n, write(i))
							}
						}
					})
				}
				var next atomic.Int64
				b.ResetTimer()
				for range readers {
					wg.Go(func() {
						for next.Add(1) <= int64(b.N) {
							if _, err := n.ReadIndex(b.Context()); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				close(stop)
				writer.Wait()
			})
		}
	}
}
