package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func (a *app) tenantCommand() *cobra.Command {
	cmd := group("tenant", "Create, list and delete tenants")
	cmd.AddCommand(a.tenantCreateCommand(), a.tenantListCommand(), a.tenantDeleteCommand())
	return cmd
}

func (a *app) tenantCreateCommand() *cobra.Command {
	return a.askingCluster(&cobra.Command{
		Use:   "create NAME",
		Short: "Create an empty tenant; print the token",
		Long: `Create an empty tenant: a schema and tuples of its own, which other commands name
with --tenant or $PEMBA_TENANT. A name is 1 to 64 letters, digits, "-", "_" and
".", the first of them a letter or a digit.`,
		Example: `  pemba tenant create acme
  pemba schema write --tenant acme schema.zed`,
		Args: exactArgs(1),
	}, a.createTenant)
}

func (a *app) createTenant(ctx context.Context, s *servers, args []string) error {
	reply, err := ask(ctx, s.call, pb.NewTenantServiceClient, pb.TenantServiceClient.CreateTenant, &pb.CreateTenantRequest{Name: args[0]})
	if err != nil {
		return s.inDoubt(err, "the tenant may or may not have been created; creating it again is safe")
	}
	if a.json {
		return printJSON(a.out, map[string]any{"token": reply.GetToken()})
	}
	_, err = fmt.Fprintln(a.out, reply.GetToken())
	return err
}

func (a *app) tenantListCommand() *cobra.Command {
	return a.askingCluster(&cobra.Command{
		Use:   "list",
		Short: "Print the tenants, one a line",
		Args:  exactArgs(0),
	}, a.listTenants)
}

// tenantJSON is a tenant as commands print it with --json.
type tenantJSON struct {
	Name        string `json:"name"`
	Incarnation uint64 `json:"incarnation"`
}

func (a *app) listTenants(ctx context.Context, s *servers, _ []string) error {
	const page = 1000
	request := &pb.ListTenantsRequest{PageSize: page}
	for {
		reply, err := ask(ctx, s.call, pb.NewTenantServiceClient, pb.TenantServiceClient.ListTenants, request)
		if err != nil {
			return err
		}
		for _, t := range reply.GetTenants() {
			if a.json {
				err = printJSON(a.out, tenantJSON{t.GetName(), t.GetIncarnation()})
			} else {
				_, err = fmt.Fprintln(a.out, t.GetName())
			}
			if err != nil {
				return err
			}
		}
		if request.PageToken = reply.GetNextPageToken(); request.PageToken == "" {
			return nil
		}
	}
}

func (a *app) tenantDeleteCommand() *cobra.Command {
	var yes bool
	cmd := a.askingCluster(&cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a tenant with its schema and all its tuples",
		Long: `Delete a tenant with its schema and all its tuples, at once and for ever. A tenant
that is created under the same name later is another one: tokens of the old one do
not fit it.`,
		Example: "  pemba tenant delete acme --yes",
		Args:    exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		if !yes {
			return fmt.Errorf("deleting tenant %q deletes its schema and all its tuples, at once and for ever; give --yes to do that", args[0])
		}
		_, err := ask(ctx, s.call, pb.NewTenantServiceClient, pb.TenantServiceClient.DeleteTenant, &pb.DeleteTenantRequest{Name: args[0]})
		if err != nil {
			return s.inDoubt(err, "the tenant may or may not have been deleted; deleting it again is safe")
		}
		return nil
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}
