package bench

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/oracle"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// WrongAnswerError says that a server answered otherwise than the reference.
type WrongAnswerError struct {
	Verified int      // answers
	Wrong    []string // those that differ, each with both decisions
}

func (e *WrongAnswerError) Error() string {
	const shown = 5
	return fmt.Sprintf("%d of %d answers are wrong (are schema and population those of this run? --load writes them): %s",
		len(e.Wrong), e.Verified, strings.Join(e.Wrong[:min(shown, len(e.Wrong))], "; "))
}

// Verify compares answers about p with those of a reference that shares no code
// with the walk: the oracle, over the tuples that a question can depend on, made
// anew by the generator. A difference is a *WrongAnswerError.
func (p *Population) Verify(answers []Answered) error {
	byPart := make(map[int][]Answered)
	for _, a := range answers {
		byPart[a.part] = append(byPart[a.part], a)
	}
	wrong := &WrongAnswerError{Verified: len(answers)}
	for _, part := range slices.Sorted(maps.Keys(byPart)) {
		r, err := p.reference(part)
		if err != nil {
			return err
		}
		for k, want := range r.decideAll(byPart[part]) {
			if a := byPart[part][k]; a.Decision != want {
				wrong.Wrong = append(wrong.Wrong, fmt.Sprintf("%s: %s says %s, the reference %s",
					a.Question, a.Op, decisionText(a.Decision), decisionText(want)))
			}
		}
	}
	if len(wrong.Wrong) > 0 {
		return wrong
	}
	return nil
}

func decisionText(d pb.Decision) string {
	return strings.ToLower(strings.TrimPrefix(d.String(), "DECISION_"))
}

// reference knows one part of a population.
type reference struct {
	world  *oracle.World // without tuples
	tuples func(tuple.Object) []tuple.Tuple
	leaf   map[string]bool // types without relations
}

func (p *Population) reference(part int) (*reference, error) {
	source, err := p.Schema()
	if err != nil {
		return nil, err
	}
	schema, err := graph.Parse(source)
	if err != nil {
		return nil, err
	}
	r := &reference{tuples: p.shape.facts(part), leaf: make(map[string]bool)}
	for _, d := range schema.Definitions {
		r.leaf[d.Name] = len(d.Relations) == 0
	}
	r.world, err = oracle.NewWorld(schema, nil)
	return r, err
}

// decideAll decides the questions of answers, on all processors.
func (r *reference) decideAll(answers []Answered) []pb.Decision {
	decisions := make([]pb.Decision, len(answers))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(answers)); i = next.Add(1) - 1 {
				decisions[i] = r.decide(&answers[i].Question)
			}
		})
	}
	wg.Wait()
	return decisions
}

// decide is the reference's answer to q.
func (r *reference) decide(q *Question) pb.Decision {
	world := *r.world
	world.Tuples = r.reachable(q)
	table := oracle.Solve(&world, &graph.Question{
		Object: q.Object, Permission: q.Permission, Subjects: []tuple.Subject{q.Subject}, Now: time.Now().UnixNano(),
	})
	switch table[oracle.Atom{Object: q.Object, Relation: q.Permission}].Value() {
	case oracle.Allowed:
		return pb.Decision_DECISION_ALLOWED
	case oracle.Denied:
		return pb.Decision_DECISION_DENIED
	case oracle.Conditional:
		return pb.Decision_DECISION_CONDITIONAL
	}
	return pb.Decision_DECISION_UNSPECIFIED
}

// reachable returns the tuples that the answer to q can depend on: those of q's
// object, of the subjects' objects of these, and so on. Somebody else than q's
// subject, of a type that nobody can have anything on, is left out.
func (r *reference) reachable(q *Question) []tuple.Tuple {
	var out []tuple.Tuple
	seen := map[tuple.Object]bool{q.Object: true}
	for open := []tuple.Object{q.Object}; len(open) > 0; {
		object := open[0]
		open = open[1:]
		for _, t := range r.tuples(object) {
			if r.leaf[t.Subject.Type] && t.Subject != q.Subject && !t.Subject.IsWildcard() {
				continue
			}
			out = append(out, t)
			if next := t.Subject.Object(); !seen[next] {
				seen[next] = true
				open = append(open, next)
			}
		}
	}
	return out
}
