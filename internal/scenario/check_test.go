package scenario

import (
	"context"
	"testing"

	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// asking runs on a bare store and asks a checker of that size.
func asking(t *testing.T, maxCost int64, ask func(c *check.Checker, g *graph.Graph, v store.View, q *graph.Question) (graph.Answer, error)) Engine {
	t.Helper()
	c, err := check.New(check.Options{MaxCost: maxCost, Eager: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	d := NewDirect()
	d.Ask = func(g *graph.Graph, v store.View, q *graph.Question) (graph.Answer, error) { return ask(c, g, v, q) }
	return d
}

func once(c *check.Checker, g *graph.Graph, v store.View, q *graph.Question) (graph.Answer, error) {
	return c.Check(context.Background(), g, v, q)
}

// twice returns the answer of a cache that knows the question.
func twice(c *check.Checker, g *graph.Graph, v store.View, q *graph.Question) (graph.Answer, error) {
	if _, err := once(c, g, v, q); err != nil {
		return graph.Answer{}, err
	}
	c.Wait()
	return once(c, g, v, q)
}

func TestScenarios_CheckerCold(t *testing.T) {
	rerun(t, func(t *testing.T) Engine { return asking(t, 0, once) })
}

func TestScenarios_CheckerWarm(t *testing.T) {
	rerun(t, func(t *testing.T) Engine { return asking(t, 0, twice) })
}

func TestScenarios_CheckerOfOneEntry(t *testing.T) {
	rerun(t, func(t *testing.T) Engine { return asking(t, check.EntryCost, twice) })
}
