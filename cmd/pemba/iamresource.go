package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func (a *app) iamResourceCommand() *cobra.Command {
	return nouns("resource", "Resources of services: where they stand",
		a.resourceListCommand(), a.resourceGetCommand(), a.resourceRegisterCommand(), a.resourceUnregisterCommand())
}

func (a *app) resourceListCommand() *cobra.Command {
	return a.identified(&cobra.Command{
		Use: "list PARENT KIND", Short: "List the resources of a kind that stand in another",
		Example: "  pemba iam resource list folder/b1g0123456789abcdefg compute.instance",
		Args:    exactArgs(2),
	}, func(ctx context.Context, s *servers, args []string) error {
		parent, err := parseResource(args[0])
		if err != nil {
			return err
		}
		return rows(a, "RESOURCE ACCOUNT", func(token string) ([]*iamv1.PlacedResource, string, error) {
			r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.ListResources,
				&iamv1.ListResourcesRequest{Parent: parent, Kind: args[1], PageSize: iamPage, PageToken: token})
			return r.GetResources(), r.GetNextPageToken(), err
		}, func(p *iamv1.PlacedResource) []string {
			return []string{resourceText(p.GetResource()), p.GetServiceAccountId()}
		})
	})
}

func (a *app) resourceGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get RESOURCE", Short: "Print where a resource stands", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			on, err := parseResource(args[0])
			if err != nil {
				return err
			}
			r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.GetResource, &iamv1.GetResourceRequest{Resource: on})
			if err != nil {
				return err
			}
			p := r.GetResource()
			return a.facts(p, "resource", resourceText(p.GetResource()), "in", resourceText(p.GetParent()), "account", p.GetServiceAccountId())
		})
}

func (a *app) resourceRegisterCommand() *cobra.Command {
	var parent, account string
	cmd := a.identified(&cobra.Command{
		Use: "register RESOURCE --in PARENT", Short: "Say where a resource of a service stands",
		Long: `Say where a resource of a service stands, so that roles can be granted on it and what
is granted above it counts. --account names the service account that it runs as:
the caller must be allowed to use that, and it cannot be deleted meanwhile.`,
		Example: "  pemba iam resource register compute.instanceGroup/web --in folder/b1g0123456789abcdefg --account aje0123456789abcdefg",
		Args:    exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		on, err := parseResource(args[0])
		if err != nil {
			return err
		}
		in, err := parseResource(parent)
		if err != nil {
			return err
		}
		reply, err := askChange(ctx, s, "registering the resource", newAdmin, iamv1.AdminServiceClient.RegisterResource,
			&iamv1.RegisterResourceRequest{Resource: on, Parent: in, ServiceAccountId: account})
		return a.printChange(reply, err)
	})
	cmd.Flags().StringVar(&parent, "in", "", "`RESOURCE` that it stands in, as folder/ID")
	cmd.Flags().StringVar(&account, "account", "", "`ID` of the service account that it runs as")
	return needing(cmd, "in")
}

func (a *app) resourceUnregisterCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "unregister RESOURCE", Short: "Forget a resource and all that was granted on it", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			on, err := parseResource(args[0])
			if err != nil {
				return err
			}
			reply, err := askChange(ctx, s, "forgetting the resource", newAdmin, iamv1.AdminServiceClient.UnregisterResource,
				&iamv1.UnregisterResourceRequest{Resource: on})
			return a.printChange(reply, err)
		})
}

func (a *app) iamKindsCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "kinds", Short: "List the kinds of resources", Args: exactArgs(0)},
		func(ctx context.Context, s *servers, _ []string) error {
			return rows(a, "KIND PERMISSIONS IN", func(string) ([]*iamv1.Kind, string, error) {
				r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.ListKinds, &iamv1.ListKindsRequest{})
				return r.GetKinds(), "", err
			}, func(k *iamv1.Kind) []string {
				return []string{k.GetId(), k.GetPermissionPrefix() + ".*", strings.Join(k.GetParentKinds(), ",")}
			})
		})
}
