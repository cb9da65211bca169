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
}

// warm is not counted.
func (r *runner) warm(ctx context.Context) error {
	load := r.load
	load.Duration, load.Verify = min(r.duration, time.Second), 0
	_, err := load.Run(ctx)
	return r.explain(err)
}

func (r *runner) explain(err error) error {
	if err != nil {
		return fmt.Errorf("%s: %s: %w", r.system.name, r.point, err)
	}
	return nil
}

// run makes one run, with writes and whatever else beside it.
func (r *runner) run(ctx context.Context) error {
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
		return r.explain(err)
	}
	r.used, r.timed = r.used+after-before, timed
	r.rounds = append(r.rounds, result)
	return nil
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
	if r.system.pid == 0 {
		return 0, false
	}
	used, err := processorTime(r.system.pid)
	return used, err == nil
}

// figures sums the runs up, after the reference has judged the sampled answers.
func (r *runner) figures() (*figures, error) {
	verified := 0
	requests := int64(0)
	for i := range r.rounds {
		answers := r.rounds[i].Answers()
		if err := r.population.Verify(answers); err != nil {
			return nil, r.explain(err)
		}
		verified += len(answers)
		requests += r.rounds[i].Requests
	}
	s := bench.Summarize(r.rounds)
	f := &figures{
		PerSecond: s.PerSecond, Items: s.ItemsPerSecond, Allowed: s.AllowedShare, Refused: s.Refused,
		Behind: r.behind, Verified: verified,
		P50: s.Quantile(0.5), P95: s.Quantile(0.95), P99: s.Quantile(0.99), P999: s.Quantile(0.999),
	}
	for _, share := range shares {
		f.Distribution = append(f.Distribution, quantile{share, s.Quantile(share)})
	}
	if r.timed && requests > 0 {
		f.CPU = float64(r.used.Microseconds()) / float64(requests)
	}
	return f, nil
}
