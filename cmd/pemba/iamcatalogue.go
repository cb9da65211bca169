package main

import (
	"context"

	"github.com/spf13/cobra"

	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func (a *app) iamCatalogueCommand() *cobra.Command {
	cmd := group("catalogue", "The catalogue of roles, permissions and kinds")
	cmd.AddCommand(a.catalogueReadCommand(), a.catalogueWriteCommand())
	return cmd
}

func (a *app) catalogueReadCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "read", Short: "Print the catalogue that is in force", Args: exactArgs(0)},
		func(ctx context.Context, s *servers, _ []string) error {
			r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.GetCatalogue, &iamv1.GetCatalogueRequest{})
			if err != nil {
				return err
			}
			_, err = a.out.Write(r.GetSource())
			return err
		})
}

func (a *app) catalogueWriteCommand() *cobra.Command {
	return a.identified(&cobra.Command{
		Use: "write FILE", Short: "Replace the catalogue",
		Long: `Replace the catalogue by a file, or by standard input for "-", as "pemba iam
catalogue read" prints it. Refused if a role that it lacks is granted somewhere. For
owners of the first organization.`,
		Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		source, err := a.readFile(args[0])
		if err != nil {
			return err
		}
		reply, err := askChange(ctx, s, "replacing the catalogue", newAdmin, iamv1.AdminServiceClient.SetCatalogue, &iamv1.SetCatalogueRequest{Source: source})
		return a.printChange(reply, err)
	})
}
