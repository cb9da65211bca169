package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// TestScenarios_VerbsAgree asks every question of every file in the other ways
// there are: both lists and the explanation must say what Check says.
func TestScenarios_VerbsAgree(t *testing.T) {
	asked := 0
	rerun(t, func(t *testing.T) Engine {
		d := NewDirect()
		d.Ask = func(g *graph.Graph, v store.View, q *graph.Question) (graph.Answer, error) {
			a, err := g.Check(context.Background(), v, q)
			if isAboutTheQuestion(err) {
				return a, err
			}
			asked++
			if len(q.Subjects) == 1 {
				agree(t, q, "list of subjects", a, err, fromSubjects(t, g, v, q))
			}
			agree(t, q, "list of objects", a, err, fromObjects(t, g, v, q))
			agree(t, q, "explanation", a, err, fromExplain(g, v, q))
			return a, err
		}
		return d
	})
	if asked < 200 {
		t.Errorf("only %d questions", asked)
	}
}

// isAboutTheQuestion tells errors that say nothing of what is stored.
func isAboutTheQuestion(err error) bool {
	var caveat *graph.CaveatError
	var cycle *graph.NegativeCycleError
	return err != nil && !errors.As(err, &caveat) && !errors.As(err, &cycle)
}

// told is what a verb says of a question.
type told struct {
	decision graph.Decision
	missing  []string
	failed   bool
}

func (x told) String() string { return fmt.Sprintf("%v %v failed=%v", x.decision, x.missing, x.failed) }

func agree(t *testing.T, q *graph.Question, verb string, a graph.Answer, err error, got told) {
	t.Helper()
	want := told{a.Decision, a.Missing, err != nil}
	if want.failed {
		want.decision, want.missing = graph.Denied, nil
	}
	if got.decision != want.decision || got.failed != want.failed || !slices.Equal(got.missing, want.missing) {
		t.Errorf("%s#%s@%v: check says %v, the %s %v", q.Object, q.Permission, q.Subjects, want, verb, got)
	}
}

func toldBy(listed []graph.Listed, id string) (told, bool) {
	for _, l := range listed {
		if l.ID == id {
			return told{l.Decision, l.Missing, l.Err != nil}, true
		}
	}
	return told{}, false
}

func fromObjects(t *testing.T, g *graph.Graph, v store.View, q *graph.Question) told {
	t.Helper()
	var all []graph.Listed
	_, err := g.ListObjects(context.Background(), v, &graph.ObjectsQuestion{
		Type: q.Object.Type, Permission: q.Permission, Subjects: q.Subjects, Context: q.Context, Contextual: q.Contextual, Now: q.Now, Limits: q.Limits,
	}, func(l graph.Listed) bool { all = append(all, l); return true })
	if err != nil {
		t.Errorf("list objects %s#%s@%v: %v", q.Object.Type, q.Permission, q.Subjects, err)
	}
	got, _ := toldBy(all, q.Object.ID)
	return got
}

// fromSubjects also knows whom a wildcard covers without a tuple of their own.
func fromSubjects(t *testing.T, g *graph.Graph, v store.View, q *graph.Question) told {
	t.Helper()
	s := q.Subjects[0]
	var all []graph.Listed
	_, err := g.ListSubjects(context.Background(), v, &graph.SubjectsQuestion{
		Object: q.Object, Permission: q.Permission, Type: s.Type, Relation: s.Relation, Context: q.Context, Contextual: q.Contextual, Now: q.Now, Limits: q.Limits,
	}, func(l graph.Listed) bool { all = append(all, l); return true })
	if err != nil {
		t.Errorf("list subjects %s#%s: %v", q.Object, q.Permission, err)
	}
	got, ok := toldBy(all, s.ID)
	if !ok {
		got, _ = toldBy(all, "*")
	}
	return got
}

func fromExplain(g *graph.Graph, v store.View, q *graph.Question) told {
	e, err := g.Explain(context.Background(), v, q)
	if e == nil {
		return told{failed: true}
	}
	return told{e.Decision, e.Missing, err != nil}
}
