package telemetry

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestBucketOf_IsTheFirstBoundThatIsNotBelow(t *testing.T) {
	all := Bounds()
	if len(all) != bounds || !slices.IsSorted(all) {
		t.Fatalf("%d bounds, %v", len(all), all)
	}
	random := rand.New(rand.NewPCG(1, 2))
	times := []int64{-1, 0, 1, 3_999, 4_000, 4_001, 6_000, 6_001, 8_000, 8_001, 24_000, 24_001, 32_000, 32_001, 1 << 62}
	for range 10_000 {
		times = append(times, random.Int64N(1<<(10+random.IntN(30))))
	}
	for _, ns := range times {
		want, found := slices.BinarySearch(all, float64((max(ns, 0)+999)/1000)/1e6)
		if _ = found; bucketOf(ns) != want {
			t.Fatalf("%d ns: bucket %d, want %d", ns, bucketOf(ns), want)
		}
	}
}

func TestMeter_CountsWhatBeganAndHowItEnded(t *testing.T) {
	m := &Meter{}
	a, _ := m.Method("s", "a", false), m.Method("s", "never", false)
	calls := []Call{a.Begin(), a.Begin(), a.Begin(), a.Begin()}
	calls[0].End(0)
	calls[1].End(14)
	calls[2].End(99)
	all := m.Stats()
	if len(all) != 1 {
		t.Fatalf("got %+v, want the one that was called", all)
	}
	s := all[0]
	if s.Service != "s" || s.Method != "a" || s.InFlight != 1 || s.Latency.Count() != 3 {
		t.Errorf("got %+v", s)
	}
	if s.Codes[0] != 1 || s.Codes[14] != 1 || s.Codes[16] != 1 {
		t.Errorf("got codes %v", s.Codes)
	}
	if s.Latency.Sum <= 0 || s.Latency.Sum > time.Minute.Seconds() {
		t.Errorf("got a sum of %v s", s.Latency.Sum)
	}
}

func TestMeter_IsNeverNegativeWhileCounting(t *testing.T) {
	m := &Meter{}
	method := m.Method("s", "a", false)
	var workers sync.WaitGroup
	const n, each = 4, 20_000
	for range n {
		workers.Go(func() {
			for i := range each {
				method.Begin().End(uint32(i % 2))
			}
		})
	}
	done := make(chan struct{})
	go func() { workers.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for _, s := range m.Stats() {
			if s.InFlight > n*each || s.Codes[0] > n*each { // what is negative is huge
				t.Fatalf("got %d in flight, %d OK", s.InFlight, s.Codes[0])
			}
		}
	}
	if s := m.Stats()[0]; s.Codes[0] != n*each/2 || s.Codes[1] != n*each/2 || s.InFlight != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestMeter_NilCountsNothing(t *testing.T) {
	var m *Meter
	m.Method("s", "a", false).Begin().End(0)
}

func TestMeter_AllocatesNothing(t *testing.T) {
	method := (&Meter{}).Method("s", "a", false)
	if n := testing.AllocsPerRun(1000, func() { method.Begin().End(0) }); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

func BenchmarkMeter(b *testing.B) {
	method := (&Meter{}).Method("s", "a", false)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			method.Begin().End(0)
		}
	})
}
