//go:build linux

package bench

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// BenchmarkLatest asks with 64 callers at the levels latest and any, in turn,
// without writes and beside 1,000 a second: a node that is alone, and three
// nodes at their leader and at a follower. It reports checks a second, the ratio
// of latest to any, and the processor time of all nodes a check. Nodes are
// processes. Quote the medians of one run:
// go test -run '^$' -bench Latest ./bench (-benchtime 50x: 50 rounds, not 10)
func BenchmarkLatest(b *testing.B) {
	f, p := newFleet(b), population(b, 100_000, 1)
	alone := f.single(p, "alone")
	g := f.cluster(p, 0)
	for _, c := range []struct {
		name           string
		asked, written *process
		nodes          []*process
	}{
		{"alone", alone, alone, []*process{alone}},
		{"leader", g.leader, g.leader, g.all()},
		{"follower", g.followers[0], g.leader, g.all()},
	} {
		b.Run(c.name, func(b *testing.B) {
			compareLevels(b, p.Questions(1, 0), c.asked, c.written, c.nodes)
			g.stillLed(b)
		})
	}
}

// levelTrial is a load at one level.
type levelTrial struct {
	name    string
	level   *pb.Consistency // nil = any
	writes  float64         // a second in the background
	load    Load
	written *grpc.ClientConn // where writes go
	nodes   []*process
	results []Result
	used    time.Duration // of a processor, by all nodes in all rounds
}

func compareLevels(b *testing.B, questions *Questions, asked, written *process, nodes []*process) {
	const callers, length, writes, rounds = 64, 500 * time.Millisecond, 1000, 10
	any, anyBeside := &levelTrial{name: "any"}, &levelTrial{name: "any-beside-writes", writes: writes}
	newest, newestBeside := &levelTrial{name: "latest", level: atLatest}, &levelTrial{name: "latest-beside-writes", level: atLatest, writes: writes}
	trials := []*levelTrial{any, newest, anyBeside, newestBeside}
	for _, t := range trials {
		t.nodes, t.written = nodes, written.dial(nil)
		t.load = Load{
			Conns: []*grpc.ClientConn{asked.dial(t.level)}, Op: Check, Callers: callers, Duration: length,
			Questions: questions, Verify: callers,
		}
		t.run(b) // to warm up
		t.results, t.used = nil, 0
	}
	turns(b, rounds, len(trials), func(i int) { trials[i].run(b) })
	for _, t := range trials {
		verifyKept(b, questions.population, t.results)
		b.ReportMetric(median(each(t.results, perSecond)), t.name+"/s")
		b.ReportMetric(perCheck(t.used, t.results), t.name+"-cpu-us/check")
	}
	b.ReportMetric(newest.ratio(any), "ratio")
	b.ReportMetric(newestBeside.ratio(anyBeside), "ratio-beside-writes")
	b.ReportMetric(0, "ns/op")
}

func (t *levelTrial) run(b *testing.B) {
	b.Helper()
	before := processorTime(t.nodes)
	done := writeBeside(b, t.written, t.load.Questions, t.writes, t.load.Duration)
	r, err := t.load.Run(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	t.used += processorTime(t.nodes) - before
	t.results = append(t.results, r)
	done()
}

func (t *levelTrial) ratio(to *levelTrial) float64 {
	return medianRatio(each(t.results, perSecond), each(to.results, perSecond))
}

// turns calls each of n trials once a round, every other round backwards. There
// are as many rounds as -benchtime asks for, but at least some.
func turns(b *testing.B, least, n int, trial func(i int)) {
	b.Helper()
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for range max(b.N, least) {
		for _, i := range order {
			trial(i)
		}
		slices.Reverse(order)
	}
}

// each is f of each result.
func each(results []Result, f func(Result) float64) []float64 {
	var values []float64
	for _, r := range results {
		values = append(values, f(r))
	}
	return values
}

func perSecond(r Result) float64 { return r.PerSecond }

// perCheck is used time for each check, in microseconds.
func perCheck(used time.Duration, results []Result) float64 {
	var checks int64
	for _, r := range results {
		checks += r.Requests
	}
	return float64(used.Microseconds()) / float64(checks)
}

// medianRatio is the median of the ratios of a to o within each round.
func medianRatio(a, o []float64) float64 {
	var ratios []float64
	for i := range a {
		ratios = append(ratios, a[i]/o[i])
	}
	return median(ratios)
}

// verifyKept fails on a wrong answer among some hundreds of those that runs on p
// have kept.
func verifyKept(b *testing.B, p *Population, results []Result) {
	b.Helper()
	const most = 300
	var kept []Answered
	for _, r := range results {
		kept = append(kept, r.answers...)
	}
	if n := len(kept); n > most {
		for i := range most {
			kept[i] = kept[i*n/most]
		}
		kept = kept[:most]
	}
	if err := p.Verify(kept); err != nil {
		b.Fatal(err)
	}
}

// writeBeside writes at a rate over conn for some time. The function that it
// returns waits for the end and returns what came of it.
func writeBeside(b *testing.B, conn *grpc.ClientConn, questions *Questions, rate float64, length time.Duration) func() Result {
	if rate == 0 {
		return func() Result { return Result{} }
	}
	load := Load{Conns: []*grpc.ClientConn{conn}, Op: Write, Callers: 64, Rate: rate, Duration: length, Questions: questions}
	done := make(chan error, 1)
	var r Result
	go func() {
		var err error
		r, err = load.Run(b.Context())
		done <- err
	}()
	return func() Result {
		b.Helper()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		return r
	}
}
