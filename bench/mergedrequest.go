package bench

import (
	"context"
	"time"

	"github.com/pemba-authz/pemba/client"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// mergedRequest asks one question with package client's Check, which sends the
// questions of callers that share the client together.
type mergedRequest struct {
	client   *client.Client
	tenant   string
	source   *Source
	question Question
}

func (r *mergedRequest) prepare() { r.question = r.source.Next() }

func (r *mergedRequest) do(ctx context.Context, due time.Time, t *tally) error {
	q := &r.question
	answer, err := r.client.Check(ctx, client.CheckRequest{Tenant: r.tenant, Object: q.Object, Permission: q.Permission, Subject: q.Subject})
	if err != nil {
		return err
	}
	t.answered(due, 1)
	decision := mergedDecision(answer.Decision)
	t.decision(decision)
	t.sample.keep(Answered{r.question, t.op, decision})
	return nil
}

func mergedDecision(d client.Decision) pb.Decision {
	switch d {
	case client.Allowed:
		return pb.Decision_DECISION_ALLOWED
	case client.Conditional:
		return pb.Decision_DECISION_CONDITIONAL
	case client.Denied:
		return pb.Decision_DECISION_DENIED
	}
	return pb.Decision_DECISION_UNSPECIFIED
}

func (r *mergedRequest) String() string { return r.question.String() }
