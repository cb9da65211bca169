package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
)

func (a *app) iamGroupCommand() *cobra.Command {
	return nouns("group", "Groups of users and service accounts, which roles can be granted to",
		a.groupListCommand(), a.groupGetCommand(), a.groupCreateCommand(), a.groupUpdateCommand(), a.groupDeleteCommand(),
		a.groupMembersCommand(),
		a.groupMemberCommand("add", "Add members to a group", ompb.MemberDelta_ADD),
		a.groupMemberCommand("remove", "Remove members from a group", ompb.MemberDelta_REMOVE))
}

var newGroups = ompb.NewGroupServiceClient

func (a *app) groupListCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "list ORGANIZATION", Short: "List the groups of an organization", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			return rows(a, "ID NAME DESCRIPTION", func(token string) ([]*ompb.Group, string, error) {
				r, err := ask(ctx, s.call, newGroups, ompb.GroupServiceClient.List,
					&ompb.ListGroupsRequest{OrganizationId: args[0], PageSize: iamPage, PageToken: token})
				return r.GetGroups(), r.GetNextPageToken(), err
			}, func(g *ompb.Group) []string { return []string{g.GetId(), g.GetName(), g.GetDescription()} })
		})
}

func (a *app) groupGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get ID", Short: "Print a group", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			g, err := ask(ctx, s.call, newGroups, ompb.GroupServiceClient.Get, &ompb.GetGroupRequest{GroupId: args[0]})
			if err != nil {
				return err
			}
			return a.facts(g, "id", g.GetId(), "name", g.GetName(), "organization", g.GetOrganizationId(),
				"description", g.GetDescription(), "labels", labelsText(g.GetLabels()), "created", momentText(g.GetCreatedAt()))
		})
}

func (a *app) groupCreateCommand() *cobra.Command {
	var about aboutFlags
	var organization string
	cmd := a.identified(&cobra.Command{
		Use: "create NAME --organization ORGANIZATION", Short: "Create a group; print its id", Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		op, err := outcome(ctx, s, "creating the group", newGroups, ompb.GroupServiceClient.Create, &ompb.CreateGroupRequest{
			OrganizationId: organization, Name: args[0], Description: about.description, Labels: about.labels,
		})
		return printMade(a, op, err, &ompb.Group{})
	})
	about.add(cmd)
	cmd.Flags().StringVar(&organization, "organization", "", "`ID` of its organization")
	return needing(cmd, "organization")
}

func (a *app) groupUpdateCommand() *cobra.Command {
	var about aboutFlags
	cmd := a.identified(&cobra.Command{Use: "update ID", Short: "Change what is said about a group", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			mask, err := about.mask()
			if err != nil {
				return err
			}
			return a.printOperation(outcome(ctx, s, "updating the group", newGroups, ompb.GroupServiceClient.Update, &ompb.UpdateGroupRequest{
				GroupId: args[0], UpdateMask: mask, Name: about.name, Description: about.description, Labels: about.labels,
			}))
		})
	about.addUpdate(cmd)
	return cmd
}

func (a *app) groupDeleteCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "delete ID", Short: "Delete a group and all that was granted to it", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			return a.printOperation(outcome(ctx, s, "deleting the group", newGroups, ompb.GroupServiceClient.Delete, &ompb.DeleteGroupRequest{GroupId: args[0]}))
		})
}

func (a *app) groupMembersCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "members ID", Short: "Print the members of a group, one a line", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			return rows(a, "", func(token string) ([]*ompb.GroupMember, string, error) {
				r, err := ask(ctx, s.call, newGroups, ompb.GroupServiceClient.ListMembers,
					&ompb.ListGroupMembersRequest{GroupId: args[0], PageSize: iamPage, PageToken: token})
				return r.GetMembers(), r.GetNextPageToken(), err
			}, func(m *ompb.GroupMember) []string { return []string{m.GetSubjectType() + ":" + m.GetSubjectId()} })
		})
}

func (a *app) groupMemberCommand(verb, short string, action ompb.MemberDelta_MemberAction) *cobra.Command {
	return a.identified(&cobra.Command{
		Use: verb + " GROUP SUBJECT...", Short: short,
		Long:    short + ": users and service accounts of its organization, given as ID or TYPE:ID, all or none.",
		Example: "  pemba iam group " + verb + " aje0123456789abcdefg serviceAccount:ajeabcdefg0123456789",
		Args:    minArgs(2),
	}, func(ctx context.Context, s *servers, args []string) error {
		r := &ompb.UpdateGroupMembersRequest{GroupId: args[0]}
		var from []input
		for _, text := range args[1:] {
			id, err := memberID(text)
			if err != nil {
				return err
			}
			from = append(from, input{text: text})
			r.MemberDeltas = append(r.MemberDeltas, &ompb.MemberDelta{Action: action, SubjectId: id})
		}
		op, err := outcome(ctx, s, "changing the members", newGroups, ompb.GroupServiceClient.UpdateMembers, r)
		return a.printOperation(op, placed(err, from))
	})
}

// memberID is the id of a member, which is written ID or TYPE:ID: the cloud's API
// takes members without their types.
func memberID(text string) (string, error) {
	kind, id, ok := strings.Cut(text, ":")
	switch {
	case !ok:
		return text, nil
	case kind == "group" || kind == "system":
		return "", fmt.Errorf("%q: members of a group are users and service accounts; grant roles to each group instead", text)
	}
	_, err := parseSubjectID(text)
	return id, err
}
