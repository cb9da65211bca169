package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency describes the latencies of a run, in microseconds.
type Latency struct {
	Mean float64 `json:"mean_us"`
	P50  int64   `json:"p50_us"`
	P90  int64   `json:"p90_us"`
	P99  int64   `json:"p99_us"`
	P999 int64   `json:"p999_us"`
	Max  int64   `json:"max_us"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	return Latency{
		Mean: h.Mean(),
		P50:  h.ValueAtQuantile(50),
		P90:  h.ValueAtQuantile(90),
		P99:  h.ValueAtQuantile(99),
		P999: h.ValueAtQuantile(99.9),
		Max:  h.Max(),
	}
}

// Result is one run of a Load. A request's latency lasts from when it was due to
// the end of its answer; that of an open loop includes the waiting for a caller.
type Result struct {
	Op             Op      `json:"op"`
	Callers        int     `json:"callers"`
	Requests       int64   `json:"requests"` // answered
	Items          int64   `json:"items"`    // checks, results of lists, or tuples written
	Seconds        float64 `json:"seconds"`
	PerSecond      float64 `json:"per_second"`
	ItemsPerSecond float64 `json:"items_per_second"`
	Latency

	First        *Latency `json:"first_result,omitempty"` // of lists: to the first result, or to the end of an empty list
	AllowedShare float64  `json:"allowed_share,omitempty"`
	Refused      int64    `json:"refused,omitempty"` // requests that the server had no room for; not in the latencies

	Offered float64 `json:"offered_per_second,omitempty"` // of an open loop
	Unsent  int64   `json:"unsent,omitempty"`             // of these, requests not begun at the end; in the latencies as far as they had waited
	Behind  bool    `json:"behind,omitempty"`             // the offered rate was not reached

	parts   []Result   // of a mixed run, by operation
	answers []Answered // sampled
	times   *hdrhistogram.Histogram
}

// Answers are those that were sampled, for Population.Verify.
func (r *Result) Answers() []Answered { return r.answers }

// result describes what t holds of a run that took some time.
func (t *tally) result(callers int, took time.Duration) Result {
	r := Result{
		Op: t.op, Callers: callers,
		Requests: t.requests, Items: t.items, Refused: t.refused,
		Seconds:        took.Seconds(),
		PerSecond:      float64(t.requests) / took.Seconds(),
		ItemsPerSecond: float64(t.items) / took.Seconds(),
		Latency:        latencyOf(t.times),
		times:          t.times,
	}
	if t.decided > 0 {
		r.AllowedShare = float64(t.allowed) / float64(t.decided)
	}
	if t.first != nil {
		first := latencyOf(t.first)
		r.First = &first
	}
	return r
}

// summarize merges the callers' tallies, each with one for every part, into the
// result of a run.
func (l *Load) summarize(p *pace, callers [][]*tally) Result {
	took := time.Since(p.start)
	if p.due != nil {
		// The last request is due before the end of the time that it stands for.
		took = max(took, time.Duration(l.at(l.arrivals())))
	}
	all := newTally(l.Op, sample{})
	parts := make([]*tally, len(callers[0]))
	for i := range parts {
		parts[i] = newTally(callers[0][i].op, sample{})
		for _, c := range callers {
			parts[i].merge(c[i])
		}
		all.merge(parts[i])
	}
	unsent := p.unsent(all)
	r := all.result(l.Callers, took)
	r.answers = all.sample.answers()
	if len(parts) > 1 {
		for _, part := range parts {
			r.parts = append(r.parts, part.result(l.Callers, took))
		}
	}
	if l.Rate > 0 {
		r.Offered, r.Unsent, r.Behind = l.Rate, unsent, p.behind(unsent)
	}
	return r
}
