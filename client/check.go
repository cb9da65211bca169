package client

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// A CheckRequest asks whether Subject has Permission on Object.
type CheckRequest struct {
	Tenant      string // "" = Config.Tenant
	Object      tuple.Object
	Permission  string // or relation
	Subject     tuple.Subject
	Context     map[string]any // values of caveat parameters
	Contextual  []tuple.Tuple  // count for this question as if they were stored
	Consistency Consistency
}

// An Answer is a decision and what it rests on.
type Answer struct {
	Decision Decision
	Missing  []string // with Conditional: the caveat parameters that would decide
	Steps    int      // what it cost
	Reads    int
	Token    string    // of the view that answered
	Time     time.Time // that expiries were compared with
}

// Allowed reports whether access is allowed. A conditional answer is not.
func (a Answer) Allowed() bool { return a.Decision == Allowed }

// A checkMessage is a question with its parts in one allocation.
type checkMessage struct {
	request pb.CheckRequest
	object  pb.Object
	subject pb.Subject
}

func (c *Client) checkMessage(r *CheckRequest, at Consistency) (*pb.CheckRequest, error) {
	m := &checkMessage{}
	m.object.Type, m.object.Id = r.Object.Type, r.Object.ID
	m.subject.Type, m.subject.Id, m.subject.Relation = r.Subject.Type, r.Subject.ID, r.Subject.Relation
	m.request.Tenant = c.tenant(r.Tenant)
	m.request.Object, m.request.Permission, m.request.Subject = &m.object, r.Permission, &m.subject
	m.request.ContextualTuples = tupleMessages(r.Contextual)
	m.request.Consistency = at.message()
	var err error
	m.request.ContextJson, err = contextText("context_json", r.Context)
	return &m.request, err
}

// Check answers one question. Without an error there is a decision. An error
// never means "denied", nor "allowed".
func (c *Client) Check(ctx context.Context, r CheckRequest) (Answer, error) {
	tenant := c.tenant(r.Tenant)
	at := c.consistency(tenant, r.Consistency)
	answer, err := c.checkAt(ctx, &r, at)
	if err != nil && at != r.Consistency && c.forgets(tenant, at, err) {
		return c.checkAt(ctx, &r, Latest())
	}
	return answer, err
}

