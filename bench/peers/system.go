package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pemba-authz/pemba/bench"
)

// systemNames are the columns of every table, in order; those of systems that
// were not given stay empty.
var systemNames = []string{"pemba", "spicedb", "openfga"}

// A system is a server that takes part.
type system struct {
	name    string
	backend backend
	pid     int // of its process on this machine, 0 = not known
}

// figures are what a system reached at one point. All times are in microseconds.
type figures struct {
	PerSecond float64 `json:"per_second"` // requests
	Items     float64 `json:"items_per_second"`
	P50       float64 `json:"p50_us"`
	P95       float64 `json:"p95_us"`
	P99       float64 `json:"p99_us"`
	P999      float64 `json:"p999_us"`
	CPU       float64 `json:"cpu_us_per_request,omitempty"` // of the server's process, if that is known
	Allowed   float64 `json:"allowed_share,omitempty"`
	Refused   int64   `json:"refused,omitempty"`
	Behind    bool    `json:"behind,omitempty"` // the writes beside did not reach their rate
	Verified  int     `json:"verified,omitempty"`

	Distribution []quantile `json:"distribution"` // of the latencies of all rounds
}

// quantile is the latency that a share of the requests did not exceed.
type quantile struct {
	Share float64 `json:"share"`
	Time  float64 `json:"time_us"`
}

var shares = []float64{0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999}

// point is what is measured at a time.
type point struct {
	Op        bench.Op `json:"op"`
	Callers   int      `json:"callers"`
	WriteRate float64  `json:"writes_per_second,omitempty"` // requested beside
}

func (p point) String() string {
	text := fmt.Sprintf("%s, %d callers", p.Op, p.Callers)
	if p.WriteRate > 0 {
		text += fmt.Sprintf(", %g writes/s beside", p.WriteRate)
	}
	return text
}

// row is a point with each system's figures.
type row struct {
	point
	Systems map[string]*figures `json:"systems"`
}

// meter measures points of one population.
type meter struct {
	population *bench.Population
	systems    []*system
	duration   time.Duration
	rounds     int
	batch      int
	skew       float64
	verify     int // sampled answers of a point and system
	order      uint64
	during     func(ctx context.Context, s *system, p point) // runs beside each measured run, nil = nothing
}

// measure measures one point: after a short run of each, all systems in turn,
// every other round the other way round. Each system is asked the same questions
// in the same order.
func (m *meter) measure(ctx context.Context, p point) (row, error) {
	runs := make([]*runner, len(m.systems))
	for i, s := range m.systems {
		runs[i] = &runner{meter: m, system: s, point: p, load: m.load(s, p)}
		if err := runs[i].warm(ctx); err != nil {
			return row{}, err
		}
	}
	for round := range m.rounds {
		for i := range runs {
			if round%2 == 1 {
				i = len(runs) - 1 - i
			}
			if err := runs[i].run(ctx); err != nil {
				return row{}, err
			}
		}
	}
	r := row{point: p, Systems: make(map[string]*figures)}
	for _, run := range runs {
		f, err := run.figures()
		if err != nil {
			return row{}, err
		}
		r.Systems[run.system.name] = f
	}
	return r, nil
}

func (m *meter) load(s *system, p point) bench.Load {
	return bench.Load{
		Clients: s.backend.clients(), Op: p.Op, Callers: p.Callers, Duration: m.duration, Batch: m.batchOf(p.Op),
		Questions: m.population.Questions(m.order, m.skew), Verify: (m.verify + m.rounds - 1) / m.rounds,
	}
}

func (m *meter) batchOf(op bench.Op) int {
	if op == bench.Batch {
		return m.batch
	}
	return 0
}
