package authz

import (
	"context"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// Decision is the answer to a question.
type Decision = graph.Decision

// The decisions.
const (
	Denied      = graph.Denied
	Conditional = graph.Conditional
	Allowed     = graph.Allowed
)

// Answer is a decision with its missing context and its cost.
type Answer = graph.Answer

// SubjectSet is a set of subjects that is asked about again and again.
type SubjectSet = graph.SubjectSet

// NewSubjectSet returns the set of some subjects, which it keeps: do not modify.
func NewSubjectSet(subjects ...tuple.Subject) *SubjectSet { return graph.NewSubjectSet(subjects...) }

// Question asks whether Subject has Permission on Object.
type Question struct {
	Object     tuple.Object
	Permission string
	Subject    tuple.Subject
	Implied    []tuple.Subject // further subjects that the caller also is, such as system groups
	Context    map[string]any  // as tuple.DecodeContext returns it
}

// CheckRequest is one question.
type CheckRequest struct {
	Tenant string // "" = DefaultTenant
	Question
	Contextual  []tuple.Tuple // facts of this request only
	Consistency Consistency
}

// CheckAnswer is the answer and what it rests on.
type CheckAnswer struct {
	Answer
	Token    string
	Revision uint64
	Time     int64 // at which expiries were judged, Unix nanoseconds
}

// Check answers one question. Every error is an *Error; no error means that
// the decision is complete.
func (s *Service) Check(ctx context.Context, r CheckRequest) (CheckAnswer, error) {
	p, err := s.Viewpoint(ctx, r.Tenant, r.Consistency)
	if err != nil {
		return CheckAnswer{}, err
	}
	a, err := p.CheckWith(ctx, &r.Question, r.Contextual)
	if err != nil {
		return CheckAnswer{}, err
	}
	return CheckAnswer{Answer: a, Token: p.Token, Revision: p.Revision(), Time: p.Time}, nil
}

// timeOf returns the time at which questions on v are decided: the later of
// the node's clock and the newest applied command's time.
func (s *Service) timeOf(v store.View) int64 { return max(s.opts.Now(), v.Time()) }

func (s *Service) question(q *Question, contextual []tuple.Tuple, now int64) graph.Question {
	return graph.Question{
		Object: q.Object, Permission: q.Permission,
		Subjects: append([]tuple.Subject{q.Subject}, q.Implied...),
		Context:  q.Context, Contextual: contextual, Now: now, Limits: s.opts.Limits,
	}
}

// BatchRequest is many questions on one view at one time.
type BatchRequest struct {
	Tenant      string
	Questions   []Question
	Contextual  []tuple.Tuple // for all of them
	Consistency Consistency
}

// BatchResult is the answer to one question, or why there is none.
type BatchResult struct {
	Answer
	Err error // an *Error, whose field is relative to the question
}

// BatchAnswer has one result per question, in their order.
type BatchAnswer struct {
	Results  []BatchResult
	Token    string
	Revision uint64
	Time     int64
}

// BatchCheck answers the questions at one view, each by itself.
func (s *Service) BatchCheck(ctx context.Context, r BatchRequest) (BatchAnswer, error) {
	p, err := s.Viewpoint(ctx, r.Tenant, r.Consistency)
	if err != nil {
		return BatchAnswer{}, err
	}
	out := BatchAnswer{Results: make([]BatchResult, len(r.Questions)), Token: p.Token, Revision: p.Revision(), Time: p.Time}
	p.CheckAll(ctx, r.Questions, r.Contextual, out.Results)
	return out, nil
}
