package main

import (
	"context"

	"github.com/spf13/cobra"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
)

func (a *app) iamOrganizationCommand() *cobra.Command {
	return nouns("organization", "Organizations, in which clouds, groups and users are",
		a.organizationListCommand(), a.organizationGetCommand(), a.organizationUpdateCommand())
}

var newOrganizations = ompb.NewOrganizationServiceClient

func (a *app) organizationListCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "list", Short: "List the organizations that the caller may get", Args: exactArgs(0)},
		func(ctx context.Context, s *servers, _ []string) error {
			return rows(a, "ID NAME TITLE", func(token string) ([]*ompb.Organization, string, error) {
				r, err := ask(ctx, s.call, newOrganizations, ompb.OrganizationServiceClient.List,
					&ompb.ListOrganizationsRequest{PageSize: iamPage, PageToken: token})
				return r.GetOrganizations(), r.GetNextPageToken(), err
			}, func(o *ompb.Organization) []string {
				return []string{o.GetId(), o.GetName(), o.GetTitle()}
			})
		})
}

func (a *app) organizationGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get ID", Short: "Print an organization", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			o, err := ask(ctx, s.call, newOrganizations, ompb.OrganizationServiceClient.Get, &ompb.GetOrganizationRequest{OrganizationId: args[0]})
			if err != nil {
				return err
			}
			return a.facts(o, "id", o.GetId(), "name", o.GetName(), "title", o.GetTitle(), "description", o.GetDescription(),
				"labels", labelsText(o.GetLabels()), "created", momentText(o.GetCreatedAt()))
		})
}

func (a *app) organizationUpdateCommand() *cobra.Command {
	var about aboutFlags
	cmd := a.identified(&cobra.Command{Use: "update ID", Short: "Change what is said about an organization", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			mask, err := about.mask()
			if err != nil {
				return err
			}
			return a.printOperation(outcome(ctx, s, "updating the organization", newOrganizations, ompb.OrganizationServiceClient.Update, &ompb.UpdateOrganizationRequest{
				OrganizationId: args[0], UpdateMask: mask, Name: about.name, Title: about.title, Description: about.description, Labels: about.labels,
			}))
		})
	about.addUpdate(cmd)
	cmd.Flags().StringVar(&about.title, "title", "", "a new title")
	return cmd
}
