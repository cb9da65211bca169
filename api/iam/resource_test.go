package iam

import (
	"testing"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestClouds_LiveAndDie(t *testing.T) {
	s := open(t)
	op := must(s.clouds.Create(s.ctx, &resv1.CreateCloudRequest{OrganizationId: s.OrganizationID, Name: "second", Labels: map[string]string{"a": "b"}}))(t)
	made := response[*resv1.Cloud](t, op)
	if id := meta[*resv1.CreateCloudMetadata](t, op).GetCloudId(); id == "" || made.GetId() != id || made.GetOrganizationId() != s.OrganizationID || made.GetLabels()["a"] != "b" {
		t.Errorf("made %v", made)
	}
	op = must(s.clouds.Update(s.ctx, &resv1.UpdateCloudRequest{CloudId: made.GetId(), Description: "new", UpdateMask: mask("description", "name")}))(t)
	if got := response[*resv1.Cloud](t, op); got.GetDescription() != "new" || got.GetName() != "second" { // an empty name stays what it was
		t.Errorf("updated to %v", got)
	}
	if got := must(s.clouds.Get(s.ctx, &resv1.GetCloudRequest{CloudId: made.GetId()}))(t); got.GetDescription() != "new" {
		t.Errorf("read %v", got)
	}
	for _, r := range []*resv1.ListCloudsRequest{{Filter: `name="second"`}, {OrganizationId: s.OrganizationID, Filter: `name="second"`}} {
		if got := must(s.clouds.List(s.ctx, r))(t); len(got.GetClouds()) != 1 || got.GetClouds()[0].GetId() != made.GetId() {
			t.Errorf("%v: listed %v", r, got)
		}
	}
	if got := must(s.clouds.ListOperations(s.ctx, &resv1.ListCloudOperationsRequest{CloudId: made.GetId()}))(t); len(got.GetOperations()) < 2 {
		t.Errorf("listed %v", got)
	}
	op = must(s.clouds.Delete(s.ctx, &resv1.DeleteCloudRequest{CloudId: made.GetId(), DeleteAfter: &timestamppb.Timestamp{}}))(t)
	response[*emptypb.Empty](t, op)
	_, err := s.clouds.Get(s.ctx, &resv1.GetCloudRequest{CloudId: made.GetId()})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
}

func TestFolders_LiveAndDie(t *testing.T) {
	s := open(t)
	op := must(s.folders.Create(s.ctx, &resv1.CreateFolderRequest{CloudId: s.CloudID, Name: "second"}))(t)
	made := response[*resv1.Folder](t, op)
	if id := meta[*resv1.CreateFolderMetadata](t, op).GetFolderId(); id == "" || made.GetId() != id || made.GetCloudId() != s.CloudID || made.GetStatus() != resv1.Folder_ACTIVE {
		t.Errorf("made %v", made)
	}
	op = must(s.folders.Update(s.ctx, &resv1.UpdateFolderRequest{FolderId: made.GetId(), Name: "renamed"}))(t)
	if got := response[*resv1.Folder](t, op); got.GetName() != "renamed" {
		t.Errorf("updated to %v", got)
	}
	if got := must(s.folders.List(s.ctx, &resv1.ListFoldersRequest{CloudId: s.CloudID, Filter: `name="renamed"`}))(t); len(got.GetFolders()) != 1 {
		t.Errorf("listed %v", got)
	}
	if got := must(s.folders.ListOperations(s.ctx, &resv1.ListFolderOperationsRequest{FolderId: made.GetId()}))(t); len(got.GetOperations()) < 2 {
		t.Errorf("listed %v", got)
	}
	op = must(s.folders.Delete(s.ctx, &resv1.DeleteFolderRequest{FolderId: made.GetId(), DeleteAfter: timestamppb.Now()}))(t)
	response[*emptypb.Empty](t, op)
	_, err := s.folders.Get(s.ctx, &resv1.GetFolderRequest{FolderId: made.GetId()})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
}

func TestFolders_DeletionWaitsAndCanBeCancelled(t *testing.T) {
	s := open(t)
	id := response[*resv1.Folder](t, must(s.folders.Create(s.ctx, &resv1.CreateFolderRequest{CloudId: s.CloudID, Name: "second"}))(t)).GetId()
	state := func() resv1.Folder_Status {
		return must(s.folders.Get(s.ctx, &resv1.GetFolderRequest{FolderId: id}))(t).GetStatus()
	}
	op := must(s.folders.Delete(s.ctx, &resv1.DeleteFolderRequest{FolderId: id}))(t)
	packed := must(op.GetMetadata().UnmarshalNew())(t)
	wait := time.Until(packed.(*resv1.DeleteFolderMetadata).GetDeleteAfter().AsTime())
	if op.GetDone() || op.GetResult() != nil || wait < 23*time.Hour || wait > 24*time.Hour {
		t.Errorf("got %v, to be deleted in %v", op, wait)
	}
	if got := state(); got != resv1.Folder_PENDING_DELETION {
		t.Errorf("the folder is %v", got)
	}
	op = must(s.ops.Cancel(s.ctx, &operation.CancelOperationRequest{OperationId: op.GetId()}))(t)
	if !op.GetDone() || op.GetError().GetCode() != int32(codes.Canceled) {
		t.Errorf("got %v, want that it was canceled", op)
	}
	if got := state(); got != resv1.Folder_ACTIVE {
		t.Errorf("after it was cancelled, the folder is %v", got)
	}
}

func TestPolicies_AreNotThere(t *testing.T) {
	s := open(t)
	_, err := s.folders.BindAccessPolicy(s.ctx, nil)
	refused(t, err, "Unimplemented")
	_, err = s.clouds.ListAccessPolicyBindings(s.ctx, nil)
	refused(t, err, "Unimplemented")
	_, err = s.orgs.UnbindAccessPolicy(s.ctx, nil)
	refused(t, err, "Unimplemented")
}

func TestOrganizations_AreFoundAndUpdated(t *testing.T) {
	s := open(t)
	if got := must(s.orgs.List(s.ctx, &orgv1.ListOrganizationsRequest{}))(t); len(got.GetOrganizations()) != 1 || got.GetOrganizations()[0].GetId() != s.OrganizationID {
		t.Errorf("listed %v", got)
	}
	op := must(s.orgs.Update(s.ctx, &orgv1.UpdateOrganizationRequest{OrganizationId: s.OrganizationID, Title: "Works", UpdateMask: mask("title")}))(t)
	if got := response[*orgv1.Organization](t, op); got.GetTitle() != "Works" || got.GetName() == "" {
		t.Errorf("updated to %v", got)
	}
	if got := must(s.orgs.Get(s.ctx, &orgv1.GetOrganizationRequest{OrganizationId: s.OrganizationID}))(t); got.GetTitle() != "Works" || got.GetCreatedAt() == nil {
		t.Errorf("read %v", got)
	}
	if got := must(s.orgs.ListOperations(s.ctx, &orgv1.ListOrganizationOperationsRequest{OrganizationId: s.OrganizationID}))(t); len(got.GetOperations()) == 0 {
		t.Error("no operations are listed")
	}
}
