package native

import (
	"context"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/internal/telemetry"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A permissionServer is pemba.v1.PermissionService.
type permissionServer struct {
	pembav1.UnimplementedPermissionServiceServer
	base
	guard   guard
	checks  *telemetry.Method // questions of streams
	batches *telemetry.Method // batches of streams
	frames  *telemetry.Method // frames of streams
}

func newPermissionServer(b base, g guard) *permissionServer {
	service := pembav1.PermissionService_ServiceDesc.ServiceName
	return &permissionServer{
		base: b, guard: g,
		checks:  g.meter.Method(service, "StreamCheck/Check", false),
		batches: g.meter.Method(service, "StreamCheck/BatchCheck", false),
		frames:  g.meter.Method(service, "StreamCheck/Frame", false),
	}
}

// A checkReply is an answer with its parts in one allocation.
type checkReply struct {
	response pembav1.CheckResponse
	work     pembav1.Work
	time     timestamppb.Timestamp
}

// Check answers one question.
func (s *permissionServer) Check(ctx context.Context, r *pembav1.CheckRequest) (*pembav1.CheckResponse, error) {
	request, err := checkRequestOf(r)
	if err != nil {
		return nil, err
	}
	if request.Consistency.Level != authz.Any {
		var cancel context.CancelFunc
		ctx, cancel = s.bounded(ctx)
		defer cancel()
	}
	ctx, span := s.guard.tracer.Part(ctx, "check")
	answer, err := s.service.Check(ctx, request)
	if span.Traced() {
		traceCheck(span, answer, err)
	}
	if err != nil {
		return nil, atConsistency(err, request.Consistency)
	}
	return newCheckReply(&answer), nil
}

func checkRequestOf(r *pembav1.CheckRequest) (authz.CheckRequest, error) {
	question, err := questionOf(r.GetObject(), r.GetPermission(), r.GetSubject(), r.GetContextJson())
	if err != nil {
		return authz.CheckRequest{}, err
	}
	contextual, err := tuplesOf("contextual_tuples", r.GetContextualTuples())
	if err != nil {
		return authz.CheckRequest{}, err
	}
	consistency, err := consistencyOf(r.GetConsistency())
	if err != nil {
		return authz.CheckRequest{}, err
	}
	return authz.CheckRequest{Tenant: r.GetTenant(), Question: question, Contextual: contextual, Consistency: consistency}, nil
}

// questionOf translates the question of a Check, or one that is answered like it.
func questionOf(object *pembav1.Object, permission string, subject *pembav1.Subject, contextJSON string) (authz.Question, error) {
	switch {
	case object == nil:
		return authz.Question{}, missing("object", "name the object that access is asked for")
	case permission == "":
		return authz.Question{}, missingPermission()
	case subject == nil:
		return authz.Question{}, missing("subject", "name who asks for access")
	}
	context, err := contextOf("context_json", contextJSON)
	if err != nil {
		return authz.Question{}, err
	}
	return authz.Question{Object: objectOf(object), Permission: permission, Subject: subjectOf(subject), Context: context}, nil
}

func missingPermission() error {
	return missing("permission", "name a permission or relation of the object's type")
}

func newCheckReply(a *authz.CheckAnswer) *pembav1.CheckResponse {
	reply := &checkReply{}
	reply.time.Seconds, reply.time.Nanos = seconds(a.Time)
	reply.work.Steps, reply.work.Reads = count(a.Steps), count(a.Reads)
	reply.response.Decision = decisionOf(a.Decision)
	reply.response.MissingContext = a.Missing
	reply.response.Work = &reply.work
	reply.response.Token = a.Token
	reply.response.DecisionTime = &reply.time
	return &reply.response
}

// BatchCheck answers several questions at one view.
func (s *permissionServer) BatchCheck(ctx context.Context, r *pembav1.BatchCheckRequest) (*pembav1.BatchCheckResponse, error) {
	request, err := batchRequestOf(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	ctx, span := s.guard.tracer.Part(ctx, "check")
	answer, err := s.service.BatchCheck(ctx, request)
	if span.Traced() {
		traceBatch(span, answer, err)
	}
	if err != nil {
		return nil, atConsistency(err, request.Consistency)
	}
	reply := &pembav1.BatchCheckResponse{
		Results:      make([]*pembav1.BatchCheckResult, len(answer.Results)),
		Token:        answer.Token,
		DecisionTime: timestamppb.New(time.Unix(0, answer.Time)),
	}
	for i, result := range answer.Results {
		reply.Results[i] = s.resultOf(i, result)
	}
	return reply, nil
}

func batchRequestOf(r *pembav1.BatchCheckRequest) (authz.BatchRequest, error) {
	request := authz.BatchRequest{Tenant: r.GetTenant()}
	items := r.GetItems()
	if len(items) == 0 {
		return request, missing("items", "ask at least one question")
	}
	if len(items) > maxItems {
		return request, tooMany("items", len(items), maxItems)
	}
	request.Questions = make([]authz.Question, len(items))
	for i, item := range items {
		field := at("items", i)
		context, err := contextOf(field+".context_json", item.GetContextJson())
		if err != nil {
			return request, err
		}
		request.Questions[i] = authz.Question{
			Object:     objectOf(item.GetObject()),
			Permission: item.GetPermission(),
			Subject:    subjectOf(item.GetSubject()),
			Context:    context,
		}
	}
	var err error
	if request.Contextual, err = tuplesOf("contextual_tuples", r.GetContextualTuples()); err != nil {
		return request, err
	}
	request.Consistency, err = consistencyOf(r.GetConsistency())
	return request, err
}

func (s *permissionServer) resultOf(i int, result authz.BatchResult) *pembav1.BatchCheckResult {
	if result.Err != nil {
		return &pembav1.BatchCheckResult{Error: s.guard.itemError(at("items", i), result.Err)}
	}
	return &pembav1.BatchCheckResult{
		Decision:       decisionOf(result.Decision),
		MissingContext: result.Missing,
		Work:           &pembav1.Work{Steps: count(result.Steps), Reads: count(result.Reads)},
	}
}

// decisionOf translates a decision; one that it does not know is none.
func decisionOf(d authz.Decision) pembav1.Decision {
	switch d {
	case authz.Allowed:
		return pembav1.Decision_DECISION_ALLOWED
	case authz.Conditional:
		return pembav1.Decision_DECISION_CONDITIONAL
	case authz.Denied:
		return pembav1.Decision_DECISION_DENIED
	}
	return pembav1.Decision_DECISION_UNSPECIFIED
}

func count(n int) int32 { return int32(min(n, math.MaxInt32)) }

// seconds splits Unix nanoseconds as google.protobuf.Timestamp has them.
func seconds(ns int64) (s int64, rest int32) {
	s, rest = ns/1e9, int32(ns%1e9)
	if rest < 0 {
		s, rest = s-1, rest+1e9
	}
	return s, rest
}
