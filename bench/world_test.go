package bench

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// The benchmarks of what one question costs in this process: on 1,000,000
// tuples, or as many as PEMBA_BENCH_TUPLES says (10,000,000 need some 3 GB).
// Each reports the time of single questions, too: p50-ns and p99-ns, less what it
// costs to read the clock. For example
// go test -run '^$' -bench 'IAM|Nested|Caveat|List|Beside|Cores|Growth|Resident' ./bench

// benchTuples is the size of the populations.
func benchTuples(b *testing.B) int {
	b.Helper()
	text := os.Getenv("PEMBA_BENCH_TUPLES")
	if text == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < MinTuples {
		b.Fatalf("PEMBA_BENCH_TUPLES=%s is no number of tuples", text)
	}
	return n
}

// world is a population in a store of this process.
type world struct {
	population *Population
	store      *store.Store
	graph      *graph.Graph
	revision   uint64
}

// worlds keeps the last world, for the benchmarks that follow one another.
var worlds struct {
	sync.Mutex
	plan Plan
	last *world
}

func worldOf(b *testing.B, plan Plan) *world {
	b.Helper()
	worlds.Lock()
	defer worlds.Unlock()
	if worlds.last == nil || worlds.plan != plan {
		worlds.plan, worlds.last = plan, nil
		worlds.last = newWorld(b, planned(b, plan))
	}
	return worlds.last
}

func newWorld(b *testing.B, p *Population) *world {
	b.Helper()
	source, err := p.Schema()
	if err != nil {
		b.Fatal(err)
	}
	w := emptyWorld(b, source)
	w.population = p
	var updates []store.Update
	for t := range p.Tuples() {
		if updates = append(updates, store.Update{Op: store.OpCreate, Tuple: t}); len(updates) == 1000 {
			w.write(b, updates)
			updates = updates[:0]
		}
	}
	w.write(b, updates)
	return w
}

func emptyWorld(b *testing.B, source string) *world {
	b.Helper()
	schema, err := graph.Parse(source)
	if err != nil {
		b.Fatal(err)
	}
	w := &world{store: store.New(store.Options{})}
	if w.graph, err = graph.Compile(schema, w.store.Symbols()); err != nil {
		b.Fatal(err)
	}
	w.apply(b, store.Command{Kind: store.KindInit, Tenant: "default", ClusterID: "a"})
	return w
}

func (w *world) apply(b *testing.B, c store.Command) {
	w.revision++
	entry := store.Entry{Commands: []store.Command{c}}
	if err := w.store.Apply(w.revision, entry.Append(nil))[0].Err(); err != nil {
		b.Error(err) // from any goroutine
	}
}

func (w *world) write(b *testing.B, updates []store.Update) {
	if len(updates) > 0 {
		w.apply(b, store.Command{Kind: store.KindWrite, Tenant: "default", Updates: updates})
	}
}

func (w *world) view(b *testing.B) store.View {
	view, err := w.store.View("default", 0)
	if err != nil {
		b.Fatal(err)
	}
	return view
}

// ring is how many questions are made before they are asked: so many that asking
// them again meets no warm caches, in a population much larger than these.
const ring = 1 << 17

// asked are questions as graph takes them.
func asked(q []Question) []graph.Question {
	now := time.Now().UnixNano()
	out := make([]graph.Question, len(q))
	for i := range q {
		out[i] = graph.Question{Object: q[i].Object, Permission: q[i].Permission, Subjects: []tuple.Subject{q[i].Subject}, Now: now}
	}
	return out
}

// draw takes n questions that want takes, nil = all.
func (w *world) draw(n int, skew float64, want func(*Question) bool) []Question {
	source := w.population.Questions(1, skew).Source()
	out := make([]Question, 0, n)
	for len(out) < n {
		if q := source.Next(); want == nil || want(&q) {
			out = append(out, q)
		}
	}
	return out
}

// resolve looks up the ids of questions.
func (w *world) resolve(b *testing.B, view store.View, questions []graph.Question) []graph.Resolved {
	out := make([]graph.Resolved, len(questions))
	for i := range questions {
		var err error
		if out[i], err = w.graph.Resolve(view, &questions[i]); err != nil {
			b.Fatal(err)
		}
	}
	return out
}

// trials is how often what is compared is measured in turn.
const trials = 5

// timeEach measures ask in a loop, and its single calls. have comes first and brings
// the question into the nearest cache, where a server has what it has just received:
// the questions of a benchmark come from all over its memory. In the loop both count,
// of single calls ask alone.
func timeEach(b *testing.B, have, ask func(i int)) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		have(i)
		ask(i)
		i++
	}
	percentiles(b, 100_000, have, ask)
}

// readQuestion reads all of a question.
func readQuestion(q *graph.Question) {
	sum := len(q.Permission)
	for i := range len(q.Object.ID) {
		sum += int(q.Object.ID[i])
	}
	for i := range q.Subjects {
		for k := range len(q.Subjects[i].ID) {
			sum += int(q.Subjects[i].ID[k])
		}
	}
	questionRead = sum
}

var questionRead int // so that the compiler leaves nothing out

// percentiles reports the times of single calls.
func percentiles(b *testing.B, n int, have, ask func(i int)) {
	clock := make([]int64, 10_001)
	for i := range clock {
		start := time.Now()
		clock[i] = int64(time.Since(start))
	}
	slices.Sort(clock)
	times := make([]int64, n)
	for i := range times {
		have(i)
		start := time.Now()
		ask(i)
		times[i] = int64(time.Since(start)) - clock[len(clock)/2]
	}
	slices.Sort(times)
	sum := int64(0)
	for _, t := range times {
		sum += t
	}
	b.ReportMetric(float64(sum)/float64(n), "mean-ns")
	b.ReportMetric(float64(times[n/2]), "p50-ns")
	b.ReportMetric(float64(times[n*99/100]), "p99-ns")
}

// sizeText writes a number of tuples.
func sizeText(n int) string {
	switch {
	case n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + "M"
	case n%1000 == 0:
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}
