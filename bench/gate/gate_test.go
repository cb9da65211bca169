package gate

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const (
	tuples    = 20_000
	questions = 2_000
)

// now is the time of every question, so that none depends on the clock.
const now = 1_750_000_000_000_000_000

// world is a population in a store of this process, with questions about it.
type world struct {
	population *bench.Population
	store      *store.Store
	graph      *graph.Graph
	view       store.View
	questions  []graph.Question
	revision   uint64
}

func worldOf(b *testing.B, workload string) *world {
	b.Helper()
	p, err := bench.Plan{Workload: workload, Tuples: tuples, Seed: 1}.Population()
	if err != nil {
		b.Fatal(err)
	}
	source, err := p.Schema()
	if err != nil {
		b.Fatal(err)
	}
	schema, err := graph.Parse(source)
	if err != nil {
		b.Fatal(err)
	}
	w := &world{population: p, store: store.New(store.Options{})}
	if w.graph, err = graph.Compile(schema, w.store.Symbols()); err != nil {
		b.Fatal(err)
	}
	w.apply(b, store.Command{Kind: store.KindInit, Tenant: "default", ClusterID: "a"})
	w.load(b)
	if w.view, err = w.store.View("default", 0); err != nil {
		b.Fatal(err)
	}
	next := p.Questions(1, 0).Source()
	for range questions {
		q := next.Next()
		w.questions = append(w.questions, graph.Question{
			Object: q.Object, Permission: q.Permission, Subjects: []tuple.Subject{q.Subject}, Now: now,
		})
	}
	return w
}

func (w *world) load(b *testing.B) {
	var updates []store.Update
	for t := range w.population.Tuples() {
		if updates = append(updates, store.Update{Op: store.OpCreate, Tuple: t}); len(updates) == 1000 {
			w.write(b, updates)
			updates = nil
		}
	}
	w.write(b, updates)
}

func (w *world) write(b *testing.B, updates []store.Update) {
	w.apply(b, store.Command{Kind: store.KindWrite, Tenant: "default", Updates: updates})
}

func (w *world) apply(b *testing.B, c store.Command) {
	w.revision++
	if err := w.store.Apply(w.revision, encode(c))[0].Err(); err != nil {
		b.Fatal(err)
	}
}

func encode(c store.Command) []byte {
	entry := store.Entry{Commands: []store.Command{c}}
	return entry.Append(nil)
}

// BenchmarkCheck reports what a question costs on average, of each workload's.
func BenchmarkCheck(b *testing.B) {
	for _, workload := range bench.Workloads {
		w := worldOf(b, workload)
		b.Run(workload, func(b *testing.B) {
			var reads, steps, allowed int
			ask := func(i int) {
				a, err := w.graph.Check(b.Context(), w.view, &w.questions[i])
				if err != nil {
					b.Fatal(err)
				}
				reads, steps = reads+a.Reads, steps+a.Steps
				if a.Decision == graph.Allowed {
					allowed++
				}
			}
			all(ask)
			reads, steps, allowed = 0, 0, 0
			objects, bytes := allocated(func() { all(ask) })
			for b.Loop() { // what is counted does not repeat
			}
			report(b, "reads", float64(reads))
			report(b, "steps", float64(steps))
			report(b, "allowed", float64(allowed))
			report(b, "allocs", objects)
			report(b, "bytes", bytes)
			b.ReportMetric(0, "ns/op")
		})
	}
}

// all calls ask with every question.
func all(ask func(i int)) {
	for i := range questions {
		ask(i)
	}
}

func report(b *testing.B, name string, n float64) {
	b.ReportMetric(n/questions, name+"/check")
}

// allocated counts what f allocates, on all goroutines. No collection comes in
// between, which would empty pools.
func allocated(f func()) (objects, bytes float64) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)
}

// BenchmarkList reports what the lists that 100 questions give rise to read and
// allocate for each result.
func BenchmarkList(b *testing.B) {
	const lists = 100
	for _, workload := range bench.Workloads {
		w := worldOf(b, workload)
		b.Run(workload, func(b *testing.B) {
			var reads, results int
			list := func() {
				reads, results = 0, 0
				for _, q := range w.questions[:lists] {
					cost, err := w.graph.ListObjects(b.Context(), w.view, &graph.ObjectsQuestion{
						Type: q.Object.Type, Permission: q.Permission, Subjects: q.Subjects, Now: now,
					}, func(graph.Listed) bool { results++; return true })
					if err != nil {
						b.Fatal(err)
					}
					reads += cost.Reads
				}
			}
			list()
			objects, _ := allocated(list)
			for b.Loop() {
			}
			b.ReportMetric(float64(reads)/float64(max(results, 1)), "reads/result")
			b.ReportMetric(objects/lists, "allocs/list")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkApply reports what writing a tuple allocates, decoding included.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := worldOf(b, bench.IAM)
			const commands = 200
			entries := make([][]byte, commands)
			for i := range entries {
				var updates []store.Update
				for k := range size {
					updates = append(updates, store.Update{Op: store.OpTouch, Tuple: w.population.Scratch(fmt.Sprint("bench-i", i*size+k), fmt.Sprint("bench-u", k))})
				}
				entries[i] = encode(store.Command{Kind: store.KindWrite, Tenant: "default", Updates: updates})
			}
			objects, bytes := allocated(func() {
				for _, e := range entries {
					w.revision++
					if err := w.store.Apply(w.revision, e)[0].Err(); err != nil {
						b.Fatal(err)
					}
				}
			})
			for b.Loop() {
			}
			b.ReportMetric(objects/float64(commands*size), "allocs/tuple")
			b.ReportMetric(bytes/float64(commands*size), "bytes/tuple")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkInstructions is run twice, with different numbers of operations, under
// a tool that counts instructions: what a question takes is the difference.
func BenchmarkInstructions(b *testing.B) {
	for _, workload := range bench.Workloads {
		b.Run(workload, func(b *testing.B) {
			w := worldOf(b, workload)
			for i := range b.N {
				if _, err := w.graph.Check(b.Context(), w.view, &w.questions[i%questions]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
