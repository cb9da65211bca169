package iam

import (
	"context"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"

	core "github.com/pemba-authz/pemba/iam"
)

// accountService serves iam.v1.ServiceAccountService.
type accountService struct{ *door }

func (s accountService) mounted() Mounted {
	return s.service("yandex.cloud.iam.v1.ServiceAccountService", "yandex/cloud/iam/v1/service_account_service.proto",
		append(s.bindings(core.ServiceAccountKind),
			rpc("Get", s.get), rpc("List", s.list), rpc("Create", s.create), rpc("Update", s.update), rpc("Delete", s.delete),
			rpc("ListOperations", s.listOperations), rpc("Suspend", s.suspend), rpc("Reactivate", s.reactivate),
		)...)
}

func (s accountService) get(ctx context.Context, call *core.Call, r *iamv1.GetServiceAccountRequest) (*iamv1.ServiceAccount, error) {
	a, err := s.iam.Account(ctx, call, r.GetServiceAccountId())
	if err != nil {
		return nil, err
	}
	return protoAccount(a), nil
}

func (s accountService) list(ctx context.Context, call *core.Call, r *iamv1.ListServiceAccountsRequest) (*iamv1.ListServiceAccountsResponse, error) {
	name, err := nameIn(r.GetFilter())
	if err != nil {
		return nil, err
	}
	found, next, err := s.iam.Accounts(ctx, call, r.GetFolderId(), name, pageIn(r))
	return &iamv1.ListServiceAccountsResponse{ServiceAccounts: all(found, protoAccount), NextPageToken: next}, err
}

func (s accountService) create(ctx context.Context, call *core.Call, r *iamv1.CreateServiceAccountRequest) (*operation.Operation, error) {
	about := core.About{Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels()}
	op, err := s.iam.CreateAccount(ctx, call, r.GetFolderId(), about, timeOf(r.GetExpiresAt()))
	return operationOf(call, op, err)
}

func (s accountService) update(ctx context.Context, call *core.Call, r *iamv1.UpdateServiceAccountRequest) (*operation.Operation, error) {
	op, err := s.iam.UpdateAccount(ctx, call, core.AccountUpdate{
		ID: r.GetServiceAccountId(), About: core.About{Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels()},
		ExpiresAt: timeOf(r.GetExpiresAt()), Fields: updated(r),
	})
	return operationOf(call, op, err)
}

func (s accountService) delete(ctx context.Context, call *core.Call, r *iamv1.DeleteServiceAccountRequest) (*operation.Operation, error) {
	op, err := s.iam.DeleteAccount(ctx, call, r.GetServiceAccountId())
	return operationOf(call, op, err)
}

func (s accountService) listOperations(ctx context.Context, call *core.Call, r *iamv1.ListServiceAccountOperationsRequest) (*iamv1.ListServiceAccountOperationsResponse, error) {
	found, next, err := s.operationsOn(ctx, call, core.ServiceAccountKind, r.GetServiceAccountId(), r)
	return &iamv1.ListServiceAccountOperationsResponse{Operations: found, NextPageToken: next}, err
}

// suspend takes no expiry: whoever wants one sets the account's.
func (s accountService) suspend(ctx context.Context, call *core.Call, r *iamv1.SuspendServiceAccountRequest) (*operation.Operation, error) {
	if r.GetExpiresAt() != nil {
		return nil, unimplemented("suspending a service account does not change when it expires; use Update with expires_at for that")
	}
	op, err := s.iam.SuspendAccount(ctx, call, r.GetServiceAccountId())
	return operationOf(call, op, err)
}

func (s accountService) reactivate(ctx context.Context, call *core.Call, r *iamv1.ReactivateServiceAccountRequest) (*operation.Operation, error) {
	op, err := s.iam.ReactivateAccount(ctx, call, r.GetServiceAccountId())
	return operationOf(call, op, err)
}

func protoAccount(a *core.Account) *iamv1.ServiceAccount {
	state := iamv1.ServiceAccount_ACTIVE
	if a.Suspended {
		state = iamv1.ServiceAccount_SUSPENDED
	}
	return &iamv1.ServiceAccount{
		Id: a.ID, FolderId: a.FolderID, CreatedAt: protoTime(a.CreatedAt), Name: a.Name, Description: a.Description,
		Labels: a.Labels, Status: state, ExpiresAt: protoTime(a.ExpiresAt),
	}
}
