package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (a *app) iamFolderCommand() *cobra.Command {
	return nouns("folder", "Folders, in which resources stand",
		a.folderListCommand(), a.folderGetCommand(), a.folderCreateCommand(), a.folderUpdateCommand(), a.folderDeleteCommand())
}

var newFolders = rmpb.NewFolderServiceClient

func (a *app) folderListCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "list CLOUD", Short: "List the folders of a cloud", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			return rows(a, "ID NAME STATUS LABELS", func(token string) ([]*rmpb.Folder, string, error) {
				r, err := ask(ctx, s.call, newFolders, rmpb.FolderServiceClient.List,
					&rmpb.ListFoldersRequest{CloudId: args[0], PageSize: iamPage, PageToken: token})
				return r.GetFolders(), r.GetNextPageToken(), err
			}, func(f *rmpb.Folder) []string {
				return []string{f.GetId(), f.GetName(), folderStatus(f), labelsText(f.GetLabels())}
			})
		})
}

func folderStatus(f *rmpb.Folder) string {
	return strings.ToLower(strings.ReplaceAll(f.GetStatus().String(), "_", " "))
}

func (a *app) folderGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get ID", Short: "Print a folder", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			f, err := ask(ctx, s.call, newFolders, rmpb.FolderServiceClient.Get, &rmpb.GetFolderRequest{FolderId: args[0]})
			if err != nil {
				return err
			}
			return a.facts(f, "id", f.GetId(), "name", f.GetName(), "cloud", f.GetCloudId(), "status", folderStatus(f),
				"description", f.GetDescription(), "labels", labelsText(f.GetLabels()), "created", momentText(f.GetCreatedAt()))
		})
}

func (a *app) folderCreateCommand() *cobra.Command {
	var about aboutFlags
	var cloud string
	cmd := a.identified(&cobra.Command{
		Use: "create NAME --cloud CLOUD", Short: "Create a folder; print its id",
		Example: "  pemba iam folder create team-a --cloud b1g0123456789abcdefg",
		Args:    exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		op, err := outcome(ctx, s, "creating the folder", newFolders, rmpb.FolderServiceClient.Create, &rmpb.CreateFolderRequest{
			CloudId: cloud, Name: args[0], Description: about.description, Labels: about.labels,
		})
		return printMade(a, op, err, &rmpb.Folder{})
	})
	about.add(cmd)
	cmd.Flags().StringVar(&cloud, "cloud", "", "`ID` of the cloud that it stands in")
	return needing(cmd, "cloud")
}

func (a *app) folderUpdateCommand() *cobra.Command {
	var about aboutFlags
	cmd := a.identified(&cobra.Command{Use: "update ID", Short: "Change what is said about a folder", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			mask, err := about.mask()
			if err != nil {
				return err
			}
			return a.printOperation(outcome(ctx, s, "updating the folder", newFolders, rmpb.FolderServiceClient.Update, &rmpb.UpdateFolderRequest{
				FolderId: args[0], UpdateMask: mask, Name: about.name, Description: about.description, Labels: about.labels,
			}))
		})
	about.addUpdate(cmd)
	return cmd
}

func (a *app) folderDeleteCommand() *cobra.Command {
	var when lateDeletion
	cmd := a.identified(&cobra.Command{
		Use: "delete ID", Short: "Delete a folder with everything in it",
		Long: `Delete a folder with everything in it: after a day, until which it only lets itself
be read, or at the time of --after, or at once with --now. Until then "pemba iam
operation cancel" brings it back.`,
		Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		after, err := when.after()
		if err != nil {
			return err
		}
		return a.printOperation(outcome(ctx, s, "deleting the folder", newFolders, rmpb.FolderServiceClient.Delete,
			&rmpb.DeleteFolderRequest{FolderId: args[0], DeleteAfter: after}))
	})
	when.add(cmd)
	return cmd
}

// lateDeletion says when something is deleted that is deleted late.
type lateDeletion struct {
	at  string
	now bool
}

func (d *lateDeletion) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.at, "after", "", "`TIME` of the deletion, as 2030-01-31T00:00:00Z")
	cmd.Flags().BoolVar(&d.now, "now", false, "delete it at once")
}

// after is when, as the server takes it: nil = when it likes.
func (d *lateDeletion) after() (*timestamppb.Timestamp, error) {
	switch {
	case d.now && d.at != "":
		return nil, errors.New("--after and --now both say when: give one of them")
	case d.now:
		return &timestamppb.Timestamp{}, nil // long past
	case d.at == "":
		return nil, nil
	}
	return parseMoment("--after", d.at)
}
