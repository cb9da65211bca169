package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Series is the runs of one operation with one number of callers. A ratio is
// taken within a round: machines drift, and only what was measured side by side
// is comparable.
type Series struct {
	Op      Op  `json:"op"`
	Callers int `json:"callers"`

	// Medians over the rounds.
	PerSecond      float64 `json:"per_second"`
	ItemsPerSecond float64 `json:"items_per_second"`
	P50            float64 `json:"p50_us"`
	P90            float64 `json:"p90_us"`
	P99            float64 `json:"p99_us"`
	P999           float64 `json:"p999_us"`
	Max            float64 `json:"max_us"`
	FirstP50       float64 `json:"first_result_p50_us,omitempty"`
	FirstP99       float64 `json:"first_result_p99_us,omitempty"`
	AllowedShare   float64 `json:"allowed_share,omitempty"`

	Against  Op      `json:"against,omitempty"` // the operation that the ratios are to, "" = none
	Ratio    float64 `json:"ratio,omitempty"`   // of items a second
	P99Ratio float64 `json:"p99_ratio,omitempty"`

	Refused  int64    `json:"refused,omitempty"`
	Unsent   int64    `json:"unsent,omitempty"`
	Behind   bool     `json:"behind,omitempty"` // in some round, the offered rate was not reached
	Verified int      `json:"verified"`         // answers that the reference agrees with
	Rounds   []Result `json:"rounds"`
	Parts    []Series `json:"parts,omitempty"` // of a mixed load, by operation
}

// Summarize returns what rounds of the same load come to, at least one.
func Summarize(rounds []Result) Series {
	s := Series{Rounds: rounds}
	s.summarize()
	return s
}

// Quantile is the latency, in microseconds, that a share of the requests of all
// rounds did not exceed, 0 <= share <= 1. It needs the rounds of this process.
func (s *Series) Quantile(share float64) float64 {
	all := newTimes()
	for i := range s.Rounds {
		if h := s.Rounds[i].times; h != nil {
			all.Merge(h)
		}
	}
	return float64(all.ValueAtQuantile(100 * share))
}

// Measure runs load as each of ops in turn, rounds times; every other round goes
// through them backwards. A shorter run of each before is not counted. Then the
// reference judges the answers that were sampled; one that it does not agree with
// is a *WrongAnswerError.
func Measure(ctx context.Context, load Load, ops []Op, rounds int) ([]Series, error) {
	verify := load.Verify
	load.Verify = 0
	warm := load
	warm.Duration, warm.Requests = min(load.Duration, time.Second), load.Requests/4
	if load.Duration <= 0 {
		warm.Requests = max(1, warm.Requests)
	}
	if warm.Rate <= 0 || warm.arrivals() > 0 {
		if _, err := runEach(ctx, warm, ops); err != nil {
			return nil, err
		}
	}
	series := make([]Series, len(ops))
	load.Verify = (verify + rounds - 1) / rounds
	order := slices.Clone(ops)
	for range rounds {
		results, err := runEach(ctx, load, order)
		if err != nil {
			return nil, err
		}
		for i, op := range ops {
			series[i].Rounds = append(series[i].Rounds, results[op])
		}
		slices.Reverse(order)
	}
	for i := range series {
		series[i].summarize()
		series[i].compare(series)
		if err := series[i].verify(load.Questions.population); err != nil {
			return nil, err
		}
	}
	return series, nil
}

func runEach(ctx context.Context, load Load, ops []Op) (map[Op]Result, error) {
	results := make(map[Op]Result, len(ops))
	for _, load.Op = range ops {
		r, err := load.Run(ctx)
		if err != nil {
			return nil, err
		}
		results[load.Op] = r
	}
	return results, nil
}

// verify judges the answers that the rounds sampled, and lets go of them.
func (s *Series) verify(p *Population) error {
	var answers []Answered
	for i := range s.Rounds {
		answers = append(answers, s.Rounds[i].answers...)
		s.Rounds[i].answers = nil
	}
	s.Verified = len(answers)
	if err := p.Verify(answers); err != nil {
		return fmt.Errorf("verify the answers to %s: %w", s.Op, err)
	}
	return nil
}

// summarize fills in what the rounds of s come to.
func (s *Series) summarize() {
	over := func(f func(*Result) float64) float64 {
		values := make([]float64, len(s.Rounds))
		for i := range s.Rounds {
			values[i] = f(&s.Rounds[i])
		}
		return median(values)
	}
	s.Op, s.Callers = s.Rounds[0].Op, s.Rounds[0].Callers
	s.PerSecond = over(func(r *Result) float64 { return r.PerSecond })
	s.ItemsPerSecond = over(func(r *Result) float64 { return r.ItemsPerSecond })
	s.P50 = over(func(r *Result) float64 { return float64(r.P50) })
	s.P90 = over(func(r *Result) float64 { return float64(r.P90) })
	s.P99 = over(func(r *Result) float64 { return float64(r.P99) })
	s.P999 = over(func(r *Result) float64 { return float64(r.P999) })
	s.Max = over(func(r *Result) float64 { return float64(r.Max) })
	s.AllowedShare = over(func(r *Result) float64 { return r.AllowedShare })
	if s.Rounds[0].First != nil {
		s.FirstP50 = over(func(r *Result) float64 { return float64(r.First.P50) })
		s.FirstP99 = over(func(r *Result) float64 { return float64(r.First.P99) })
	}
	for i := range s.Rounds {
		r := &s.Rounds[i]
		s.Refused, s.Unsent, s.Behind = s.Refused+r.Refused, s.Unsent+r.Unsent, s.Behind || r.Behind
	}
	for i := range s.Rounds[0].parts {
		part := Series{}
		for _, r := range s.Rounds {
			part.Rounds = append(part.Rounds, r.parts[i])
		}
		part.summarize()
		s.Parts = append(s.Parts, part)
	}
}

// compare fills in the ratios: to what the operation is compared with if that is among all,
// else to the first of all.
func (s *Series) compare(all []Series) {
	against := slices.IndexFunc(all, func(o Series) bool { return o.Rounds[0].Op == s.Op.Against() })
	switch {
	case against >= 0:
	case s.Op.IsEcho() || all[0].Rounds[0].Op == s.Op:
		return
	default:
		against = 0
	}
	base := all[against].Rounds
	s.Against = base[0].Op
	var ratios, p99s []float64
	for i := range s.Rounds {
		ratios = append(ratios, s.Rounds[i].ItemsPerSecond/max(base[i].ItemsPerSecond, 1))
		p99s = append(p99s, float64(s.Rounds[i].P99)/float64(max(base[i].P99, 1)))
	}
	s.Ratio, s.P99Ratio = median(ratios), median(p99s)
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}
