package iam

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/proto/codec"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// accessDesc is AccessService with a handler for Authorize that does not make
// objects of the protobuf library. The server's codec must be pemba's.
func accessDesc() *grpc.ServiceDesc {
	desc := pb.AccessService_ServiceDesc
	desc.Methods = slices.Clone(desc.Methods)
	for i := range desc.Methods {
		if m := &desc.Methods[i]; m.MethodName == "Authorize" {
			m.Handler = serveAuthorize
		}
	}
	return &desc
}

// An authorizeCall is what one question takes. It is used again: answers hold
// nothing of it but texts.
type authorizeCall struct {
	asked   codec.Authorize
	request core.AuthorizeRequest
}

var authorizeCalls = sync.Pool{New: func() any { return new(authorizeCall) }}

func (c *authorizeCall) free() {
	c.asked.Clear()
	clear(c.request.Path)
	c.request = core.AuthorizeRequest{Path: c.request.Path[:0]}
	authorizeCalls.Put(c)
}

// serveAuthorize is the handler of Authorize: it answers one question.
func serveAuthorize(srv any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	c := authorizeCalls.Get().(*authorizeCall)
	if err := receive(&c.asked); err != nil {
		return nil, err
	}
	answer, err := srv.(*accessServer).authorize(ctx, c)
	c.free()
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (s *accessServer) authorize(ctx context.Context, c *authorizeCall) (*codec.Authorized, error) {
	ask := &c.request
	if err := askOf(ask, &c.asked); err != nil {
		return nil, err
	}
	if ask.Consistency.Level != authz.Any {
		var cancel context.CancelFunc
		ctx, cancel = s.door.bounded(ctx)
		defer cancel()
	}
	answer, err := s.door.iam.Authorize(ctx, ask)
	if err != nil {
		return nil, accessError(err, ask.Consistency)
	}
	out := &codec.Authorized{Decision: decisionOf(answer.Allowed), Caller: codecCaller(answer.Caller), Token: answer.Token}
	if ask.Explain {
		out.Path = pbResources(answer.Path)
		if answer.Binding != nil {
			out.Grant = pbGrant(*answer.Binding)
		}
	}
	return out, nil
}

// askOf translates a question.
func askOf(ask *core.AuthorizeRequest, r *codec.Authorize) (err error) {
	ask.Permission, ask.Explain = r.Permission, r.Explain
	switch r.Identity {
	case codec.ByToken:
		ask.Token, err = r.Token, checkToken(r.Token)
	case codec.BySubject:
		ask.Subject, err = givenSubject(r.SubjectType, r.SubjectID)
	case codec.Anonymous:
	default:
		err = noIdentity()
	}
	if err != nil {
		return err
	}
	if ask.Consistency, err = consistencyOf(r.Consistency); err != nil {
		return err
	}
	if len(r.Path) == 0 {
		return noPath("resource_path")
	}
	for i, x := range r.Path {
		if x.Kind == "" || x.ID == "" {
			return halfResource(at("resource_path", i))
		}
		ask.Path = append(ask.Path, core.Resource{Kind: x.Kind, ID: x.ID})
	}
	return nil
}

func codecCaller(c *core.Caller) codec.AuthorizedCaller {
	return codec.AuthorizedCaller{
		Given: true, HasSubject: c.Subject != core.Subject{}, HasImpersonator: c.Impersonator != core.Subject{},
		SubjectType: string(c.Subject.Type), SubjectID: c.Subject.ID,
		ImpersonatorType: string(c.Impersonator.Type), ImpersonatorID: c.Impersonator.ID,
		KeyID: c.KeyID, TokenID: c.TokenID, ExpiresAt: c.ExpiresAt,
	}
}
