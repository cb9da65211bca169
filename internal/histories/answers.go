//go:build linux

package histories

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/oracle"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// mostAsked bounds how many answers are compared with the oracle's, evenly
// spread over the history: it is slow.
const mostAsked = 4000

// wrongAnswers compares decisions with the oracle's, at the revision and the
// time of each answer.
func (v *verifier) wrongAnswers() []string {
	parsed, err := graph.Parse(schema)
	if err != nil {
		return []string{err.Error()}
	}
	world, err := oracle.NewWorld(parsed, nil)
	if err != nil {
		return []string{err.Error()}
	}
	asks := slices.DeleteFunc(slices.Clone(v.history.asks), func(a *ask) bool {
		return !inWorld(a.question.Object.Type)
	})
	slices.SortFunc(asks, func(a, b *ask) int { return cmp.Compare(a.rev, b.rev) })
	var out []string
	state := map[tuple.Key]tuple.Tuple{}
	next := 0
	for i, a := range asks {
		for ; next < len(v.log) && v.log[next].rev <= a.rev; next++ {
			applyWorld(state, v.log[next])
		}
		if len(asks) > mostAsked && i*mostAsked/len(asks) == (i+1)*mostAsked/len(asks) {
			continue
		}
		world.Tuples = world.Tuples[:0]
		for _, t := range state {
			world.Tuples = append(world.Tuples, t)
		}
		want := oracle.Solve(world, &a.question)[oracle.Atom{Object: a.question.Object, Relation: a.question.Permission}].Value()
		if got := valueOfDecision(a.decision); got != want {
			out = append(out, fmt.Sprintf("on %s %v, %s#%s for %s at revision %d and %v is %v, want %v", a.node, a.level,
				a.question.Object, a.question.Permission, a.question.Subjects[0], a.rev, time.Unix(0, a.question.Now).UTC(), got, want))
		}
	}
	return out
}

func applyWorld(state map[tuple.Key]tuple.Tuple, r revision) {
	for key, c := range r.changes {
		switch {
		case !inWorld(key.Object.Type):
		case !c.present:
			delete(state, key)
		default:
			state[key] = c.of(key)
		}
	}
}

func valueOfDecision(d pb.Decision) oracle.Value {
	switch d {
	case pb.Decision_DECISION_ALLOWED:
		return oracle.Allowed
	case pb.Decision_DECISION_CONDITIONAL:
		return oracle.Conditional
	case pb.Decision_DECISION_DENIED:
		return oracle.Denied
	}
	return oracle.Failed
}
