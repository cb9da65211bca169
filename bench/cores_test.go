package bench

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// BenchmarkCores asks uniform questions on one processor and on two, in turn, and
// does the same with a loop of dependent random loads over as much memory: what
// that gains is what the machine's memory allows. It reports both gains, and the
// ratio of the two.
func BenchmarkCores(b *testing.B) {
	if runtime.GOMAXPROCS(0) < 2 {
		b.Skip("one processor")
	}
	w := worldOf(b, Plan{Workload: IAM, Tuples: benchTuples(b)})
	ctx, view := b.Context(), w.view(b)
	questions := asked(w.draw(ring, 0, nil))
	check := func(_, i int) {
		if _, err := w.graph.Check(ctx, view, &questions[i%len(questions)]); err != nil {
			b.Error(err)
		}
	}
	chain := newChain(benchTuples(b) * 140 / 8)
	places := make([]padded, 2)
	load := func(who, _ int) { places[who].at = chain[places[who].at] }
	places[1].at = uint64(len(chain) / 2)
	var gains, controls, ratios []float64
	for b.Loop() {
		for range trials {
			control := callsPerSecond(2, load) / callsPerSecond(1, load)
			gain := callsPerSecond(2, check) / callsPerSecond(1, check)
			gains, controls, ratios = append(gains, gain), append(controls, control), append(ratios, gain/control)
		}
	}
	b.ReportMetric(median(gains), "gain")
	b.ReportMetric(median(controls), "control-gain")
	b.ReportMetric(median(ratios), "gain/control")
}

// padded keeps two places out of one cache line.
type padded struct {
	at uint64
	_  [120]byte
}

// newChain is one cycle through n elements in random order.
func newChain(n int) []uint64 {
	chain := make([]uint64, n)
	for i := range chain {
		chain[i] = uint64(i)
	}
	d := drawsOf(1, 'c')
	for i := n - 1; i > 0; i-- { // Sattolo: a permutation of one cycle
		j := d.intN(i)
		chain[i], chain[j] = chain[j], chain[i]
	}
	return chain
}

// callsPerSecond is how often f is called a second by so many goroutines.
func callsPerSecond(goroutines int, f func(who, i int)) float64 {
	const length, batch = 200 * time.Millisecond, 64
	var wg sync.WaitGroup
	calls := make([]int, goroutines*16) // a cache line each
	start := time.Now()
	for who := range goroutines {
		wg.Go(func() {
			i := who * ring / 2
			for n := 0; time.Since(start) < length; n += batch {
				for range batch {
					f(who, i)
					i++
				}
				calls[who*16] += batch
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range calls {
		sum += n
	}
	return float64(sum) / time.Since(start).Seconds()
}

// BenchmarkGrowth asks uniform questions about populations from 100,000 tuples to
// the largest, from strings, in turn. It reports the time of a question on each,
// and how many times that of the smallest the largest takes.
func BenchmarkGrowth(b *testing.B) {
	sizes := []int{100_000}
	for n := benchTuples(b); sizes[len(sizes)-1] < n; {
		sizes = append(sizes, min(n, sizes[len(sizes)-1]*10))
	}
	ctx := b.Context()
	var asks []func(i int)
	for _, n := range sizes {
		w := newWorld(b, planned(b, Plan{Workload: IAM, Tuples: n}))
		view, questions := w.view(b), asked(w.draw(ring, 0, nil))
		asks = append(asks, func(i int) {
			if _, err := w.graph.Check(ctx, view, &questions[i%len(questions)]); err != nil {
				b.Error(err)
			}
		})
	}
	times := make([][]float64, len(sizes))
	for b.Loop() {
		for range trials {
			for k, ask := range asks {
				times[k] = append(times[k], 1e9/callsPerSecond(1, func(_, i int) { ask(i) }))
			}
		}
	}
	for k, n := range sizes {
		b.ReportMetric(median(times[k]), "ns-at-"+sizeText(n))
	}
	b.ReportMetric(median(times[len(times)-1])/median(times[0]), "growth")
}
