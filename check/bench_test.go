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
	for _, mode := range modes {
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
	for _, mode := range modes {
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

// dear are a few questions whose walks cost more than an entry: of documents
// that many groups see.
func dear(w *world) []*graph.Question {
	var texts []string
	for i := range 20 {
		texts = append(texts, fmt.Sprintf("doc:d%d#other@user:none", i))
		for k := range 30 {
			texts = append(texts,
				fmt.Sprintf("doc:d%d#viewer@group:d%dg%d#member", i, i, k),
				fmt.Sprintf("group:d%dg%d#member@group:d%dh%d#member", i, k, i, k),
				fmt.Sprintf("group:in%dh%d#member@user:u%d", i, k, i))
		}
	}
	w.change(store.OpTouch, texts...)
	var qs []*graph.Question
	for i := range 20 {
		qs = append(qs, w.question(fmt.Sprintf("doc:d%d#see@user:u%d", i, i)))
	}
	return qs
}

// BenchmarkHot asks a few dear questions from all processors at a time.
func BenchmarkHot(b *testing.B) {
	for _, mode := range modes {
		w := newWorld(b, Options{MaxCost: mode.maxCost})
		qs, ctx := dear(w), context.Background()
		v := w.view(0)
		b.Run(mode.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := w.checker.Check(ctx, w.graph, v, qs[i%len(qs)]); err != nil {
						b.Error(err)
						return
					}
				}
			})
			w.reportHits(b)
		})
	}
}

// BenchmarkHeavyWrites asks dear questions, each ten at the newest view, and then
// writes a tuple: of a relation that no answer depends on, or of one that all do.
// The time of a question has a tenth of that of a write in it, with a cache and
// without.
func BenchmarkHeavyWrites(b *testing.B) {
	for _, write := range []struct{ name, relation string }{{"Unrelated", "other"}, {"Related", "banned"}} {
		for _, mode := range modes {
			w := newWorld(b, Options{MaxCost: mode.maxCost})
			qs, ctx := dear(w), context.Background()
			b.Run(write.name+"/"+mode.name, func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				v := w.view(0)
				for b.Loop() {
					if i%10 == 0 {
						w.change([]store.Op{store.OpTouch, store.OpDelete}[i/10%2], "doc:far#"+write.relation+"@user:far")
						v = w.view(0)
					}
					if _, err := w.checker.Check(ctx, w.graph, v, qs[i%len(qs)]); err != nil {
						b.Fatal(err)
					}
					i++
				}
				w.reportHits(b)
			})
		}
	}
}

// modes are without a cache and with one.
var modes = []struct {
	name    string
	maxCost int64
}{{"Walk", -1}, {"Cached", 0}}

// reportHits reports the share of the questions so far that the cache has answered.
func (w *world) reportHits(b *testing.B) {
	s := w.checker.Stats()
	b.ReportMetric(float64(s.Hits)/max(1, float64(s.Hits+s.Walks)), "hits/question")
}
