//go:build linux

package bench

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/store"
)

// BenchmarkBesideWriter compares what a check costs alone with what it costs
// while 10,000 tuples a second are written, in turn: the processor time of the
// reader's thread in a store of this process, and, for latest through the service
// of a single node, that of the process less what the writes take without checks
// (with-writes-ns: not less).
func BenchmarkBesideWriter(b *testing.B) {
	b.Run("Store", benchmarkBesideStore)
	b.Run("Latest", benchmarkBesideLatest)
}

const (
	besideRate  = 10_000 // tuples a second
	besideBatch = 100    // tuples of a write
	besideTime  = 300 * time.Millisecond
)

func rusageOf(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const rusageThread = 1 // getrusage(2)

// readFor asks for a while on a thread of its own and returns the thread's
// processor time a question, in nanoseconds, and the number of questions.
func readFor(length time.Duration, ask func(i int)) (each float64, n int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before := rusageOf(rusageThread)
		for start := time.Now(); time.Since(start) < length; {
			for range 64 {
				ask(n)
				n++
			}
		}
		each = float64(rusageOf(rusageThread)-before) / float64(n)
	}()
	<-done
	return each, n
}

// writeUntil writes at besideRate until stop is closed; it returns when it has
// ended, with the number of tuples.
func writeUntil(stop <-chan struct{}, write func(n int)) int {
	sleep := preciseSleep()
	n := 0
	for start := time.Now(); ; n++ {
		select {
		case <-stop:
			return n * besideBatch
		default:
		}
		write(n)
		if wait := time.Duration(n+1)*time.Second*besideBatch/besideRate - time.Since(start); wait > 0 {
			sleep(wait)
		}
	}
}

// writing runs f beside a writer and returns the tuples a second that it wrote.
func writing(write func(n int), f func()) float64 {
	stop, written := make(chan struct{}), make(chan int)
	go func() { written <- writeUntil(stop, write) }()
	start := time.Now()
	f()
	close(stop)
	n := <-written
	return float64(n) / time.Since(start).Seconds()
}

// scratchBatch is the n-th batch of tuples of a writer's own.
func scratchBatch(p *Population, n int) []store.Update {
	updates := make([]store.Update, besideBatch)
	for i := range updates {
		number := n*besideBatch + i
		updates[i] = store.Update{Op: store.OpTouch, Tuple: p.Scratch(fmt.Sprint("bench-i", number), fmt.Sprint("bench-u", number%1000))}
	}
	return updates
}

func benchmarkBesideStore(b *testing.B) {
	w := worldOf(b, Plan{Workload: IAM, Tuples: benchTuples(b)})
	ctx, questions := b.Context(), asked(w.draw(ring, 0, nil))
	ask := func(i int) {
		view, err := w.store.View("default", 0)
		if err != nil {
			panic(err)
		}
		if _, err := w.graph.Check(ctx, view, &questions[i%len(questions)]); err != nil {
			panic(err)
		}
	}
	batch := 0
	write := func(int) {
		w.write(b, scratchBatch(w.population, batch))
		batch++
	}
	var alone, beside, ratios, rates []float64
	for b.Loop() {
		for range 2 * trials {
			a, _ := readFor(besideTime, ask)
			var c float64
			rates = append(rates, writing(write, func() { c, _ = readFor(besideTime, ask) }))
			alone, beside, ratios = append(alone, a), append(beside, c), append(ratios, c/a)
		}
	}
	worlds.last = nil // it has other tuples now
	b.ReportMetric(median(alone), "alone-ns")
	b.ReportMetric(median(beside), "beside-ns")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(rates), "tuples/s")
}

func benchmarkBesideLatest(b *testing.B) {
	p := planned(b, Plan{Workload: IAM, Tuples: min(benchTuples(b), 1_000_000)})
	s := serviceWith(b, p)
	ctx := b.Context()
	source := p.Questions(1, 0).Source()
	questions := make([]Question, ring)
	for i := range questions {
		questions[i] = source.Next()
	}
	ask := func(i int) {
		q := &questions[i%ring]
		r := authz.CheckRequest{Question: authz.Question{Object: q.Object, Permission: q.Permission, Subject: q.Subject},
			Consistency: authz.Consistency{Level: authz.Latest}}
		if _, err := s.Check(ctx, r); err != nil {
			panic(err)
		}
	}
	batch := 0
	write := func(int) {
		batch++
		if _, err := s.Write(ctx, authz.Caller{}, authz.WriteRequest{Updates: scratchUpdates(p, batch)}); err != nil {
			panic(err)
		}
	}
	var alone, beside, gross, ratios, rates []float64
	for b.Loop() {
		for range 2 * trials {
			used, n := readProcess(ask)
			a := float64(used) / float64(n)
			before := rusageOf(syscall.RUSAGE_SELF)
			rate := writing(write, func() { preciseSleepFor(besideTime) })
			writes := float64(rusageOf(syscall.RUSAGE_SELF) - before)
			var total time.Duration
			together := writing(write, func() { total, n = readProcess(ask) })
			c := (float64(total) - writes*together/rate) / float64(n)
			alone, beside, gross = append(alone, a), append(beside, c), append(gross, float64(total)/float64(n))
			ratios, rates = append(ratios, c/a), append(rates, together)
		}
	}
	b.ReportMetric(median(gross), "with-writes-ns")
	b.ReportMetric(median(alone), "alone-ns")
	b.ReportMetric(median(beside), "beside-ns")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(rates), "tuples/s")
}

// besideCallers ask at the same time, so that they share rounds of latest as the
// callers of a busy node do; one alone would mostly measure goroutines that wait
// for each other.
const besideCallers = 64

// readProcess asks for a while by many callers and returns the processor time of
// the whole process, and the number of questions.
func readProcess(ask func(i int)) (used time.Duration, n int) {
	before := rusageOf(syscall.RUSAGE_SELF)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range besideCallers {
		wg.Go(func() {
			for start := time.Now(); time.Since(start) < besideTime; {
				ask(int(next.Add(1)))
			}
		})
	}
	wg.Wait()
	return rusageOf(syscall.RUSAGE_SELF) - before, int(next.Load())
}

// preciseSleepFor waits on a thread of its own.
func preciseSleepFor(d time.Duration) {
	done := make(chan struct{})
	go func() { preciseSleep()(d); close(done) }()
	<-done
}

// scratchUpdates is scratchBatch as the service takes it.
func scratchUpdates(p *Population, n int) []authz.Update {
	var updates []authz.Update
	for _, u := range scratchBatch(p, n) {
		updates = append(updates, authz.Update(u))
	}
	return updates
}

// serviceWith is a single node with a population.
func serviceWith(b *testing.B, p *Population) *authz.Service {
	b.Helper()
	s := service(b, -1)
	source, err := p.Schema()
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := s.WriteSchema(b.Context(), authz.Caller{}, authz.WriteSchemaRequest{Source: source}); err != nil {
		b.Fatal(err)
	}
	var updates []authz.Update
	flush := func() {
		if len(updates) == 0 {
			return
		}
		if _, err := s.Write(b.Context(), authz.Caller{}, authz.WriteRequest{Updates: updates}); err != nil {
			b.Fatal(err)
		}
		updates = updates[:0]
	}
	for t := range p.Tuples() {
		if updates = append(updates, authz.Update{Op: store.OpTouch, Tuple: t}); len(updates) == 5000 {
			flush()
		}
	}
	flush()
	return s
}
