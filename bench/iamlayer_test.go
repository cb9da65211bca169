package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/iamload"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// iamPlan is the population of the IAM layer's benchmarks: PEMBA_BENCH_IAM holds
// what differs from a million resources with a million bindings, as JSON:
// {"Seed":2,"Resources":100000,"Bindings":300000,"Custom":1000}.
func iamPlan(b *testing.B) (p iamload.Plan) {
	b.Helper()
	if text := os.Getenv("PEMBA_BENCH_IAM"); text != "" {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			b.Fatalf("PEMBA_BENCH_IAM: %v", err)
		}
	}
	return p
}

// BenchmarkIAMLayer asks what the IAM layer asks: one of thousands of permissions
// of the catalogue, for a caller and the system groups that he is in, on a resource
// of many; half of the questions about somebody's binding, half about anything.
func BenchmarkIAMLayer(b *testing.B) {
	load := iamload.New(iamPlan(b))
	w := iamLayerWorld(b, load)
	questions := iamQuestions(load, ring)
	w.benchmark(b, questions)
	b.Run("Implied", func(b *testing.B) { w.benchmark(b, withImplied(questions)) })
	b.Run("Caller", func(b *testing.B) { // alone, without system groups
		alone := make([]graph.Question, len(questions))
		for i, q := range questions {
			q.Subjects = q.Subjects[:1]
			alone[i] = q
		}
		w.benchmark(b, alone)
	})
}

// withImplied puts the system groups into sets, of which the users of an organization share one.
func withImplied(questions []graph.Question) []graph.Question {
	sets := map[string]*graph.SubjectSet{}
	out := make([]graph.Question, len(questions))
	for i, q := range questions {
		implied := q.Subjects[1:]
		name := fmt.Sprint(implied)
		if sets[name] == nil {
			sets[name] = graph.NewSubjectSet(implied...)
		}
		q.Subjects, q.Implied = q.Subjects[:1], sets[name]
		out[i] = q
	}
	return out
}

func iamQuestions(load *iamload.Load, n int) []graph.Question {
	questions := make([]graph.Question, n)
	for i := range questions {
		q := load.Question(i)
		questions[i] = graph.Question{Object: q.Object, Permission: q.Permission, Subjects: q.Subjects, Now: 1}
	}
	return questions
}

// BenchmarkIAMLayerInstructions is run twice, with different numbers of operations,
// under a tool that counts instructions: what a question takes is the difference.
func BenchmarkIAMLayerInstructions(b *testing.B) {
	load := iamload.New(iamPlan(b))
	w := iamLayerWorld(b, load)
	questions, view := iamQuestions(load, 1<<12), w.view(b)
	b.Run("Caller", func(b *testing.B) {
		for i := range b.N {
			q := questions[i%len(questions)]
			q.Subjects = q.Subjects[:1]
			if _, err := w.graph.Check(b.Context(), view, &q); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Implied", func(b *testing.B) {
		implied := withImplied(questions)
		for i := range b.N {
			if _, err := w.graph.Check(b.Context(), view, &implied[i%len(implied)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Strings", func(b *testing.B) {
		for i := range b.N {
			if _, err := w.graph.Check(b.Context(), view, &questions[i%len(questions)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Walk", func(b *testing.B) {
		resolved := w.resolve(b, view, questions)
		for i := range b.N {
			if _, err := w.graph.CheckResolved(b.Context(), view, &resolved[i%len(resolved)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkIAMSchema reads, validates and compiles the schema of the catalogue, as
// every change of a custom role makes a node do.
func BenchmarkIAMSchema(b *testing.B) {
	for name, custom := range map[string]int{"Catalogue": 0, "Custom1000": 1000} {
		b.Run(name, func(b *testing.B) {
			text := iamload.New(iamload.Plan{Custom: custom}).Schema()
			syms := store.New(store.Options{}).Symbols()
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				compileIAM(b, text, syms)
			}
		})
	}
}

func compileIAM(b *testing.B, text string, syms *store.Symbols) *graph.Graph {
	schema, err := graph.ParseWithin(text, 16<<20)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := graph.Validate(schema); err != nil {
		b.Fatal(err)
	}
	g, err := graph.Compile(schema, syms)
	if err != nil {
		b.Fatal(err)
	}
	return g
}

func iamLayerWorld(b *testing.B, load *iamload.Load) *world {
	b.Helper()
	w := &world{store: store.New(store.Options{})}
	w.graph = compileIAM(b, load.Schema(), w.store.Symbols())
	w.apply(b, store.Command{Kind: store.KindInit, Tenant: "default", ClusterID: "a"})
	var updates []store.Update
	keys := map[tuple.Key]bool{}
	for t := range load.Tuples() {
		if key := t.Key(); !keys[key] { // a command names a tuple once
			keys[key] = true
			updates = append(updates, store.Update{Op: store.OpTouch, Tuple: t})
		}
		if len(updates) == 1000 {
			w.write(b, updates)
			updates = updates[:0]
			clear(keys)
		}
	}
	w.write(b, updates)
	return w
}