// checkAt asks at a consistency.
func (c *Client) checkAt(ctx context.Context, r *CheckRequest, at Consistency) (Answer, error) {
	context, err := contextText("context_json", r.Context)
	if err != nil {
		return Answer{}, err
	}
	if c.merging && mergeable(ctx, r, context) {
		return c.checkMerged(ctx, r, at, context)
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	return c.checkOn(ctx, c.way(), r, at)
}

// Allowed is Check for those who want no more than yes or no: it is true if the
// subject has the permission whatever the context.
func (c *Client) Allowed(ctx context.Context, o tuple.Object, permission string, s tuple.Subject) (bool, error) {
	a, err := c.Check(ctx, CheckRequest{Object: o, Permission: permission, Subject: s})
	return err == nil && a.Allowed(), err
}

func answerFrom(p *pb.CheckResponse) (Answer, error) {
	a := Answer{
		Decision: decisionFrom(p.GetDecision()), Missing: p.GetMissingContext(),
		Steps: int(p.GetWork().GetSteps()), Reads: int(p.GetWork().GetReads()),
		Token: p.GetToken(), Time: p.GetDecisionTime().AsTime(),
	}
	return a, a.Decision.check()
}

// check refuses an answer without a decision, or with one of a later version.
func (d Decision) check() error {
	if d == NoDecision {
		return &Error{Code: codes.Internal, Reason: "NO_DECISION", Message: "the server's answer has no decision that this client knows"}
	}
	return nil
}

// remembering reads at the consistency that is asked for, or at least at this
// Client's newest write.
func (c *Client) remembering(tenant string, asked Consistency, read func(Consistency) error) error {
	tenant = c.tenant(tenant)
	at := c.consistency(tenant, asked)
	err := read(at)
	if err != nil && at != asked && c.forgets(tenant, at, err) {
		return read(Latest())
	}
	return err
}

// forgets drops the newest write, of at, if err says that the cluster does not
// know it any more, since it was restored or the tenant made anew. Then the
// newest view is what may be read instead.
func (c *Client) forgets(tenant string, at Consistency, err error) bool {
	switch reasonOf(err) {
	case "FOREIGN_TOKEN", "OLD_INCARNATION", "OTHER_TENANT", "TOKEN_AHEAD":
		c.tokens.forget(tenant, at.token)
		return true
	}
	return false
}

// A Question is one of a batch.
type Question struct {
	Object     tuple.Object
	Permission string
	Subject    tuple.Subject
	Context    map[string]any
}

// A BatchRequest is up to 1,000 questions, answered at one view and one time.
type BatchRequest struct {
	Tenant      string
	Questions   []Question
	Contextual  []tuple.Tuple // for all of them
	Consistency Consistency
}

// A BatchAnswer has one result for each question, in their order.
type BatchAnswer struct {
	Results []BatchResult
	Token   string
	Time    time.Time
}

// A BatchResult is the decision on one question, or why there is none.
type BatchResult struct {
	Decision Decision // NoDecision exactly if there is an error
	Missing  []string
	Steps    int
	Reads    int
	Err      error // an *Error
}

// Allowed reports whether access is allowed.
func (r BatchResult) Allowed() bool { return r.Err == nil && r.Decision == Allowed }

// BatchCheck answers several questions. One that fails does not fail the others.
func (c *Client) BatchCheck(ctx context.Context, r BatchRequest) (BatchAnswer, error) {
	var answer BatchAnswer
	err := c.remembering(r.Tenant, r.Consistency, func(at Consistency) error {
		message, err := c.batchMessage(&r, at)
		if err != nil {
			return err
		}
		reply, err := c.read(ctx, pb.PermissionService_BatchCheck_FullMethodName, message, new(pb.BatchCheckResponse))
		if err != nil {
			return err
		}
		answer, err = batchFrom(reply.(*pb.BatchCheckResponse), len(r.Questions))
		return err
	})
	return answer, err
}

func (c *Client) batchMessage(r *BatchRequest, at Consistency) (*pb.BatchCheckRequest, error) {
	m := &pb.BatchCheckRequest{
		Tenant: c.tenant(r.Tenant), ContextualTuples: tupleMessages(r.Contextual), Consistency: at.message(),
		Items: make([]*pb.BatchCheckItem, len(r.Questions)),
	}
	for i, q := range r.Questions {
		context, err := contextText("items.context_json", q.Context)
		if err != nil {
			return nil, err
		}
		m.Items[i] = &pb.BatchCheckItem{
			Object: objectMessage(q.Object), Permission: q.Permission, Subject: subjectMessage(q.Subject), ContextJson: context,
		}
	}
	return m, nil
}

func batchFrom(p *pb.BatchCheckResponse, questions int) (BatchAnswer, error) {
	a := BatchAnswer{Token: p.GetToken(), Time: p.GetDecisionTime().AsTime()}
	if len(p.GetResults()) != questions {
		return a, NoDecision.check()
	}
	a.Results = make([]BatchResult, questions)
	for i, r := range p.GetResults() {
		result := BatchResult{
			Decision: decisionFrom(r.GetDecision()), Missing: r.GetMissingContext(),
			Steps: int(r.GetWork().GetSteps()), Reads: int(r.GetWork().GetReads()),
		}
		switch {
		case r.GetError() != nil:
			result.Decision, result.Err = NoDecision, itemError("", r.GetError())
		case result.Decision == NoDecision:
			result.Err = NoDecision.check()
		}
		a.Results[i] = result
	}
	return a, nil
}
