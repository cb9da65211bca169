package iam

import (
	"context"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	core "github.com/pemba-authz/pemba/iam"
)

// folderService serves resourcemanager.v1.FolderService.
type folderService struct{ *door }

func (s folderService) mounted() Mounted {
	methods := append(s.bindings(core.FolderKind),
		rpc("Get", s.get), rpc("List", s.list), rpc("Create", s.create), rpc("Update", s.update), rpc("Delete", s.delete),
		rpc("ListOperations", s.listOperations))
	return s.service("yandex.cloud.resourcemanager.v1.FolderService", "yandex/cloud/resourcemanager/v1/folder_service.proto",
		append(methods, lacking(noPolicies, policyMethods...)...)...)
}

func (s folderService) get(ctx context.Context, call *core.Call, r *resv1.GetFolderRequest) (*resv1.Folder, error) {
	f, err := s.iam.Folder(ctx, call, r.GetFolderId())
	if err != nil {
		return nil, err
	}
	return protoFolder(f), nil
}

func (s folderService) list(ctx context.Context, call *core.Call, r *resv1.ListFoldersRequest) (*resv1.ListFoldersResponse, error) {
	name, err := nameIn(r.GetFilter())
	if err != nil {
		return nil, err
	}
	found, next, err := s.iam.Folders(ctx, call, r.GetCloudId(), name, pageIn(r))
	return &resv1.ListFoldersResponse{Folders: all(found, protoFolder), NextPageToken: next}, err
}

func (s folderService) create(ctx context.Context, call *core.Call, r *resv1.CreateFolderRequest) (*operation.Operation, error) {
	op, err := s.iam.CreateFolder(ctx, call, r.GetCloudId(), core.About{Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels()})
	return operationOf(call, op, err)
}

func (s folderService) update(ctx context.Context, call *core.Call, r *resv1.UpdateFolderRequest) (*operation.Operation, error) {
	op, err := s.iam.UpdateFolder(ctx, call, core.FolderUpdate{
		ID: r.GetFolderId(), About: core.About{Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels()}, Fields: updated(r),
	})
	return operationOf(call, op, err)
}

func (s folderService) delete(ctx context.Context, call *core.Call, r *resv1.DeleteFolderRequest) (*operation.Operation, error) {
	op, err := s.iam.DeleteFolder(ctx, call, r.GetFolderId(), deletionOf(r.GetDeleteAfter()))
	return operationOf(call, op, err)
}

func (s folderService) listOperations(ctx context.Context, call *core.Call, r *resv1.ListFolderOperationsRequest) (*resv1.ListFolderOperationsResponse, error) {
	found, next, err := s.operationsOn(ctx, call, core.FolderKind, r.GetFolderId(), r)
	return &resv1.ListFolderOperationsResponse{Operations: found, NextPageToken: next}, err
}

// deletionOf translates when to delete: 0 says that the request does not, and
// 1970 itself is a time that has passed like any other.
func deletionOf(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return max(timeOf(t), 1)
}

func protoFolder(f *core.Folder) *resv1.Folder {
	state := resv1.Folder_ACTIVE
	switch f.Status {
	case core.PendingDeletion:
		state = resv1.Folder_PENDING_DELETION
	case core.Deleting:
		state = resv1.Folder_DELETING
	}
	return &resv1.Folder{
		Id: f.ID, CloudId: f.CloudID, CreatedAt: protoTime(f.CreatedAt), Name: f.Name, Description: f.Description,
		Labels: f.Labels, Status: state,
	}
}
