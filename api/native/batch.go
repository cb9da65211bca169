package native

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/proto/codec"
)

// A batchCall is what one BatchCheck takes. It is used again once its answer has
// been written; one whose call ends otherwise is left to the collector.
type batchCall struct {
	asked     codec.Batch
	answer    batchAnswer
	questions []authz.Question
	results   []authz.BatchResult
}

// A batchAnswer is the answer of a batchCall on its way out.
type batchAnswer struct {
	codec.BatchAnswer
	call *batchCall
}

var batchCalls = sync.Pool{New: func() any { return newBatchCall() }}

func newBatchCall() *batchCall {
	c := &batchCall{}
	c.answer.call = c
	return c
}

// mostKept bounds the questions that a batchCall keeps room for.
const mostKept = 256

// written is called by the codec: nobody looks at the answer any more.
func (a *batchAnswer) written() {
	if c := a.call; cap(c.questions) <= mostKept && cap(c.asked.Items) <= mostKept {
		c.clear()
		batchCalls.Put(c)
	}
}

// clear lets go of what has been asked and answered, but for its memory.
func (c *batchCall) clear() {
	c.asked.Clear()
	c.answer.Clear()
	clear(c.questions)
	clear(c.results)
}

// serveBatch is the handler of BatchCheck: it answers several questions at one
// view.
func serveBatch(srv any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	c := batchCalls.Get().(*batchCall)
	if err := receive(&c.asked); err != nil {
		return nil, err
	}
	if err := srv.(*permissionServer).batch(ctx, &c.asked, &c.answer.BatchAnswer, c); err != nil {
		return nil, err
	}
	return &c.answer, nil
}

// batch answers r in out, with the room that c has for questions and results.
func (s *permissionServer) batch(ctx context.Context, r *codec.Batch, out *codec.BatchAnswer, c *batchCall) error {
	if err := c.translate(r); err != nil {
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
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	ctx, span := s.guard.tracer.Part(ctx, "check")
	p, err := s.service.Viewpoint(ctx, r.Tenant, asked)
	if err == nil {
		p.CheckAll(ctx, c.questions, contextual, c.results)
	}
	if span.Traced() {
		traceBatch(span, c.results, p, err)
	}
	if err != nil {
		return atConsistency(err, asked)
	}
	out.Results = slices.Grow(out.Results[:0], len(c.results))
	for i := range c.results {
		out.Results = append(out.Results, s.batchResult(i, &c.results[i]))
	}
	out.View = viewOf(&p)
	return nil
}

// translate makes room for the results and questions of r.
func (c *batchCall) translate(r *codec.Batch) error {
	n := len(r.Items)
	if n == 0 {
		return missing("items", "ask at least one question")
	}
	if n > maxItems {
		return tooMany("items", n, maxItems)
	}
	c.questions = slices.Grow(c.questions[:0], n)
	c.results = slices.Grow(c.results[:0], n)[:n]
	for i := range r.Items {
		q := &r.Items[i]
		field := ""
		if q.ContextJSON != "" {
			field = at("items", i) + ".context_json"
		}
		question, err := questionOf(field, q)
		if err != nil {
			return err
		}
		c.questions = append(c.questions, question)
	}
	return nil
}

func (s *permissionServer) batchResult(i int, r *authz.BatchResult) codec.Result {
	if r.Err != nil {
		return codec.Result{Error: s.guard.itemError(at("items", i), r.Err)}
	}
	return resultOf(&r.Answer)
}
