package main

import (
	"context"

	"github.com/spf13/cobra"

	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// newAdmin makes a client of what the vendor's API has no methods for.
var newAdmin = iamv1.NewAdminServiceClient

func (a *app) iamUserCommand() *cobra.Command {
	return nouns("user", "Users of an organization",
		a.userListCommand(), a.userGetCommand(), a.userAddCommand(), a.userRemoveCommand())
}

func (a *app) userListCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "list ORGANIZATION", Short: "List the users of an organization", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			return rows(a, "ID TYPE LOGIN EMAIL", func(token string) ([]*iamv1.User, string, error) {
				r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.ListUsers,
					&iamv1.ListUsersRequest{OrganizationId: args[0], PageSize: iamPage, PageToken: token})
				return r.GetUsers(), r.GetNextPageToken(), err
			}, func(u *iamv1.User) []string { return []string{u.GetId(), u.GetType(), u.GetLogin(), u.GetEmail()} })
		})
}

func (a *app) userGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get ID", Short: "Print a user", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.GetUser, &iamv1.GetUserRequest{UserId: args[0]})
			if err != nil {
				return err
			}
			return a.printUser(r.GetUser())
		})
}

func (a *app) printUser(u *iamv1.User) error {
	pairs := []string{"id", u.GetId(), "type", u.GetType(), "login", u.GetLogin(), "email", u.GetEmail(), "federation", u.GetFederationId()}
	for _, id := range u.GetOrganizationIds() {
		pairs = append(pairs, "organization", id)
	}
	return a.facts(u, append(pairs, "created", momentText(u.GetCreatedAt()))...)
}

func (a *app) userAddCommand() *cobra.Command {
	r := &iamv1.AddUserRequest{}
	cmd := a.identified(&cobra.Command{
		Use: "add LOGIN --organization ORGANIZATION", Short: "Add a user to an organization; print the id",
		Long: `Add a user to an organization, so that roles can be granted to him. With --federation
he is a federated user, and LOGIN is the name that the federation knows. Who he is
and how he authenticates is somebody else's: a service asks about him by his id.`,
		Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		r.Login = args[0]
		if r.FederationId != "" {
			r.Type = "federatedUser"
		}
		reply, err := askChange(ctx, s, "adding the user", newAdmin, iamv1.AdminServiceClient.AddUser, r)
		if err != nil {
			return err
		}
		return a.printMadeID(reply.GetUser(), reply.GetUser().GetId())
	})
	cmd.Flags().StringVar(&r.OrganizationId, "organization", "", "`ID` of the organization")
	cmd.Flags().StringVar(&r.Email, "email", "", "address of the user")
	cmd.Flags().StringVar(&r.FederationId, "federation", "", "`ID` of the federation that the user is of")
	return needing(cmd, "organization")
}

func (a *app) userRemoveCommand() *cobra.Command {
	var organization string
	cmd := a.identified(&cobra.Command{
		Use: "remove ID --organization ORGANIZATION", Short: "Remove a user from an organization, with all that was granted to him there",
		Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		reply, err := askChange(ctx, s, "removing the user", newAdmin, iamv1.AdminServiceClient.RemoveUser,
			&iamv1.RemoveUserRequest{OrganizationId: organization, UserId: args[0]})
		return a.printChange(reply, err)
	})
	cmd.Flags().StringVar(&organization, "organization", "", "`ID` of the organization")
	return needing(cmd, "organization")
}
