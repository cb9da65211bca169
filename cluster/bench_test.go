package cluster

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/store"
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

// 16 writers on a node of 300,000 tuples, without snapshots and while one is
// taken after the other. Compare the two in one run.
func BenchmarkPropose_WhileSnapshotting(b *testing.B) {
	for _, snapshots := range []bool{false, true} {
		b.Run(fmt.Sprintf("snapshots=%v", snapshots), func(b *testing.B) {
			n := open(b, quiet(b.TempDir()))
			fill(b, n, 300_000)
			stop, taken := make(chan struct{}), 0
			var taker, wg sync.WaitGroup
			if snapshots {
				taker.Go(func() { taken = snapshotOn(b, n, stop) })
			}
			times := make([][]time.Duration, 16)
			var next atomic.Int64
			b.ResetTimer()
			for w := range times {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						start := time.Now()
						propose(b, n, write(int(i)))
						times[w] = append(times[w], time.Since(start))
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			close(stop)
			taker.Wait()
			all := slices.Concat(times...)
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(float64(taken), "snapshots")
		})
	}
}

// snapshotOn takes one snapshot after the other until stop is closed, and returns
// how many.
func snapshotOn(t testing.TB, n *Node, stop chan struct{}) (taken int) {
	for {
		select {
		case <-stop:
			return taken
		default:
		}
		if err := n.Snapshot(); err != nil {
			t.Error(err)
			return taken
		}
		taken++
	}
}

// fill writes tuples from 1,000,000,000 on.
func fill(t testing.TB, n *Node, tuples int) {
	t.Helper()
	for i := 0; i < tuples; {
		c := store.Command{Kind: store.KindWrite, Tenant: DefaultTenant, Actor: "test"}
		for range min(5000, tuples-i) {
			c.Updates = append(c.Updates, store.Update{Op: store.OpTouch, Tuple: viewer(1_000_000_000 + i)})
			i++
		}
		propose(t, n, c)
	}
}
