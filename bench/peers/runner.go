package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pemba-authz/pemba/bench"
)

// runner makes the runs of one system at one point.
type runner struct {
	*meter
	system *system
	point  point
	load   bench.Load
	rounds []bench.Result
	used   time.Duration // of processors by the server
	timed  bool          // used is known
	behind bool
	failed error // of the request that did; no run follows it
}

// warm is not counted.
func (r *runner) warm(ctx context.Context) {
	load := r.load
	load.Duration, load.Verify = min(r.duration, time.Second), 0
	_, r.failed = load.Run(ctx)
}

// run makes one run, with writes and whatever else beside it.
func (r *runner) run(ctx context.Context) {
	if r.failed != nil {
		return
	}
	beside, cancel := context.WithCancel(ctx)
	written := make(chan error, 1)
	go func() { written <- r.write(ctx) }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if r.during != nil {
			r.during(beside, r.system, r.point)
		}
	}()
	before, timed := r.processor()
	result, err := r.load.Run(ctx)
	after, _ := r.processor()
	cancel()
	<-done
	if writeErr := <-written; err == nil {
		err = writeErr
	}
	if err != nil {
		r.failed = err
		return
	}
	r.used, r.timed = r.used+after-before, timed
	r.rounds = append(r.rounds, result)
}

// write makes the point's writes for as long as a run takes.
func (r *runner) write(ctx context.Context) error {
	if r.point.WriteRate <= 0 {
		return nil
	}
	load := r.load
	load.Op, load.Rate, load.Callers, load.Batch, load.Verify = bench.Write, r.point.WriteRate, 32, 1, 0
	result, err := load.Run(ctx)
	r.behind = r.behind || result.Behind
	return err
}

func (r *runner) processor() (time.Duration, bool) {
	if len(r.system.pids) == 0 {
		return 0, false
	}
	used, err := processorTime(r.system.pids...)
	return used, err == nil
}

// judge lets the reference judge the sampled answers, and returns how many.
func (r *runner) judge() (int, error) {
	verified := 0
	for i := range r.rounds {
		answers := r.rounds[i].Answers()
		if err := r.population.Verify(answers); err != nil {
			return 0, fmt.Errorf("%s: %s: %w", r.system.name, r.point, err)
		}
		verified += len(answers)
	}
	return verified, nil
}

// figures sums the runs up, at least one.
func (r *runner) figures(verified int) *figures {
	requests := int64(0)
	for i := range r.rounds {
		requests += r.rounds[i].Requests
	}
	s := bench.Summarize(r.rounds)
	f := &figures{
		Requests:  requests,
		PerSecond: s.PerSecond, Items: s.ItemsPerSecond, Allowed: s.AllowedShare, Refused: s.Refused,
		Behind: r.behind, Verified: verified,
	}
	known := func(share float64) bool { return float64(requests)*(1-share) >= beyond-1e-6 }
	for _, q := range []struct {
		share float64
		to    *float64
	}{{0.5, &f.P50}, {0.95, &f.P95}, {0.99, &f.P99}, {0.999, &f.P999}} {
		if known(q.share) {
			*q.to = s.Quantile(q.share)
		}
	}
	if known(0.5) {
		f.FirstP50 = s.FirstP50
	}
	for _, share := range shares {
		if known(share) {
			f.Distribution = append(f.Distribution, quantile{share, s.Quantile(share)})
		}
	}
	if r.timed && requests > 0 {
		f.CPU = float64(r.used.Microseconds()) / float64(requests)
	}
	return f
}
