package iam

import (
	"testing"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/protobuf/types/known/emptypb"

	core "github.com/pemba-authz/pemba/iam"
)

// group makes a group and returns its id.
func (s *site) group(t *testing.T, name string) string {
	t.Helper()
	op := must(s.groups.Create(s.ctx, &orgv1.CreateGroupRequest{OrganizationId: s.OrganizationID, Name: name}))(t)
	return response[*orgv1.Group](t, op).GetId()
}

// user makes a user of the organization and returns its id.
func (s *site) user(t *testing.T, login string) string {
	t.Helper()
	op, err := s.iam.AddUser(deadline(t), &core.Call{Token: s.token(t, s.key)}, s.OrganizationID, core.User{Type: core.UserAccount, Login: login, Email: login + "@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return op.User.ID
}

func TestGroups_LiveAndDie(t *testing.T) {
	s := open(t)
	id := s.group(t, "Ops.Team")
	op := must(s.groups.Update(s.ctx, &orgv1.UpdateGroupRequest{GroupId: id, Description: "on call", UpdateMask: mask("description")}))(t)
	if got := response[*orgv1.Group](t, op); got.GetDescription() != "on call" || got.GetName() != "Ops.Team" || got.GetOrganizationId() != s.OrganizationID {
		t.Errorf("updated to %v", got)
	}
	if got := must(s.groups.Get(s.ctx, &orgv1.GetGroupRequest{GroupId: id}))(t); got.GetDescription() != "on call" {
		t.Errorf("read %v", got)
	}
	if got := must(s.groups.List(s.ctx, &orgv1.ListGroupsRequest{OrganizationId: s.OrganizationID, Filter: `name="Ops.Team"`}))(t); len(got.GetGroups()) != 1 {
		t.Errorf("listed %v", got)
	}
	if got := must(s.groups.ListOperations(s.ctx, &orgv1.ListGroupOperationsRequest{GroupId: id}))(t); len(got.GetOperations()) != 2 {
		t.Errorf("listed %v", got)
	}
	op = must(s.groups.Delete(s.ctx, &orgv1.DeleteGroupRequest{GroupId: id}))(t)
	response[*emptypb.Empty](t, op)
	_, err := s.groups.Get(s.ctx, &orgv1.GetGroupRequest{GroupId: id})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
}

func TestGroups_MembersAreUsersAndAccountsByTheirIDs(t *testing.T) {
	s := open(t)
	id, user := s.group(t, "ops"), s.user(t, "ann")
	robot, _ := s.account(t, "robot")
	add := func(action orgv1.MemberDelta_MemberAction, ids ...string) {
		t.Helper()
		r := &orgv1.UpdateGroupMembersRequest{GroupId: id}
		for _, id := range ids {
			r.MemberDeltas = append(r.MemberDeltas, &orgv1.MemberDelta{Action: action, SubjectId: id})
		}
		response[*emptypb.Empty](t, must(s.groups.UpdateMembers(s.ctx, r))(t))
	}
	types := func() map[string]string {
		got := map[string]string{}
		for _, m := range must(s.groups.ListMembers(s.ctx, &orgv1.ListGroupMembersRequest{GroupId: id}))(t).GetMembers() {
			got[m.GetSubjectId()] = m.GetSubjectType()
		}
		return got
	}
	add(orgv1.MemberDelta_ADD, user, robot)
	if got := types(); len(got) != 2 || got[user] != "userAccount" || got[robot] != "serviceAccount" {
		t.Errorf("the members are %v", got)
	}
	add(orgv1.MemberDelta_REMOVE, user)
	if got := types(); len(got) != 1 || got[robot] == "" {
		t.Errorf("after one left, the members are %v", got)
	}
	_, err := s.groups.UpdateMembers(s.ctx, &orgv1.UpdateGroupMembersRequest{GroupId: id, MemberDeltas: []*orgv1.MemberDelta{{Action: orgv1.MemberDelta_ADD, SubjectId: "nobody"}}})
	if got := reasonless(err); got != "NotFound" && got != "FailedPrecondition" && got != "InvalidArgument" {
		t.Errorf("nobody was added: %v", err)
	}
}

func TestGroups_GiveTheirMembersWhatTheyHave(t *testing.T) {
	s := open(t)
	id := s.group(t, "ops")
	robot, ctx := s.account(t, "robot")
	must(s.groups.UpdateMembers(s.ctx, &orgv1.UpdateGroupMembersRequest{GroupId: id, MemberDeltas: []*orgv1.MemberDelta{{Action: orgv1.MemberDelta_ADD, SubjectId: robot}}}))(t)
	list := func() error {
		_, err := s.accounts.List(ctx, &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID})
		return err
	}
	refused(t, list(), "PermissionDenied PERMISSION_DENIED")
	s.grant(t, "viewer", "group", id)
	if err := list(); err != nil {
		t.Error(err)
	}
}

func TestGroups_HaveBindingsOfTheirOwn(t *testing.T) {
	s := open(t)
	id, user := s.group(t, "ops"), s.user(t, "ann")
	op := must(s.groups.UpdateAccessBindings(s.ctx, &access.UpdateAccessBindingsRequest{
		ResourceId: id, AccessBindingDeltas: []*access.AccessBindingDelta{added("viewer", "userAccount", user)},
	}))(t)
	if got := response[*access.AccessBindingsOperationResult](t, op); len(got.GetEffectiveDeltas()) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestGroups_OfOtherDirectoriesAreNotThere(t *testing.T) {
	s := open(t)
	_, err := s.groups.CreateExternal(s.ctx, nil)
	refused(t, err, "Unimplemented")
	_, err = s.groups.ListEffective(s.ctx, nil)
	refused(t, err, "Unimplemented")
}

func TestUsers_AreShownToWhoeverHasAuthenticated(t *testing.T) {
	s := open(t)
	id := s.user(t, "ann")
	_, ctx := s.account(t, "robot")
	for _, got := range []*iamv1.UserAccount{
		must(s.users.Get(ctx, &iamv1.GetUserAccountRequest{UserAccountId: id}))(t),
		must(s.logins.GetByLogin(ctx, &iamv1.GetUserAccountByLoginRequest{Login: "ann"}))(t),
	} {
		if p := got.GetYandexPassportUserAccount(); got.GetId() != id || p.GetLogin() != "ann" || p.GetDefaultEmail() != "ann@example.com" {
			t.Errorf("got %v", got)
		}
	}
	_, err := s.logins.GetByLogin(ctx, &iamv1.GetUserAccountByLoginRequest{Login: "nobody"})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
	_, err = s.users.Get(deadline(t), &iamv1.GetUserAccountRequest{UserAccountId: id})
	refused(t, err, "Unauthenticated NO_TOKEN")
}

func TestUsers_AreListedAndRemoved(t *testing.T) {
	s := open(t)
	id := s.user(t, "ann")
	got := must(s.members.ListMembers(s.ctx, &orgv1.ListMembersRequest{OrganizationId: s.OrganizationID}))(t)
	if u := got.GetUsers(); len(u) != 1 || u[0].GetSubjectClaims().GetSub() != id || u[0].GetSubjectClaims().GetEmail() != "ann@example.com" {
		t.Errorf("listed %v", got)
	}
	op := must(s.members.DeleteMembership(s.ctx, &orgv1.DeleteMembershipRequest{OrganizationId: s.OrganizationID, SubjectId: id}))(t)
	if got := response[*orgv1.DeleteMembershipResponse](t, op); got.GetSubjectId() != id || got.GetOrganizationId() != s.OrganizationID {
		t.Errorf("got %v", got)
	}
	_, err := s.users.Get(s.ctx, &iamv1.GetUserAccountRequest{UserAccountId: id})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
}

func TestUsers_WithoutSubjectTheMembershipIsTheCallers(t *testing.T) {
	s := open(t)
	_, err := s.members.DeleteMembership(s.ctx, &orgv1.DeleteMembershipRequest{OrganizationId: s.OrganizationID})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND") // a service account is a member of none
}
