package scenario

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/oracle"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// TestScenarios_Oracle holds the oracle itself against what is written down.
func TestScenarios_Oracle(t *testing.T) {
	rerun(t, func(*testing.T) Engine {
		d := NewDirect()
		d.Ask = askOracle
		return unlimited{d}
	})
}

// unlimited is an engine that knows no limits.
type unlimited struct{ *Direct }

func (unlimited) Skips(d *datadriven.TestData) bool {
	return d.HasArg("depth") || d.HasArg("reads") || d.HasArg("contextual")
}

// askOracle takes from the walk only what is wrong with a question, and the
// names of missing context.
func askOracle(g *graph.Graph, v store.View, q *graph.Question) (graph.Answer, error) {
	if _, err := g.Resolve(v, q); err != nil {
		return graph.Answer{}, err
	}
	var tuples []tuple.Tuple
	for _, d := range g.Schema().Definitions {
		for t := range v.Tuples(tuple.Filter{Type: d.Name}) {
			tuples = append(tuples, t)
		}
	}
	w, err := oracle.NewWorld(g.Schema(), tuples)
	if err != nil {
		return graph.Answer{}, err
	}
	a, _ := g.Check(context.Background(), v, q)
	value := oracle.Solve(w, q)[oracle.Atom{Object: q.Object, Relation: q.Permission}].Value()
	if value == oracle.Failed {
		return graph.Answer{}, errors.New("undecided")
	}
	a.Decision = map[oracle.Value]graph.Decision{
		oracle.Denied: graph.Denied, oracle.Conditional: graph.Conditional, oracle.Allowed: graph.Allowed,
	}[value]
	return a, nil
}
