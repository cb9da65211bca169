package iam

import (
	"context"
	"time"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	core "github.com/pemba-authz/pemba/iam"
)

// tokenService serves iam.v1.IamTokenService.
type tokenService struct{ *door }

func (s tokenService) mounted() Mounted {
	return s.service("yandex.cloud.iam.v1.IamTokenService", "yandex/cloud/iam/v1/iam_token_service.proto",
		opened(rpc("Create", s.create)), rpc("CreateForServiceAccount", s.createFor), opened(rpc("Revoke", s.revoke)))
}

func (s tokenService) create(ctx context.Context, call *core.Call, r *iamv1.CreateIamTokenRequest) (*iamv1.CreateIamTokenResponse, error) {
	if _, ok := r.GetIdentity().(*iamv1.CreateIamTokenRequest_Jwt); !ok {
		return nil, unimplemented("this server has no OAuth tokens of users to exchange; send a JWT that is signed with a service account's authorized key")
	}
	return protoToken(call)(s.iam.CreateToken(ctx, call, r.GetJwt()))
}

func (s tokenService) createFor(ctx context.Context, call *core.Call, r *iamv1.CreateIamTokenForServiceAccountRequest) (*iamv1.CreateIamTokenResponse, error) {
	return protoToken(call)(s.iam.CreateTokenFor(ctx, call, r.GetServiceAccountId()))
}

// revoke needs no authentication but the token that it revokes.
func (s tokenService) revoke(ctx context.Context, call *core.Call, r *iamv1.RevokeIamTokenRequest) (*iamv1.RevokeIamTokenResponse, error) {
	of, seen, err := s.iam.RevokeToken(ctx, call, r.GetIamToken())
	if err != nil {
		return nil, err
	}
	call.Seen = seen
	return &iamv1.RevokeIamTokenResponse{SubjectId: of.ID}, nil
}

// protoToken translates a token that was made, and its expiry in Unix seconds.
func protoToken(call *core.Call) func(token string, expiresAt int64, seen string, err error) (*iamv1.CreateIamTokenResponse, error) {
	return func(token string, expiresAt int64, seen string, err error) (*iamv1.CreateIamTokenResponse, error) {
		if err != nil {
			return nil, err
		}
		call.Seen = seen
		return &iamv1.CreateIamTokenResponse{IamToken: token, ExpiresAt: timestamppb.New(time.Unix(expiresAt, 0))}, nil
	}
}
