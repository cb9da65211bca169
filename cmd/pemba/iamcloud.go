package main

import (
	"context"

	"github.com/spf13/cobra"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
)

func (a *app) iamCloudCommand() *cobra.Command {
	return nouns("cloud", "Clouds, in which folders stand",
		a.cloudListCommand(), a.cloudGetCommand(), a.cloudCreateCommand(), a.cloudUpdateCommand(), a.cloudDeleteCommand())
}

var newClouds = rmpb.NewCloudServiceClient

func (a *app) cloudListCommand() *cobra.Command {
	var organization string
	cmd := a.identified(&cobra.Command{Use: "list", Short: "List the clouds that the caller may get", Args: exactArgs(0)},
		func(ctx context.Context, s *servers, _ []string) error {
			return rows(a, "ID NAME ORGANIZATION LABELS", func(token string) ([]*rmpb.Cloud, string, error) {
				r, err := ask(ctx, s.call, newClouds, rmpb.CloudServiceClient.List,
					&rmpb.ListCloudsRequest{OrganizationId: organization, PageSize: iamPage, PageToken: token})
				return r.GetClouds(), r.GetNextPageToken(), err
			}, func(c *rmpb.Cloud) []string {
				return []string{c.GetId(), c.GetName(), c.GetOrganizationId(), labelsText(c.GetLabels())}
			})
		})
	cmd.Flags().StringVar(&organization, "organization", "", "only clouds of the organization with this `ID`")
	return cmd
}

func (a *app) cloudGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get ID", Short: "Print a cloud", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			c, err := ask(ctx, s.call, newClouds, rmpb.CloudServiceClient.Get, &rmpb.GetCloudRequest{CloudId: args[0]})
			if err != nil {
				return err
			}
			return a.facts(c, "id", c.GetId(), "name", c.GetName(), "organization", c.GetOrganizationId(),
				"description", c.GetDescription(), "labels", labelsText(c.GetLabels()), "created", momentText(c.GetCreatedAt()))
		})
}

func (a *app) cloudCreateCommand() *cobra.Command {
	var about aboutFlags
	var organization string
	cmd := a.identified(&cobra.Command{
		Use: "create NAME --organization ORGANIZATION", Short: "Create a cloud, owned by the caller; print its id",
		Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		op, err := outcome(ctx, s, "creating the cloud", newClouds, rmpb.CloudServiceClient.Create, &rmpb.CreateCloudRequest{
			OrganizationId: organization, Name: args[0], Description: about.description, Labels: about.labels,
		})
		return printMade(a, op, err, &rmpb.Cloud{})
	})
	about.add(cmd)
	cmd.Flags().StringVar(&organization, "organization", "", "`ID` of the organization that it stands in")
	return needing(cmd, "organization")
}

func (a *app) cloudUpdateCommand() *cobra.Command {
	var about aboutFlags
	cmd := a.identified(&cobra.Command{Use: "update ID", Short: "Change what is said about a cloud", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			mask, err := about.mask()
			if err != nil {
				return err
			}
			return a.printOperation(outcome(ctx, s, "updating the cloud", newClouds, rmpb.CloudServiceClient.Update, &rmpb.UpdateCloudRequest{
				CloudId: args[0], UpdateMask: mask, Name: about.name, Description: about.description, Labels: about.labels,
			}))
		})
	about.addUpdate(cmd)
	return cmd
}

func (a *app) cloudDeleteCommand() *cobra.Command {
	var when lateDeletion
	cmd := a.identified(&cobra.Command{
		Use: "delete ID", Short: "Delete a cloud with everything in it",
		Long: `Delete a cloud with everything in it: after a day, until which it only lets itself
be read, or at the time of --after, or at once with --now. Until then "pemba iam
operation cancel" brings it back. Only its owners may.`,
		Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		after, err := when.after()
		if err != nil {
			return err
		}
		return a.printOperation(outcome(ctx, s, "deleting the cloud", newClouds, rmpb.CloudServiceClient.Delete,
			&rmpb.DeleteCloudRequest{CloudId: args[0], DeleteAfter: after}))
	})
	when.add(cmd)
	return cmd
}
