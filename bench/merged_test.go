package bench

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/client"
)

// BenchmarkMerged is Check of package client with merging, without, and batches
// of 32, by turns on the same connection and server, each question another one,
// on 1,000,000 tuples without a cache. One iteration is a turn of each. Per
// number of callers it reports the median over the turns of the ratio to unary
// calls, latencies, and the processor time of a check, both sides together.
func BenchmarkMerged(b *testing.B) {
	p := population(b, mergedTuples, 1)
	conns := serve(b, p, -1, 1)
	questions := p.Questions(1, 0)
	config := client.Config{Addrs: []string{conns[0].Target()[len("passthrough:///"):]}}
	ways := []*mergedWay{{name: "unary", batch: 1}, {name: "merged", batch: 1}, {name: "batch32", batch: 32}}
	for i, merging := range []client.Merging{client.MergeNever, client.MergeAlways, client.MergeNever} {
		config.Merge = merging
		c, err := client.Dial(config)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		ways[i].client = c
		if _, err := c.Check(b.Context(), checkOf(questions.Source().Next())); err != nil {
			b.Fatal(err)
		}
	}
	for _, callers := range []int{1, 2, 4, 8, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			for _, w := range ways {
				w.turns = nil
			}
			for b.Loop() {
				for _, w := range ways {
					runtime.GC()
					w.turn(b, questions, callers)
				}
			}
			for _, w := range ways {
				w.report(b, ways[0])
			}
		})
	}
}

const (
	mergedTuples = 1_000_000
	turnTime     = 250 * time.Millisecond
)

type mergedWay struct {
	name   string
	client *client.Client
	batch  int
	turns  []mergedTurn
}

type mergedTurn struct {
	rate     float64 // checks/s
	p50, p99 time.Duration
	cpu      time.Duration // a check
	allocs   float64       // a check
	share    float64       // processors
}

func checkOf(q Question) client.CheckRequest {
	return client.CheckRequest{Object: q.Object, Permission: q.Permission, Subject: q.Subject}
}

func (w *mergedWay) turn(b *testing.B, questions *Questions, callers int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []time.Duration
	var stop atomic.Bool
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, begin := mergedCPU(), time.Now()
	for range callers {
		source := questions.Source()
		wg.Go(func() {
			var took []time.Duration
			for !stop.Load() {
				t := time.Now()
				if err := w.ask(b.Context(), source); err != nil {
					b.Error(err)
					return
				}
				took = append(took, time.Since(t))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	time.AfterFunc(turnTime, func() { stop.Store(true) })
	wg.Wait()
	took, used := time.Since(begin), mergedCPU()-cpu
	runtime.ReadMemStats(&after)
	slices.Sort(all)
	n := len(all) * w.batch
	w.turns = append(w.turns, mergedTurn{
		rate: float64(n) / took.Seconds(), p50: all[len(all)/2], p99: all[len(all)*99/100], cpu: used / time.Duration(n),
		allocs: float64(after.Mallocs-before.Mallocs) / float64(n), share: used.Seconds() / took.Seconds(),
	})
}

func (w *mergedWay) ask(ctx context.Context, source *Source) error {
	if w.batch == 1 {
		_, err := w.client.Check(ctx, checkOf(source.Next()))
		return err
	}
	r := client.BatchRequest{Questions: make([]client.Question, w.batch)}
	for i := range r.Questions {
		q := source.Next()
		r.Questions[i] = client.Question{Object: q.Object, Permission: q.Permission, Subject: q.Subject}
	}
	_, err := w.client.BatchCheck(ctx, r)
	return err
}

func (w *mergedWay) report(b *testing.B, unary *mergedWay) {
	var ratios []float64
	for i, t := range w.turns {
		ratios = append(ratios, t.rate/unary.turns[i].rate)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(medianOf(ratios, func(r float64) float64 { return r }), w.name+"/unary")
	b.ReportMetric(medianOf(w.turns, func(t mergedTurn) float64 { return t.rate }), w.name+"/s")
	b.ReportMetric(medianOf(w.turns, func(t mergedTurn) float64 { return float64(t.p50.Microseconds()) }), w.name+"-p50-µs")
	b.ReportMetric(medianOf(w.turns, func(t mergedTurn) float64 { return float64(t.p99.Microseconds()) }), w.name+"-p99-µs")
	b.ReportMetric(medianOf(w.turns, func(t mergedTurn) float64 { return float64(t.cpu.Nanoseconds()) / 1e3 }), w.name+"-cpu-µs")
	b.ReportMetric(medianOf(w.turns, func(t mergedTurn) float64 { return t.allocs }), w.name+"-allocs")
}

func medianOf[T any, N cmp.Ordered](of []T, value func(T) N) N {
	values := make([]N, len(of))
	for i, v := range of {
		values[i] = value(v)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func mergedCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
