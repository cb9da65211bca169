package bench

import (
	"fmt"
	"runtime"
	"testing"
)

// BenchmarkServer measures one request over loopback, client and server in this
// process: each operation, without a cache and with one.
func BenchmarkServer(b *testing.B) {
	p := population(b, 100_000, 1)
	for _, cache := range []struct {
		name string
		size int64
	}{{"off", -1}, {"on", 0}} {
		load := Load{Conns: serve(b, p, cache.size, 1), Questions: p.Questions(1, 0)}
		load.Merging = merging(b, load.Conns)
		for _, load.Callers = range []int{64} {
			for _, load.Op = range Ops {
				b.Run(fmt.Sprintf("cache=%s/callers=%d/%s", cache.name, load.Callers, load.Op), func(b *testing.B) {
					runtime.GC()
					load.Requests = int64(b.N)
					r, err := load.Run(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(r.PerSecond, "requests/s")
					b.ReportMetric(r.ItemsPerSecond, "items/s")
					b.ReportMetric(float64(r.P99), "p99-µs")
				})
			}
		}
	}
}
