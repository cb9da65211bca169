package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// optionalSubject reads the subject that args may name; nil = the caller.
func optionalSubject(args []string) (*iamv1.Subject, error) {
	if len(args) == 0 {
		return nil, nil
	}
	return parseSubjectID(args[0])
}

func grantCells(g *iamv1.Grant) []string {
	return []string{g.GetAccessBinding().GetRoleId(), subjectText(g.GetAccessBinding().GetSubject()), resourceText(g.GetResource())}
}

func (a *app) iamWhyCommand() *cobra.Command {
	return a.identified(&cobra.Command{
		Use: "why RESOURCE PERMISSION [SUBJECT]", Short: "Print what gives a subject a permission or a role on a resource",
		Long: `Print every access binding that gives a subject, or else the caller, a permission or
a role on a resource: the role, to whom it is granted, and where, the nearest first.
Exit status 1 if there is none.`,
		Example: "  pemba iam why folder/b1g0123456789abcdefg compute.instances.start serviceAccount:aje0123456789abcdefg",
		Args:    betweenArgs(2, 3),
	}, func(ctx context.Context, s *servers, args []string) error {
		on, err := parseResource(args[0])
		if err != nil {
			return err
		}
		who, err := optionalSubject(args[2:])
		if err != nil {
			return err
		}
		r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.Why, &iamv1.WhyRequest{Resource: on, Permission: args[1], Subject: who})
		if err != nil {
			return err
		}
		return a.printWhy(r)
	})
}

func (a *app) printWhy(r *iamv1.WhyResponse) error {
	var err error
	switch {
	case a.json:
		err = printMessage(a.out, r)
	case !r.GetAllowed():
		_, err = fmt.Fprintln(a.out, "nothing gives it")
	default:
		err = a.printGrants(r.GetGrants())
	}
	if err == nil && !r.GetAllowed() {
		err = exitStatus(exitNo)
	}
	return err
}

func (a *app) printGrants(grants []*iamv1.Grant) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, g := range grants {
		cells := grantCells(g)
		fmt.Fprintf(w, "%s\tto %s\ton %s\n", cells[0], cells[1], cells[2])
	}
	return w.Flush()
}

func (a *app) iamWhoCommand() *cobra.Command {
	return a.identified(&cobra.Command{
		Use: "who RESOURCE PERMISSION", Short: "Print who has a permission or a role on a resource, one a line",
		Example: "  pemba iam who folder/b1g0123456789abcdefg compute.instances.delete",
		Args:    exactArgs(2),
	}, func(ctx context.Context, s *servers, args []string) error {
		on, err := parseResource(args[0])
		if err != nil {
			return err
		}
		return rows(a, "", func(token string) ([]*iamv1.Subject, string, error) {
			r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.Who,
				&iamv1.WhoRequest{Resource: on, Permission: args[1], PageSize: iamPage, PageToken: token})
			return r.GetSubjects(), r.GetNextPageToken(), err
		}, func(who *iamv1.Subject) []string { return []string{subjectText(who)} })
	})
}

func (a *app) iamWhatCommand() *cobra.Command {
	return a.identified(&cobra.Command{
		Use: "what RESOURCE [SUBJECT]", Short: "Print the roles that a subject has on a resource",
		Long: `Print the access bindings that count for a subject, or else the caller, on a
resource: the role, to whom it is granted, and where, the nearest first.`,
		Args: betweenArgs(1, 2),
	}, func(ctx context.Context, s *servers, args []string) error {
		on, err := parseResource(args[0])
		if err != nil {
			return err
		}
		who, err := optionalSubject(args[1:])
		if err != nil {
			return err
		}
		return rows(a, "ROLE TO ON", func(token string) ([]*iamv1.Grant, string, error) {
			r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.What,
				&iamv1.WhatRequest{Resource: on, Subject: who, PageSize: iamPage, PageToken: token})
			return r.GetGrants(), r.GetNextPageToken(), err
		}, grantCells)
	})
}

// betweenArgs says in one line what is missing or too much.
func betweenArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage(cmd, fmt.Sprintf("%s takes %d to %d arguments, got %d: %s", cmd.CommandPath(), least, most, len(args), synopsis(cmd)))
		}
		return nil
	}
}
