//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// BenchmarkCollector compares what Go's collector costs a node with a population
// with what it costs one that has the schema alone, by the processor time of its
// cycles, under the same checks: in turn, as many as 64 callers get answered. It
// then offers the full one, and one whose collector is off, 5,000 checks a second
// and shows their latencies: what they differ in is the collector's doing. Go
// takes the time of its workers from the clock, so the machine must be quiet.
//
//	PEMBA_BENCH_TUPLES=10000000 go test -run '^$' -bench Collector -benchtime 1x -timeout 1h ./bench
func BenchmarkCollector(b *testing.B) {
	p := planned(b, Plan{Workload: IAM, Tuples: benchTuples(b)})
	f := newFleet(b)
	full, empty, off := f.traced(p, "full", true, nil), f.traced(p, "empty", false, nil), f.traced(p, "off", true, map[string]string{"GOGC": "off"})
	load := Load{Op: Check, Callers: 64, Duration: 5 * time.Second, Questions: p.Questions(1, 0)}
	var costs [2][]float64 // ns of collection a check: full, empty
	for b.Loop() {
		for round := range trials {
			for i := range 2 {
				at := i ^ round&1
				s := []*process{full, empty}[at]
				before := s.collected()
				r := f.run(load, s)
				costs[at] = append(costs[at], float64((s.collected()-before).Nanoseconds())/float64(r.Items))
			}
		}
	}
	b.ReportMetric(median(costs[0]), "full-ns/check")
	b.ReportMetric(median(costs[1]), "empty-ns/check")
	b.ReportMetric(medianRatio(costs[0], costs[1]), "ratio")
	load.Rate, load.Duration = 5000, 10*time.Second
	for _, s := range []*process{off, full} {
		var p50, p999 []float64
		for range trials {
			r := f.run(load, s)
			p50, p999 = append(p50, float64(r.P50)), append(p999, float64(r.P999))
		}
		b.ReportMetric(median(p50), s.name+"-p50-µs")
		b.ReportMetric(median(p999), s.name+"-p99.9-µs")
	}
}

// traced starts a node that tells of its collections in its log, with a
// population or its schema alone.
func (f *fleet) traced(p *Population, name string, fill bool, env map[string]string) *process {
	f.b.Helper()
	all := map[string]string{"GODEBUG": "gctrace=1"}
	for key, value := range env {
		all[key] = value
	}
	s := f.startWith(all, name, freeAddr(f.b), "--admin-addr", "off", "--cache-size", "0")
	f.await("node "+name, func(ctx context.Context) error { return s.isReady(ctx, 1) })
	var err error
	if fill {
		_, err = p.Install(f.b.Context(), s.dial(nil), "")
	} else {
		err = p.writeSchema(f.b.Context(), s.dial(nil), "")
	}
	if err != nil {
		f.b.Fatal(err)
	}
	return s
}

func (f *fleet) run(load Load, s *process) Result {
	f.b.Helper()
	load.Conns = []*grpc.ClientConn{s.dial(nil)}
	r, err := load.Run(f.b.Context())
	if err != nil {
		f.b.Fatal(err)
	}
	return r
}

// gcTrace is the part of a collection's line with its processor time: "0.1+0.2/1.0/3.0+0.1
// ms cpu" are the sweep's end, what allocating goroutines did, dedicated and idle
// workers, and the mark's end.
var gcTrace = regexp.MustCompile(`(?m)^gc \d+ @.* clock, ([0-9.]+)\+([0-9.]+)/([0-9.]+)/[0-9.]+\+([0-9.]+) ms cpu`)

// collected is the processor time of the collections so far, but what idle
// processors did.
func (s *process) collected() time.Duration {
	s.b.Helper()
	log, err := os.ReadFile(s.log)
	if err != nil {
		s.b.Fatal(err)
	}
	return collectedIn(s.b, string(log))
}

func collectedIn(b testing.TB, log string) time.Duration {
	b.Helper()
	var sum float64 // ms
	for _, line := range gcTrace.FindAllStringSubmatch(log, -1) {
		for _, part := range line[1:] {
			var ms float64
			if _, err := fmt.Sscan(part, &ms); err != nil {
				b.Fatal(err)
			}
			sum += ms
		}
	}
	return time.Duration(sum * float64(time.Millisecond))
}

func TestCollectedIn_AddsWhatCyclesTook(t *testing.T) {
	log := strings.Join([]string{
		"gc 1 @0.012s 1%: 0.021+0.50+0.003 ms clock, 0.5+0.25/1.25/9.0+0.006 ms cpu, 4->4->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P",
		"something else", "scvg: 1",
		"gc 2 @0.030s 1%: 0.021+0.50+0.003 ms clock, 1+0/2/0+1 ms cpu, 4->4->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P",
	}, "\n")
	if got, want := collectedIn(t, log), 6006*time.Microsecond; got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
