//go:build unix

package bench

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/client"
)

// BenchmarkMerged asks package client's Check without merging and with it,
// batches of 32, and the service in this process without any network, by turns,
// of the same node: 1,000,000 tuples, no cache, each question another one. One
// iteration is a turn of each. It reports medians over the turns: the ratio to
// unary checks, latencies, and what a check costs both sides together.
func BenchmarkMerged(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // about what the program gives itself
	p := population(b, mergedTuples, 1)
	questions := p.Questions(1, 0)
	ways := mergedWays(b, p)
	for _, callers := range []int{1, 8, 64, 256} {
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

// mergedWays starts a node with p and returns the ways to ask it.
func mergedWays(b *testing.B, p *Population) []*mergedWay {
	node := service(b, -1)
	server := native.New(native.Config{Service: node, Log: quiet})
	listener := listen(b)
	go server.Serve(listener)
	b.Cleanup(func() { _ = server.Shutdown(b.Context()) })
	if _, err := p.Install(b.Context(), connect(b, listener), ""); err != nil {
		b.Fatal(err)
	}
	dial := func(merging client.Merging) *client.Client {
		c, err := client.Dial(client.Config{Addrs: []string{listener.Addr().String()}, Merge: merging})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		return c
	}
	unary, merged := dial(client.MergeNever), dial(client.MergeAlways)
	ask := func(c *client.Client) func(context.Context, *Source) error {
		return func(ctx context.Context, source *Source) error {
			q := source.Next()
			_, err := c.Check(ctx, client.CheckRequest{Object: q.Object, Permission: q.Permission, Subject: q.Subject})
			return err
		}
	}
	ways := []*mergedWay{
		{name: "unary", size: 1, ask: ask(unary)}, {name: "merged", size: 1, ask: ask(merged)},
		{name: "batch32", size: 32, ask: askBatch(unary)},
		{name: "direct", size: 1, ask: func(ctx context.Context, source *Source) error {
			q := source.Next()
			_, err := node.Check(ctx, authz.CheckRequest{Question: authz.Question{Object: q.Object, Permission: q.Permission, Subject: q.Subject}})
			return err
		}},
	}
	for _, w := range ways {
		if err := w.ask(b.Context(), p.Questions(2, 0).Source()); err != nil {
			b.Fatal(err)
		}
	}
	return ways
}

func askBatch(c *client.Client) func(context.Context, *Source) error {
	return func(ctx context.Context, source *Source) error {
		r := client.BatchRequest{Questions: make([]client.Question, 32)}
		for i := range r.Questions {
			q := source.Next()
			r.Questions[i] = client.Question{Object: q.Object, Permission: q.Permission, Subject: q.Subject}
		}
		_, err := c.BatchCheck(ctx, r)
		return err
	}
}

const (
	mergedTuples = 1_000_000
	turnTime     = 250 * time.Millisecond
)

// A mergedWay is one way to ask.
type mergedWay struct {
	name  string
	size  int // questions of a call
	ask   func(context.Context, *Source) error
	turns []mergedTurn
}

type mergedTurn struct {
	rate     float64       // checks/s
	p50, p99 time.Duration // of calls
	cpu      time.Duration // a check
	allocs   float64       // a check
	share    float64       // processors
}

// turn asks for a while.
func (w *mergedWay) turn(b *testing.B, questions *Questions, callers int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []time.Duration
	var stop atomic.Bool
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, begin := ownProcessorTime(), time.Now()
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
	took, used := time.Since(begin), ownProcessorTime()-cpu
	runtime.ReadMemStats(&after)
	slices.Sort(all)
	n := len(all) * w.size
	w.turns = append(w.turns, mergedTurn{
		rate: float64(n) / took.Seconds(), p50: all[len(all)/2], p99: all[len(all)*99/100], cpu: used / time.Duration(n),
		allocs: float64(after.Mallocs-before.Mallocs) / float64(n), share: used.Seconds() / took.Seconds(),
	})
}

func (w *mergedWay) report(b *testing.B, unary *mergedWay) {
	metric := func(unit string, of func(mergedTurn) float64) {
		values := make([]float64, len(w.turns))
		for i, t := range w.turns {
			values[i] = of(t)
		}
		b.ReportMetric(median(values), w.name+unit)
	}
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	i := 0
	metric("/unary", func(t mergedTurn) float64 { i++; return t.rate / unary.turns[i-1].rate })
	metric("/s", func(t mergedTurn) float64 { return t.rate })
	metric("-p50-µs", func(t mergedTurn) float64 { return micros(t.p50) })
	metric("-p99-µs", func(t mergedTurn) float64 { return micros(t.p99) })
	metric("-cpu-µs", func(t mergedTurn) float64 { return micros(t.cpu) })
	metric("-allocs", func(t mergedTurn) float64 { return t.allocs })
	b.ReportMetric(0, "ns/op")
}

// ownProcessorTime is what this process has used.
func ownProcessorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
