package main

import (
	"context"

	"github.com/spf13/cobra"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"

	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func (a *app) iamOperationCommand() *cobra.Command {
	return nouns("operation", "Changes that were made, or are under way", a.operationGetCommand(), a.operationCancelCommand())
}

func (a *app) operationGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get ID", Short: "Print an operation", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			op, err := ask(ctx, s.call, operationpb.NewOperationServiceClient, operationpb.OperationServiceClient.Get,
				&operationpb.GetOperationRequest{OperationId: args[0]})
			if err != nil {
				return err
			}
			state := "under way"
			switch {
			case op.GetError() != nil:
				state = "failed: " + op.GetError().GetMessage()
			case op.GetDone():
				state = "done"
			}
			return a.facts(op, "id", op.GetId(), "what", op.GetDescription(), "state", state, "by", op.GetCreatedBy(),
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
