package authz

import (
	"sync"

	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// together is how many questions of a batch go to the checker at a time.
const together = 16

// asked is the room for questions on their way to the checker. It is used again,
// so that a question allocates nothing.
type asked struct {
	questions [together]graph.Question
	subjects  [together]tuple.Subject
	results   [together]check.Result
}

var askeds = sync.Pool{New: func() any { return new(asked) }}

// put makes q the i-th of the questions.
func (a *asked) put(i int, p *Viewpoint, q *Question, contextual []tuple.Tuple) *graph.Question {
	a.subjects[i] = q.Subject
	subjects := a.subjects[i : i+1 : i+1]
	if len(q.Implied) > 0 {
		subjects = append(subjects, q.Implied...)
	}
	a.questions[i] = graph.Question{
		Object: q.Object, Permission: q.Permission, Subjects: subjects,
		Context: q.Context, Contextual: contextual, Now: p.Time, Limits: p.service.opts.Limits,
	}
	return &a.questions[i]
}

// release gives the room of n questions back, and what they referred to.
func (a *asked) release(n int) {
	clear(a.questions[:n])
	clear(a.subjects[:n])
	clear(a.results[:n])
	askeds.Put(a)
}
