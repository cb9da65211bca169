package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pemba-authz/pemba/iam"
	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func (a *app) iamOperationCommand() *cobra.Command {
	return nouns("operation", "Changes that were made, or are under way",
		a.operationListCommand(), a.operationGetCommand(), a.operationCancelCommand())
}

func (a *app) operationListCommand() *cobra.Command {
	return a.identified(&cobra.Command{
		Use: "list RESOURCE", Short: "List the operations on a resource, the newest first",
		Long: `List the operations of the last 14 days on an organization, cloud, folder, service
account, key or group, the newest first.`,
		Example: "  pemba iam operation list folder/b1g0123456789abcdefg",
		Args:    exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		on, err := parseResource(args[0])
		if err != nil {
			return err
		}
		page, ok := operationPages[on.GetKind()]
		if !ok {
			return fmt.Errorf("operations are listed of organizations, clouds, folders, accounts, keys and groups, not of %s", resourceText(on))
		}
		return rows(a, "ID CREATED WHAT STATE", func(token string) ([]*operationpb.Operation, string, error) {
			return page(ctx, s, on.GetId(), token)
		}, func(op *operationpb.Operation) []string {
			return []string{op.GetId(), momentText(op.GetCreatedAt()), op.GetDescription(), operationState(op)}
		})
	})
}

// operationPages ask for a page of the operations on a resource, by its kind.
var operationPages = map[string]func(ctx context.Context, s *servers, id, token string) ([]*operationpb.Operation, string, error){
	iam.OrganizationKind: func(ctx context.Context, s *servers, id, token string) ([]*operationpb.Operation, string, error) {
		r, err := ask(ctx, s.call, newOrganizations, ompb.OrganizationServiceClient.ListOperations,
			&ompb.ListOrganizationOperationsRequest{OrganizationId: id, PageSize: iamPage, PageToken: token})
		return r.GetOperations(), r.GetNextPageToken(), err
	},
	iam.CloudKind: func(ctx context.Context, s *servers, id, token string) ([]*operationpb.Operation, string, error) {
		r, err := ask(ctx, s.call, newClouds, rmpb.CloudServiceClient.ListOperations,
			&rmpb.ListCloudOperationsRequest{CloudId: id, PageSize: iamPage, PageToken: token})
		return r.GetOperations(), r.GetNextPageToken(), err
	},
	iam.FolderKind: func(ctx context.Context, s *servers, id, token string) ([]*operationpb.Operation, string, error) {
		r, err := ask(ctx, s.call, newFolders, rmpb.FolderServiceClient.ListOperations,
			&rmpb.ListFolderOperationsRequest{FolderId: id, PageSize: iamPage, PageToken: token})
		return r.GetOperations(), r.GetNextPageToken(), err
	},
	iam.ServiceAccountKind: func(ctx context.Context, s *servers, id, token string) ([]*operationpb.Operation, string, error) {
		r, err := ask(ctx, s.call, newAccounts, iampb.ServiceAccountServiceClient.ListOperations,
			&iampb.ListServiceAccountOperationsRequest{ServiceAccountId: id, PageSize: iamPage, PageToken: token})
		return r.GetOperations(), r.GetNextPageToken(), err
	},
	iam.KeyKind: func(ctx context.Context, s *servers, id, token string) ([]*operationpb.Operation, string, error) {
		r, err := ask(ctx, s.call, newKeys, iampb.KeyServiceClient.ListOperations,
			&iampb.ListKeyOperationsRequest{KeyId: id, PageSize: iamPage, PageToken: token})
		return r.GetOperations(), r.GetNextPageToken(), err
	},
	iam.GroupKind: func(ctx context.Context, s *servers, id, token string) ([]*operationpb.Operation, string, error) {
		r, err := ask(ctx, s.call, newGroups, ompb.GroupServiceClient.ListOperations,
			&ompb.ListGroupOperationsRequest{GroupId: id, PageSize: iamPage, PageToken: token})
		return r.GetOperations(), r.GetNextPageToken(), err
	},
}

// operationState says what became of an operation.
func operationState(op *operationpb.Operation) string {
	switch {
	case op.GetError() != nil:
		return "failed: " + op.GetError().GetMessage()
	case op.GetDone():
		return "done"
	}
	return "under way" + dueText(op)
}

// dueText says when an operation that waits begins: a deletion of a folder or
// cloud; "" = another one.
func dueText(op *operationpb.Operation) string {
	var due interface{ GetDeleteAfter() *timestamppb.Timestamp }
	if m, err := op.GetMetadata().UnmarshalNew(); err == nil {
		due, _ = m.(interface{ GetDeleteAfter() *timestamppb.Timestamp })
	}
	if due == nil || !due.GetDeleteAfter().AsTime().After(op.GetCreatedAt().AsTime()) {
		return ""
	}
	return ", begins at " + momentText(due.GetDeleteAfter())
}

func (a *app) operationGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get ID", Short: "Print an operation", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			op, err := ask(ctx, s.call, operationpb.NewOperationServiceClient, operationpb.OperationServiceClient.Get,
				&operationpb.GetOperationRequest{OperationId: args[0]})
			if err != nil {
				return err
			}
			return a.facts(op, "id", op.GetId(), "what", op.GetDescription(), "state", operationState(op), "by", op.GetCreatedBy(),
				"created", momentText(op.GetCreatedAt()), "modified", momentText(op.GetModifiedAt()))
		})
}

func (a *app) operationCancelCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "cancel ID", Short: "Cancel an operation that is under way: a deletion whose time has not come", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			op, err := askChange(ctx, s, "the cancellation", operationpb.NewOperationServiceClient, operationpb.OperationServiceClient.Cancel,
				&operationpb.CancelOperationRequest{OperationId: args[0]})
			return a.printChange(op, err) // which says that it failed: it was canceled
		})
}

func (a *app) iamRotateCommand() *cobra.Command {
	return a.identified(&cobra.Command{
		Use: "rotate-signing-key", Short: "Make a new key to sign IAM tokens with; those that are out stay valid", Args: exactArgs(0),
	}, func(ctx context.Context, s *servers, _ []string) error {
		reply, err := askChange(ctx, s, "the rotation", newAdmin, iamv1.AdminServiceClient.RotateSigningKey, &iamv1.RotateSigningKeyRequest{})
		return a.printChange(reply, err)
	})
}
