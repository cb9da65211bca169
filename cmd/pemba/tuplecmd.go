package main

import (
	"context"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func (a *app) tupleCommand() *cobra.Command {
	cmd := group("tuple", "Write, delete, read, move and watch tuples")
	cmd.AddCommand(
		a.tupleWriteCommand(), a.tupleDeleteCommand(), a.tupleReadCommand(),
		a.tupleImportCommand(), a.tupleExportCommand(), a.tupleWatchCommand(),
	)
	return cmd
}

func (a *app) tupleWriteCommand() *cobra.Command {
	var o writeOptions
	var create bool
	cmd := a.asking(&cobra.Command{
		Use:   "write TUPLE...",
		Short: "Write tuples; print the token",
		Long: `Write tuples, each as object#relation@subject[caveat:{context}][expiration:time];
"-" reads them from standard input, one a line (blank lines and lines that begin
with "//" are skipped). A tuple that is there already is replaced, so a write can
be repeated; with --create it is an error.

The tuples are written in atomic batches of --batch; each carries a request id,
so that a batch whose answer was lost is sent again and carried out once.`,
		Example: `  pemba tuple write doc:readme#viewer@user:ann 'doc:readme#viewer@group:eng#member'
  pemba tuple write - < tuples.txt`,
		Args: cobra.MatchAll(minArgs(1), oneStdin),
	}, func(ctx context.Context, s *servers, args []string) error {
		o.operation = pb.Update_OPERATION_TOUCH
		if create {
			o.operation = pb.Update_OPERATION_CREATE
		}
		return a.writeTuples(ctx, s, args, o)
	})
	cmd.Flags().BoolVar(&create, "create", false, "fail when a tuple is there already")
	o.add(cmd)
	return cmd
}
