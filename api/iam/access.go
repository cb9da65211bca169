package iam

import (
	"context"

	"github.com/pemba-authz/pemba/authz"
	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Limits that access_service.proto promises.
const (
	maxIAMToken         = 4096 // bytes
	maxConsistencyToken = 256  // bytes
)

// accessServer is pemba.iam.v1.AccessService. Its callers are services, which are
// admitted by the server's keys.
type accessServer struct {
	pb.UnimplementedAccessServiceServer
	door *door
}

func (d *door) accessService() Mounted {
	return Mounted{Desc: accessDesc(), Impl: &accessServer{door: d}, Question: true}
}

// Authenticate tells whose a token is.
func (s *accessServer) Authenticate(ctx context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	if err := checkToken(r.GetIamToken()); err != nil {
		return nil, err
	}
	at, err := consistencyOf(r.GetConsistency())
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.patient(ctx, at)
	defer cancel()
	c, err := s.door.iam.Authenticate(ctx, r.GetIamToken(), at)
	if err != nil {
		return nil, accessError(err, at)
	}
	return &pb.AuthenticateResponse{Caller: pbCaller(c)}, nil
}

// BulkAuthorize answers several questions.
func (s *accessServer) BulkAuthorize(ctx context.Context, r *pb.BulkAuthorizeRequest) (*pb.BulkAuthorizeResponse, error) {
	ask, err := bulkOf(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.patient(ctx, ask.Consistency)
	defer cancel()
	answer, err := s.door.iam.BulkAuthorize(ctx, ask)
	if err != nil {
		return nil, accessError(err, ask.Consistency)
	}
	out := &pb.BulkAuthorizeResponse{Allowed: true, Caller: pbCaller(answer.Caller), Token: answer.Token}
	for i := range answer.Results {
		result := &answer.Results[i]
		out.Allowed = out.Allowed && result.Allowed
		out.Results = append(out.Results, actionResult(result))
	}
	return out, nil
}

func actionResult(r *core.ActionResult) *pb.ActionResult {
	out := &pb.ActionResult{Decision: decisionOf(r.Allowed), Permission: r.Permission, ResourcePath: pbResources(r.Path), Index: uint32(r.Index)}
	if r.Binding != nil {
		out.Grant = pbGrant(*r.Binding)
	}
	return out
}

// patient gives a request that may wait a deadline, if its caller gave none.
func (s *accessServer) patient(ctx context.Context, at authz.Consistency) (context.Context, context.CancelFunc) {
	if at.Level == authz.Any {
		return ctx, func() {}
	}
	return s.door.bounded(ctx)
}

// bulkOf translates a BulkAuthorizeRequest.
func bulkOf(r *pb.BulkAuthorizeRequest) (*core.BulkRequest, error) {
	ask := &core.BulkRequest{Explain: r.GetExplain()}
	var err error
	switch who := r.GetIdentity().(type) {
	case *pb.BulkAuthorizeRequest_IamToken:
		ask.Token, err = who.IamToken, checkToken(who.IamToken)
	case *pb.BulkAuthorizeRequest_Subject:
		ask.Subject, err = givenSubject(who.Subject.GetType(), who.Subject.GetId())
	case *pb.BulkAuthorizeRequest_Anonymous:
	default:
		err = noIdentity()
	}
	if err != nil {
		return nil, err
	}
	switch r.GetResultFilter() {
	case pb.BulkAuthorizeRequest_RESULT_FILTER_UNSPECIFIED:
		ask.Filter = core.AllResults
	case pb.BulkAuthorizeRequest_RESULT_FILTER_FIRST_FAILED:
		ask.Filter = core.FirstFailed
	case pb.BulkAuthorizeRequest_RESULT_FILTER_ALL_FAILED:
		ask.Filter = core.AllFailed
	default:
		return nil, invalid("result_filter", "unknown filter", "leave it out, or ask for FIRST_FAILED or ALL_FAILED")
	}
	if ask.Consistency, err = consistencyOf(r.GetConsistency()); err != nil {
		return nil, err
	}
	return ask, questionsOf(r, ask)
}

// questionsOf translates the actions and the matrix of a request.
func questionsOf(r *pb.BulkAuthorizeRequest, ask *core.BulkRequest) error {
	for i, a := range r.GetActions() {
		path, err := pathOf(at("actions", i)+".resource_path", a.GetResourcePath())
		if err != nil {
			return err
		}
		ask.Actions = append(ask.Actions, core.Action{Permission: a.GetPermission(), Path: path})
	}
	ask.Permissions = r.GetMatrix().GetPermissions()
	for i, p := range r.GetMatrix().GetResourcePaths() {
		path, err := pathOf(at("matrix.resource_paths", i)+".path", p.GetPath())
		if err != nil {
			return err
		}
		ask.Paths = append(ask.Paths, path)
	}
	return nil
}

// decisionOf is the only way from a yes to DECISION_ALLOWED.
func decisionOf(allowed bool) pembav1.Decision {
	if allowed {
		return pembav1.Decision_DECISION_ALLOWED
	}
	return pembav1.Decision_DECISION_DENIED
}

func pbCaller(c *core.Caller) *pb.Caller {
	return &pb.Caller{
		Subject: pbSubject(c.Subject), Impersonator: pbSubject(c.Impersonator),
		KeyId: c.KeyID, TokenId: c.TokenID, ExpiresAt: c.ExpiresAt,
	}
}
