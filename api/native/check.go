package native

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/proto/codec"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// A checkCall is what one Check takes. It is used again once its answer has been
// written; one whose call ends otherwise is left to the collector.
type checkCall struct {
	asked  codec.Check
	answer checkAnswer
}

// A checkAnswer is the answer of a checkCall on its way out.
type checkAnswer struct {
	codec.Answer
	call *checkCall
}

var checkCalls = sync.Pool{New: func() any {
	c := &checkCall{}
	c.answer.call = c
	return c
}}

// written is called by the codec: nobody looks at the answer any more.
func (a *checkAnswer) written() {
	c := a.call
	c.asked, a.Answer = codec.Check{}, codec.Answer{}
	checkCalls.Put(c)
}

// serveCheck is the handler of Check: it answers one question.
func serveCheck(srv any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	c := checkCalls.Get().(*checkCall)
	if err := receive(&c.asked); err != nil {
		return nil, err
	}
	if err := srv.(*permissionServer).check(ctx, &c.asked, &c.answer.Answer); err != nil {
		return nil, err
	}
	return &c.answer, nil
}

// check answers r in out.
func (s *permissionServer) check(ctx context.Context, r *codec.Check, out *codec.Answer) error {
	question, err := checkOf(&r.Question)
	if err != nil {
		return err
	}
	contextual, err := tuplesOf("contextual_tuples", r.Contextual)
	if err != nil {
		return err
	}
	asked, err := consistencyOf(r.Consistency)
	if err != nil {
		return err
	}
	if asked.Level != authz.Any {
		var cancel context.CancelFunc
		ctx, cancel = s.bounded(ctx)
		defer cancel()
	}
	ctx, span := s.guard.tracer.Part(ctx, "check")
	var answer authz.Answer
	p, err := s.service.Viewpoint(ctx, r.Tenant, asked)
	if err == nil {
		answer, err = p.CheckWith(ctx, &question, contextual)
	}
	if span.Traced() {
		traceCheck(span, answer, p, err)
	}
	if err != nil {
		return atConsistency(err, asked)
	}
	out.Result = resultOf(&answer)
	out.View = viewOf(&p)
	return nil
}

// checkOf translates the question of a Check, or one that is answered like it.
func checkOf(q *codec.Question) (authz.Question, error) {
	switch {
	case !q.HasObject:
		return authz.Question{}, missing("object", "name the object that access is asked for")
	case q.Permission == "":
		return authz.Question{}, missingPermission()
	case !q.HasSubject:
		return authz.Question{}, missing("subject", "name who asks for access")
	}
	return questionOf("context_json", q)
}

// questionOf translates a question; contextField is the path of its context.
func questionOf(contextField string, q *codec.Question) (authz.Question, error) {
	context, err := contextOf(contextField, q.ContextJSON)
	return authz.Question{
		Object: tuple.Object{Type: q.ObjectType, ID: q.ObjectID}, Permission: q.Permission,
		Subject: plainSubject(q.SubjectType, q.SubjectID, q.SubjectRelation), Context: context,
	}, err
}

func missingPermission() error {
	return missing("permission", "name a permission or relation of the object's type")
}

// checkRequestOf translates a Check that is part of another request.
func checkRequestOf(m *pembav1.CheckRequest) (authz.CheckRequest, error) {
	var r codec.Check
	r.From(m)
	question, err := checkOf(&r.Question)
	if err != nil {
		return authz.CheckRequest{}, err
	}
	contextual, err := tuplesOf("contextual_tuples", r.Contextual)
	if err != nil {
		return authz.CheckRequest{}, err
	}
	consistency, err := consistencyOf(r.Consistency)
	if err != nil {
		return authz.CheckRequest{}, err
	}
	return authz.CheckRequest{Tenant: r.Tenant, Question: question, Contextual: contextual, Consistency: consistency}, nil
}

func newCheckReply(a *authz.CheckAnswer) *pembav1.CheckResponse {
	out := codec.Answer{Result: resultOf(&a.Answer), View: codec.View{Token: a.Token, HasTime: true}}
	out.Seconds, out.Nanos = seconds(a.Time)
	return out.Response()
}

func resultOf(a *authz.Answer) codec.Result {
	return codec.Result{Decision: decisionOf(a.Decision), Steps: count(a.Steps), Reads: count(a.Reads), Missing: a.Missing}
}

func viewOf(p *authz.Viewpoint) codec.View {
	v := codec.View{Token: p.Token, HasTime: true}
	v.Seconds, v.Nanos = seconds(p.Time)
	return v
}
