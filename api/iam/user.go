package iam

import (
	"context"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/oauth"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"

	core "github.com/pemba-authz/pemba/iam"
)

// userService serves the three services that show users: iam.v1's
// UserAccountService and YandexPassportUserAccountService, and
// organizationmanager.v1.UserService.
type userService struct{ *door }

func (s userService) mounted() []Mounted {
	return []Mounted{
		s.service("yandex.cloud.iam.v1.UserAccountService", "yandex/cloud/iam/v1/user_account_service.proto", rpc("Get", s.get)),
		s.service("yandex.cloud.iam.v1.YandexPassportUserAccountService", "yandex/cloud/iam/v1/yandex_passport_user_account_service.proto",
			rpc("GetByLogin", s.getByLogin)),
		s.service("yandex.cloud.organizationmanager.v1.UserService", "yandex/cloud/organizationmanager/v1/user_service.proto",
			rpc("ListMembers", s.listMembers), rpc("DeleteMembership", s.deleteMembership)),
	}
}

func (s userService) get(ctx context.Context, call *core.Call, r *iamv1.GetUserAccountRequest) (*iamv1.UserAccount, error) {
	return protoUser(s.iam.User(ctx, call, r.GetUserAccountId()))
}

func (s userService) getByLogin(ctx context.Context, call *core.Call, r *iamv1.GetUserAccountByLoginRequest) (*iamv1.UserAccount, error) {
	return protoUser(s.iam.UserByLogin(ctx, call, r.GetLogin()))
}

func (s userService) listMembers(ctx context.Context, call *core.Call, r *orgv1.ListMembersRequest) (*orgv1.ListMembersResponse, error) {
	found, next, err := s.iam.Users(ctx, call, r.GetOrganizationId(), pageIn(r))
	return &orgv1.ListMembersResponse{Users: all(found, protoMember), NextPageToken: next}, err
}

// deleteMembership ends the membership of whoever calls if it names nobody.
func (s userService) deleteMembership(ctx context.Context, call *core.Call, r *orgv1.DeleteMembershipRequest) (*operation.Operation, error) {
	id := r.GetSubjectId()
	if id == "" {
		caller, err := s.iam.Authenticate(ctx, call.Token, latest)
		if err != nil {
			return nil, err
		}
		id = caller.Subject.ID
	}
	op, err := s.iam.RemoveUser(ctx, call, r.GetOrganizationId(), id)
	return operationOf(call, op, err)
}

func protoUser(u *core.User, err error) (*iamv1.UserAccount, error) {
	if err != nil {
		return nil, err
	}
	out := &iamv1.UserAccount{Id: u.ID}
	if u.Type == core.FederatedUser {
		out.UserAccount = &iamv1.UserAccount_SamlUserAccount{SamlUserAccount: &iamv1.SamlUserAccount{FederationId: u.FederationID, NameId: u.Login}}
	} else {
		out.UserAccount = &iamv1.UserAccount_YandexPassportUserAccount{
			YandexPassportUserAccount: &iamv1.YandexPassportUserAccount{Login: u.Login, DefaultEmail: u.Email},
		}
	}
	return out, nil
}

func protoMember(u *core.User) *orgv1.ListMembersResponse_OrganizationUser {
	claims := &oauth.SubjectClaims{Sub: u.ID, PreferredUsername: u.Login, Email: u.Email, SubType: oauth.SubjectType_USER_ACCOUNT}
	if u.FederationID != "" {
		claims.Federation = &oauth.Federation{Id: u.FederationID}
	}
	return &orgv1.ListMembersResponse_OrganizationUser{SubjectClaims: claims}
}
