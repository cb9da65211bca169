package bench

import (
	"context"
	"slices"
	"time"
)

// Comparison is alternating runs of echo and check with one number of callers.
// The ratios are check to echo of the same round: machines drift, and only what
// was measured side by side is comparable.
type Comparison struct {
	Callers int     `json:"callers"`
	Rounds  []Round `json:"rounds"`

	// Medians over the rounds.
	EchoPerSecond   float64 `json:"echo_per_second"`
	CheckPerSecond  float64 `json:"check_per_second"`
	ThroughputRatio float64 `json:"throughput_ratio"`
	EchoP99         float64 `json:"echo_p99_us"`
	CheckP99        float64 `json:"check_p99_us"`
	P99Ratio        float64 `json:"p99_ratio"`
	AllowedShare    float64 `json:"allowed_share"`
}

// Round is one run of each mode.
type Round struct {
	Echo  Result `json:"echo"`
	Check Result `json:"check"`
}

// Compare runs load as echo and as check in turn, rounds times; every other
// round begins with check. A shorter run of each mode before is not counted.
func Compare(ctx context.Context, load Load, rounds int) (Comparison, error) {
	warm := load
	warm.Duration, warm.Requests = min(load.Duration, time.Second), load.Requests/4
	if _, err := runPair(ctx, warm, false); err != nil {
		return Comparison{}, err
	}
	c := Comparison{Callers: load.Callers}
	for i := range rounds {
		round, err := runPair(ctx, load, i%2 == 1)
		if err != nil {
			return Comparison{}, err
		}
		c.Rounds = append(c.Rounds, round)
	}
	c.summarize()
	return c, nil
}

func runPair(ctx context.Context, load Load, checkFirst bool) (r Round, err error) {
	modes := []Mode{Echo, Check}
	if checkFirst {
		slices.Reverse(modes)
	}
	for _, m := range modes {
		load.Mode = m
		result, err := load.Run(ctx)
		if err != nil {
			return Round{}, err
		}
		if m == Echo {
			r.Echo = result
		} else {
			r.Check = result
		}
	}
	return r, nil
}

func (c *Comparison) summarize() {
	over := func(f func(Round) float64) float64 {
		var values []float64
		for _, r := range c.Rounds {
			values = append(values, f(r))
		}
		return median(values)
	}
	c.EchoPerSecond = over(func(r Round) float64 { return r.Echo.PerSecond })
	c.CheckPerSecond = over(func(r Round) float64 { return r.Check.PerSecond })
	c.ThroughputRatio = over(func(r Round) float64 { return r.Check.PerSecond / r.Echo.PerSecond })
	c.EchoP99 = over(func(r Round) float64 { return float64(r.Echo.P99) })
	c.CheckP99 = over(func(r Round) float64 { return float64(r.Check.P99) })
	c.P99Ratio = over(func(r Round) float64 { return float64(r.Check.P99) / float64(max(r.Echo.P99, 1)) })
	c.AllowedShare = over(func(r Round) float64 { return r.Check.AllowedShare })
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
