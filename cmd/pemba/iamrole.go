package main

import (
	"context"

	"github.com/spf13/cobra"

	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func (a *app) iamRoleCommand() *cobra.Command {
	return nouns("role", "Roles: those of the catalogue, and custom ones",
		a.roleListCommand(), a.roleGetCommand(), a.roleCreateCommand(), a.roleUpdateCommand(), a.roleDeleteCommand())
}

func (a *app) roleListCommand() *cobra.Command {
	r := &iamv1.ListRolesRequest{PageSize: iamPage}
	cmd := a.identified(&cobra.Command{
		Use: "list", Short: "List the roles of the catalogue and the custom ones of the caller's organizations", Args: exactArgs(0),
	}, func(ctx context.Context, s *servers, _ []string) error {
		return rows(a, "ID NAME DESCRIPTION", func(token string) ([]*iamv1.Role, string, error) {
			r.PageToken = token
			reply, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.ListRoles, r)
			return reply.GetRoles(), reply.GetNextPageToken(), err
		}, func(m *iamv1.Role) []string { return []string{m.GetId(), m.GetName(), m.GetDescription()} })
	})
	cmd.Flags().StringVar(&r.OrganizationId, "organization", "", "only custom roles of the organization with this `ID`")
	cmd.Flags().BoolVar(&r.Shipped, "shipped", false, "only roles of the catalogue")
	return cmd
}

func (a *app) roleGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{
		Use: "get ID", Short: "Print a role with its permissions", Example: "  pemba iam role get compute.editor", Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		reply, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.GetRole, &iamv1.GetRoleRequest{RoleId: args[0]})
		if err != nil {
			return err
		}
		return a.printRole(reply.GetRole())
	})
}

func (a *app) printRole(m *iamv1.Role) error {
	pairs := []string{
		"id", m.GetId(), "name", m.GetName(), "organization", m.GetOrganizationId(), "description", m.GetDescription(),
		"created", momentText(m.GetCreatedAt()),
	}
	for _, kind := range m.GetKinds() {
		pairs = append(pairs, "grantable on", kind)
	}
	for _, id := range m.GetIncludedRoleIds() {
		pairs = append(pairs, "includes", id)
	}
	for _, p := range m.GetPermissions() {
		pairs = append(pairs, "permits", p)
	}
	return a.facts(m, pairs...)
}

func (a *app) roleCreateCommand() *cobra.Command {
	r := &iamv1.CreateRoleRequest{}
	cmd := a.identified(&cobra.Command{
		Use: "create NAME --organization ORGANIZATION --permissions P,...", Short: "Create a custom role; print its id",
		Long: `Create a custom role of permissions that the caller holds on the organization. It can
be granted like any other, in that organization.`,
		Example: "  pemba iam role create deployer --organization bpf0123456789abcdefg --permissions compute.instances.update,compute.instances.restart",
		Args:    exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		r.Name = args[0]
		reply, err := askChange(ctx, s, "creating the role", newAdmin, iamv1.AdminServiceClient.CreateRole, r)
		if err != nil {
			return err
		}
		return a.printMadeID(reply.GetRole(), reply.GetRole().GetId())
	})
	cmd.Flags().StringVar(&r.OrganizationId, "organization", "", "`ID` of its organization")
	cmd.Flags().StringVar(&r.Description, "description", "", "what it is for, up to 256 characters")
	cmd.Flags().StringSliceVar(&r.Permissions, "permissions", nil, "what it permits, `PERMISSION,...`")
	return needing(cmd, "organization", "permissions")
}

func (a *app) roleUpdateCommand() *cobra.Command {
	r := &iamv1.UpdateRoleRequest{}
	var cmd *cobra.Command
	cmd = a.identified(&cobra.Command{Use: "update ID", Short: "Change a custom role", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			r.RoleId = args[0]
			for _, name := range []string{"name", "description", "permissions"} {
				if cmd.Flags().Changed(name) {
					r.Fields = append(r.Fields, name)
				}
			}
			if len(r.Fields) == 0 {
				return usage(cmd, "there is nothing to change: give a flag")
			}
			reply, err := askChange(ctx, s, "updating the role", newAdmin, iamv1.AdminServiceClient.UpdateRole, r)
			return a.printChange(reply, err)
		})
	cmd.Flags().StringVar(&r.Name, "name", "", "a new name")
	cmd.Flags().StringVar(&r.Description, "description", "", "what it is for, up to 256 characters")
	cmd.Flags().StringSliceVar(&r.Permissions, "permissions", nil, "all that it is to permit, `PERMISSION,...`")
	return cmd
}

func (a *app) roleDeleteCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "delete ID", Short: "Delete a custom role that is granted nowhere", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			reply, err := askChange(ctx, s, "deleting the role", newAdmin, iamv1.AdminServiceClient.DeleteRole, &iamv1.DeleteRoleRequest{RoleId: args[0]})
			return a.printChange(reply, err)
		})
}
