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
	pids    []int // of its processes on this machine, without children; none = not known
}

// figures are what a system reached at one point. All times are in microseconds.
type figures struct {
	PerSecond float64 `json:"per_second"` // requests
	Items     float64 `json:"items_per_second"`
	Requests  int64   `json:"requests"`         // of all rounds
	P50       float64 `json:"p50_us,omitempty"` // of all rounds; 0 = too few requests to tell, here and below
	P95       float64 `json:"p95_us,omitempty"`
	P99       float64 `json:"p99_us,omitempty"`
	P999      float64 `json:"p999_us,omitempty"`
	FirstP50  float64 `json:"first_result_p50_us,omitempty"` // of lists, the median over the rounds
	CPU       float64 `json:"cpu_us_per_request,omitempty"`  // of the server's process, if that is known
	Allowed   float64 `json:"allowed_share,omitempty"`
	Refused   int64   `json:"refused,omitempty"`
	Behind    bool    `json:"behind,omitempty"` // the writes beside did not reach their rate
	Verified  int     `json:"verified,omitempty"`

	Distribution []quantile `json:"distribution"` // of the latencies of all rounds
}

// beyond is how many requests have to be slower than a quantile for it to be
// shown: the only slowest of a few says nothing about the next.
const beyond = 2

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
	if p.Callers == 1 {
		text = string(p.Op) + ", 1 caller"
	}
	if p.WriteRate > 0 {
		text += fmt.Sprintf(", %g writes/s beside", p.WriteRate)
	}
	return text
}

// row is a point with each system's figures.
type row struct {
	point
	Systems map[string]*figures `json:"systems"`
	Failed  map[string]string   `json:"failed,omitempty"` // systems that did not get through, and with what; they have no figures
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
// in the same order. A system with a request that fails drops out of this point;
// a wrong answer is an error.
func (m *meter) measure(ctx context.Context, p point) (row, error) {
	runs := make([]*runner, len(m.systems))
	for i, s := range m.systems {
		runs[i] = &runner{meter: m, system: s, point: p, load: m.load(s, p)}
		runs[i].warm(ctx)
	}
	for round := range m.rounds {
		for i := range runs {
			if round%2 == 1 {
				i = len(runs) - 1 - i
			}
			runs[i].run(ctx)
		}
	}
	if err := context.Cause(ctx); err != nil {
		return row{}, err
	}
	r := row{point: p, Systems: make(map[string]*figures), Failed: make(map[string]string)}
	for _, run := range runs {
		verified, err := run.judge()
		if err != nil {
			return row{}, err
		}
		if run.failed != nil {
			r.Failed[run.system.name] = run.failed.Error()
		} else {
			r.Systems[run.system.name] = run.figures(verified)
		}
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
