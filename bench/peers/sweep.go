package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pemba-authz/pemba/bench"
)

// sweep varies one parameter and measures checks at each of its values.
type sweep struct {
	Parameter string      `json:"parameter"` // one of parameters
	Rows      []sweepStep `json:"rows"`
	values    []int
}

// sweepStep is a row at one value.
type sweepStep struct {
	Value int `json:"value"`
	row
}

// parameters are what can be varied. Depth and members are those of the workload
// nested, whatever the others are measured with.
var parameters = []string{"callers", "tuples", "depth", "members", "writes"}

// parseSweep reads "callers=1,4,16" or "tuples=100k,1M".
func parseSweep(text string) (sweep, error) {
	name, list, ok := strings.Cut(text, "=")
	if !ok || !slices.Contains(parameters, name) {
		return sweep{}, fmt.Errorf("%q: write PARAMETER=VALUE,... with one of %s", text, strings.Join(parameters, ", "))
	}
	s := sweep{Parameter: name}
	for part := range strings.SplitSeq(list, ",") {
		n, err := parseNumber(part)
		if err != nil || n < 1 && name != "writes" {
			return s, fmt.Errorf("%q is no number for %s", part, name)
		}
		s.values = append(s.values, n)
	}
	return s, nil
}

// parseNumber reads 1000, 100k or 10M.
func parseNumber(text string) (int, error) {
	factor := 1
	for suffix, f := range map[string]int{"k": 1000, "M": 1_000_000} {
		if short, ok := strings.CutSuffix(text, suffix); ok {
			text, factor = short, f
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<40 {
		return 0, fmt.Errorf("%q is not a number such as 1000, 100k or 10M", text)
	}
	return n * factor, nil
}

// plan is the population at a value, and whether it is another one than base.
func (s *sweep) plan(base bench.Plan, value int) (bench.Plan, bool) {
	nested := bench.Plan{Workload: bench.Nested, Tuples: base.Tuples, Seed: base.Seed, Allowed: base.Allowed}
	if base.Workload == bench.Nested {
		nested = base
	}
	switch s.Parameter {
	case "tuples":
		base.Tuples = value
		base.Parts = 0
		if base.Members > value {
			base.Members = 0
		}
	case "depth":
		nested.Depth = value
		return nested, true
	case "members":
		nested.Members = value
		return nested, true
	}
	return base, s.Parameter == "tuples"
}

// title names the k-th row.
func (s *sweep) title(k int) string {
	return fmt.Sprintf("%s, %s = %d", s.Rows[k].Op, s.Parameter, s.Rows[k].Value)
}

// at is the point at a value.
func (s *sweep) at(base point, value int) point {
	switch s.Parameter {
	case "callers":
		base.Callers = value
	case "writes":
		base.WriteRate = float64(value)
	}
	return base
}

// run measures the sweep. prepare makes the meter for a plan.
func (s *sweep) run(ctx context.Context, base bench.Plan, at point, prepare func(context.Context, bench.Plan) (*meter, error)) error {
	var m *meter
	for _, value := range s.values {
		plan, another := s.plan(base, value)
		if m == nil || another {
			var err error
			if m, err = prepare(ctx, plan); err != nil {
				return fmt.Errorf("%s = %d: %w", s.Parameter, value, err)
			}
		}
		r, err := m.measure(ctx, s.at(at, value))
		if err != nil {
			return fmt.Errorf("%s = %d: %w", s.Parameter, value, err)
		}
		s.Rows = append(s.Rows, sweepStep{value, r})
	}
	return nil
}
