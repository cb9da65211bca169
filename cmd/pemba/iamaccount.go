package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
)

func (a *app) iamAccountCommand() *cobra.Command {
	return nouns("account", "Service accounts, which programs run as",
		a.accountListCommand(), a.accountGetCommand(), a.accountCreateCommand(), a.accountUpdateCommand(),
		a.accountSuspendCommand(), a.accountReactivateCommand(), a.accountDeleteCommand())
}

var newAccounts = iampb.NewServiceAccountServiceClient

func (a *app) accountListCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "list FOLDER", Short: "List the service accounts of a folder", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			return rows(a, "ID NAME STATUS DESCRIPTION", func(token string) ([]*iampb.ServiceAccount, string, error) {
				r, err := ask(ctx, s.call, newAccounts, iampb.ServiceAccountServiceClient.List,
					&iampb.ListServiceAccountsRequest{FolderId: args[0], PageSize: iamPage, PageToken: token})
				return r.GetServiceAccounts(), r.GetNextPageToken(), err
			}, func(m *iampb.ServiceAccount) []string {
				return []string{m.GetId(), m.GetName(), accountStatus(m), m.GetDescription()}
			})
		})
}

func accountStatus(m *iampb.ServiceAccount) string { return strings.ToLower(m.GetStatus().String()) }

func (a *app) accountGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get ID", Short: "Print a service account", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			m, err := ask(ctx, s.call, newAccounts, iampb.ServiceAccountServiceClient.Get, &iampb.GetServiceAccountRequest{ServiceAccountId: args[0]})
			if err != nil {
				return err
			}
			return a.facts(m, "id", m.GetId(), "name", m.GetName(), "folder", m.GetFolderId(), "status", accountStatus(m),
				"expires", momentText(m.GetExpiresAt()), "description", m.GetDescription(), "labels", labelsText(m.GetLabels()),
				"created", momentText(m.GetCreatedAt()))
		})
}

func (a *app) accountCreateCommand() *cobra.Command {
	var about aboutFlags
	var folder string
	cmd := a.identified(&cobra.Command{
		Use: "create NAME --folder FOLDER", Short: "Create a service account; print its id",
		Example: "  pemba iam account create ci --folder b1g0123456789abcdefg --expires-at 2030-01-31T00:00:00Z",
		Args:    exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		expires, err := about.expiry()
		if err != nil {
			return err
		}
		op, err := outcome(ctx, s, "creating the account", newAccounts, iampb.ServiceAccountServiceClient.Create, &iampb.CreateServiceAccountRequest{
			FolderId: folder, Name: args[0], Description: about.description, Labels: about.labels, ExpiresAt: expires,
		})
		return printMade(a, op, err, &iampb.ServiceAccount{})
	})
	about.add(cmd)
	about.addExpiry(cmd)
	cmd.Flags().StringVar(&folder, "folder", "", "`ID` of the folder that it stands in")
	return needing(cmd, "folder")
}

func (a *app) accountUpdateCommand() *cobra.Command {
	var about aboutFlags
	cmd := a.identified(&cobra.Command{Use: "update ID", Short: "Change what is said about a service account", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			mask, err := about.mask()
			if err != nil {
				return err
			}
			expires, err := about.expiry()
			if err != nil {
				return err
			}
			return a.printOperation(outcome(ctx, s, "updating the account", newAccounts, iampb.ServiceAccountServiceClient.Update, &iampb.UpdateServiceAccountRequest{
				ServiceAccountId: args[0], UpdateMask: mask, Name: about.name, Description: about.description, Labels: about.labels, ExpiresAt: expires,
			}))
		})
	about.addUpdate(cmd)
	about.addExpiry(cmd)
	return cmd
}

func (a *app) accountSuspendCommand() *cobra.Command {
	var reason string
	cmd := a.accountChange("suspend ID", "Let a service account not authenticate, with any token or key", func(ctx context.Context, s *servers, id string) (*operationpb.Operation, error) {
		return outcome(ctx, s, "suspending the account", newAccounts, iampb.ServiceAccountServiceClient.Suspend,
			&iampb.SuspendServiceAccountRequest{ServiceAccountId: id, Reason: reason})
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

func (a *app) accountReactivateCommand() *cobra.Command {
	return a.accountChange("reactivate ID", "Let a suspended service account authenticate again", func(ctx context.Context, s *servers, id string) (*operationpb.Operation, error) {
		return outcome(ctx, s, "reactivating the account", newAccounts, iampb.ServiceAccountServiceClient.Reactivate,
			&iampb.ReactivateServiceAccountRequest{ServiceAccountId: id})
	})
}

func (a *app) accountDeleteCommand() *cobra.Command {
	return a.accountChange("delete ID", "Delete a service account with its keys and all that was granted to it", func(ctx context.Context, s *servers, id string) (*operationpb.Operation, error) {
		return outcome(ctx, s, "deleting the account", newAccounts, iampb.ServiceAccountServiceClient.Delete,
			&iampb.DeleteServiceAccountRequest{ServiceAccountId: id})
	})
}

// accountChange is a command that does something to one account.
func (a *app) accountChange(use, short string, do func(ctx context.Context, s *servers, id string) (*operationpb.Operation, error)) *cobra.Command {
	return a.identified(&cobra.Command{Use: use, Short: short, Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			return a.printOperation(do(ctx, s, args[0]))
		})
}
