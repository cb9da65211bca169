package check

import (
	"context"
	"fmt"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// BenchmarkCheck sets a warm cache against a walk, side by side.
func BenchmarkCheck(b *testing.B) {
	for _, mode := range []struct {
		name    string
		maxCost int64
	}{{"Walk", -1}, {"Cached", 0}} {
		w := newWorld(b, Options{MaxCost: mode.maxCost, Eager: true})
		w.change(store.OpTouch, "doc:a#viewer@user:direct", "doc:a#viewer@group:g0#member", "group:g5#member@user:deep", "doc:a#other@user:none")
		for i := range 5 {
			w.change(store.OpTouch, fmt.Sprintf("group:g%d#member@group:g%d#member", i, i+1))
		}
		v := w.view(0)
		for _, name := range []string{"direct", "deep", "none"} {
			b.Run(name+"/"+mode.name, func(b *testing.B) {
				q, ctx := w.question("doc:a#see@user:"+name), context.Background()
				if _, err := w.checker.Check(ctx, w.graph, v, q); err != nil {
					b.Fatal(err)
				}
				w.checker.Wait()
				b.ReportAllocs()
				for b.Loop() {
					if _, err := w.checker.Check(ctx, w.graph, v, q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkMiss asks questions that never repeat: what the cache costs then.
func BenchmarkMiss(b *testing.B) {
	for _, mode := range []struct {
		name    string
		maxCost int64
	}{{"Walk", -1}, {"Cached", 0}} {
		b.Run(mode.name, func(b *testing.B) {
			w := newWorld(b, Options{MaxCost: mode.maxCost})
			const users = 20_000
			var texts []string
			for i := range users {
				texts = append(texts, fmt.Sprintf("doc:d%d#viewer@user:u%d", i%100, i))
				if len(texts) == 1000 {
					w.change(store.OpTouch, texts...)
					texts = texts[:0]
				}
			}
			var qs []*graph.Question
			for i := range 100 * users / 10 {
				qs = append(qs, w.question(fmt.Sprintf("doc:d%d#viewer@user:u%d", i%100, i/10)))
			}
			v, ctx := w.view(0), context.Background()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := w.checker.Check(ctx, w.graph, v, qs[i%len(qs)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
