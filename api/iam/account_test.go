package iam

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestServiceAccounts_LiveAndDie(t *testing.T) {
	s := open(t)
	expires := timestamppb.New(time.Now().Add(time.Hour).Truncate(time.Second))
	op := must(s.accounts.Create(s.ctx, &iamv1.CreateServiceAccountRequest{
		FolderId: s.FolderID, Name: "robot", Description: "does it", Labels: map[string]string{"team": "ops"}, ExpiresAt: expires,
	}))(t)
	made := response[*iamv1.ServiceAccount](t, op)
	want := &iamv1.ServiceAccount{
		Id: meta[*iamv1.CreateServiceAccountMetadata](t, op).GetServiceAccountId(), FolderId: s.FolderID, CreatedAt: op.GetCreatedAt(), Name: "robot",
		Description: "does it", Labels: map[string]string{"team": "ops"}, Status: iamv1.ServiceAccount_ACTIVE, ExpiresAt: expires,
	}
	if diff := cmp.Diff(want, made, protocmp.Transform()); diff != "" || made.GetId() == "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	get := func() *iamv1.ServiceAccount {
		return must(s.accounts.Get(s.ctx, &iamv1.GetServiceAccountRequest{ServiceAccountId: made.GetId()}))(t)
	}
	if diff := cmp.Diff(want, get(), protocmp.Transform()); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}

	op = must(s.accounts.Update(s.ctx, &iamv1.UpdateServiceAccountRequest{
		ServiceAccountId: made.GetId(), UpdateMask: mask("name", "expires_at"), Name: "robot-2", Description: "not in the mask",
	}))(t)
	want.Name, want.ExpiresAt = "robot-2", nil
	if diff := cmp.Diff(want, response[*iamv1.ServiceAccount](t, op), protocmp.Transform()); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}

	op = must(s.accounts.Suspend(s.ctx, &iamv1.SuspendServiceAccountRequest{ServiceAccountId: made.GetId(), Reason: "idle"}))(t)
	response[*iamv1.SuspendServiceAccountResponse](t, op)
	if got := get().GetStatus(); got != iamv1.ServiceAccount_SUSPENDED {
		t.Errorf("suspended: status is %v", got)
	}
	op = must(s.accounts.Reactivate(s.ctx, &iamv1.ReactivateServiceAccountRequest{ServiceAccountId: made.GetId()}))(t)
	response[*iamv1.ReactivateServiceAccountResponse](t, op)
	if got := get().GetStatus(); got != iamv1.ServiceAccount_ACTIVE {
		t.Errorf("reactivated: status is %v", got)
	}

	ops := must(s.accounts.ListOperations(s.ctx, &iamv1.ListServiceAccountOperationsRequest{ServiceAccountId: made.GetId()}))(t)
	if n := len(ops.GetOperations()); n != 4 {
		t.Errorf("%d operations are listed, want 4", n)
	}
	op = must(s.accounts.Delete(s.ctx, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: made.GetId()}))(t)
	response[*emptypb.Empty](t, op)
	_, err := s.accounts.Get(s.ctx, &iamv1.GetServiceAccountRequest{ServiceAccountId: made.GetId()})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
}

func TestServiceAccounts_UpdateWithoutMaskIsOfEverything(t *testing.T) {
	s := open(t)
	id, _ := s.account(t, "robot")
	op := must(s.accounts.Update(s.ctx, &iamv1.UpdateServiceAccountRequest{ServiceAccountId: id, Name: "robot", Description: "new"}))(t)
	if got := response[*iamv1.ServiceAccount](t, op); got.GetDescription() != "new" || len(got.GetLabels()) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestServiceAccounts_ListByPagesAndByName(t *testing.T) {
	s := open(t)
	for _, name := range []string{"c", "a", "b"} {
		must(s.accounts.Create(s.ctx, &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: name}))(t)
	}
	var names []string
	page := &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID, PageSize: 2}
	for {
		got := must(s.accounts.List(s.ctx, page))(t)
		for _, a := range got.GetServiceAccounts() {
			names = append(names, a.GetName())
		}
		if page.PageToken = got.GetNextPageToken(); page.PageToken == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "a b c default" {
		t.Errorf("got %s", got)
	}
	one := must(s.accounts.List(s.ctx, &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID, Filter: `name="b"`}))(t)
	if len(one.GetServiceAccounts()) != 1 || one.GetServiceAccounts()[0].GetName() != "b" {
		t.Errorf("by name: got %v", one)
	}
}

func TestServiceAccounts_PageTokensAreOfOneList(t *testing.T) {
	s := open(t)
	s.account(t, "robot")
	got := must(s.accounts.List(s.ctx, &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID, PageSize: 1}))(t)
	for _, token := range []string{"x", got.GetNextPageToken() + "A", "B" + got.GetNextPageToken()[1:]} {
		_, err := s.accounts.List(s.ctx, &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID, PageToken: token})
		refused(t, err, "InvalidArgument INVALID_FIELD")
	}
	_, err := s.accounts.List(s.ctx, &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID, Filter: `name="robot"`, PageToken: got.GetNextPageToken()})
	refused(t, err, "InvalidArgument INVALID_FIELD")
	_, err = s.accounts.ListAccessBindings(s.ctx, &access.ListAccessBindingsRequest{ResourceId: s.AccountID, PageToken: got.GetNextPageToken()})
	refused(t, err, "InvalidArgument INVALID_FIELD")
}

func TestServiceAccounts_Refusals(t *testing.T) {
	s := open(t)
	id, ctx := s.account(t, "robot")
	_, err := s.accounts.Create(s.ctx, &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: "robot"})
	refused(t, err, "AlreadyExists RESOURCE_EXISTS")
	_, err = s.accounts.Create(s.ctx, &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: "Robot"})
	refused(t, err, "InvalidArgument INVALID_FIELD")
	_, err = s.accounts.Create(ctx, &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: "other"})
	refused(t, err, "PermissionDenied PERMISSION_DENIED")
	_, err = s.accounts.Create(s.ctx, &iamv1.CreateServiceAccountRequest{FolderId: "nowhere", Name: "other"})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
	_, err = s.accounts.Reactivate(s.ctx, &iamv1.ReactivateServiceAccountRequest{ServiceAccountId: id})
	refused(t, err, "FailedPrecondition ACCOUNT_STATE")
	_, err = s.accounts.Suspend(s.ctx, &iamv1.SuspendServiceAccountRequest{ServiceAccountId: id, ExpiresAt: timestamppb.Now()})
	refused(t, err, "Unimplemented")
	_, err = s.accounts.Update(s.ctx, &iamv1.UpdateServiceAccountRequest{ServiceAccountId: id, UpdateMask: mask("folder_id")})
	refused(t, err, "InvalidArgument INVALID_FIELD")
}
