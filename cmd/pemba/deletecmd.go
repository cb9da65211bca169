package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

func (a *app) tupleDeleteCommand() *cobra.Command {
	o := writeOptions{operation: pb.Update_OPERATION_DELETE}
	var filter string
	var limit uint64
	cmd := a.asking(&cobra.Command{
		Use:   "delete TUPLE... | --filter FILTER",
		Short: "Delete tuples; print the token",
		Long: `Delete tuples, each given as object#relation@subject; "-" reads them from
standard input, one a line. Deleting a tuple that is not there is fine.

--filter deletes the tuples that a filter selects (see "pemba tuple read"), all of
them or --limit. That takes many writes and is not atomic: others see a part of it
done, tuples that are written meanwhile may be deleted, too, and what was deleted
before a failure stays deleted; the same command goes on.`,
		Example: `  pemba tuple delete doc:readme#viewer@user:ann
  pemba tuple read 'doc:readme' | pemba tuple delete -
  pemba tuple delete --filter 'doc@user:ann'`,
		Args: func(cmd *cobra.Command, args []string) error {
			filtered := cmd.Flags().Changed("filter")
			switch {
			case filtered && len(args) > 0:
				return usage(cmd, "--filter says which tuples: give no others")
			case filtered:
				return nil
			case cmd.Flags().Changed("limit"):
				return usage(cmd, "--limit goes with --filter")
			}
			return cobra.MatchAll(minArgs(1), oneStdin)(cmd, args)
		},
	}, func(ctx context.Context, s *servers, args []string) error {
		if len(args) == 0 {
			return a.deleteMatching(ctx, s, filter, limit)
		}
		return a.writeTuples(ctx, s, args, o)
	})
	o.add(cmd)
	cmd.Flags().StringVar(&filter, "filter", "", "delete the tuples that this `FILTER` selects")
	cmd.Flags().Uint64Var(&limit, "limit", 0, "with --filter: delete at most so many; 0 = no limit")
	return cmd
}

func (a *app) deleteMatching(ctx context.Context, s *servers, filter string, limit uint64) error {
	f, err := tuple.ParseFilter(filter)
	if err != nil {
		return err
	}
	d := &deletion{app: a, filter: f, limit: limit, progress: a.progress("tuples deleted")}
	err = d.run(ctx, s)
	d.progress.done(int64(d.deleted))
	if err != nil {
		return d.failed(err)
	}
	if a.json {
		return printJSON(a.out, map[string]any{"deleted": d.deleted, "complete": d.complete, "token": d.token})
	}
	if d.complete {
		fmt.Fprintf(a.err, "deleted %s\n", tuplesText(int(d.deleted)))
	} else {
		fmt.Fprintf(a.err, "deleted %s, the limit; there may be more\n", tuplesText(int(d.deleted)))
	}
	if d.token != "" {
		fmt.Fprintln(a.out, d.token)
	}
	return nil
}

// deletion deletes what a filter selects, in as many calls as it takes.
type deletion struct {
	app      *app
	filter   tuple.Filter
	limit    uint64 // 0 = none
	progress *progress

	before   uint64 // deleted by the calls before this one
	deleted  uint64 // deleted by all calls
	complete bool
	token    string
}

func (d *deletion) run(ctx context.Context, s *servers) error {
	f := &flow[pb.TupleServiceClient, pb.DeleteMatchingRequest, pb.DeleteMatchingResponse]{
		client: pb.NewTupleServiceClient, method: pb.TupleServiceClient.DeleteMatching,
		request: d.request, take: d.take,
	}
	for {
		r := s.retry()
		// Deleting once more is safe, but a call that broke may have deleted more
		// than it said, so a limit does not stand it.
		r.begun, r.once = d.limit == 0, d.limit > 0
		err := f.run(ctx, r)
		if err != nil || d.complete || d.limit > 0 || d.deleted == d.before {
			return err
		}
	}
}

func (d *deletion) request() *pb.DeleteMatchingRequest {
	d.before = d.deleted
	return &pb.DeleteMatchingRequest{Tenant: d.app.tenant, Filter: filterMessage(d.filter), Limit: d.limit}
}

func (d *deletion) take(reply *pb.DeleteMatchingResponse) error {
	d.deleted, d.complete = d.before+reply.GetDeleted(), reply.GetComplete()
	if reply.GetToken() != "" {
		d.token = reply.GetToken()
	}
	d.progress.show(int64(d.deleted))
	return nil
}

// failed says what is gone when err ended the deletion.
func (d *deletion) failed(err error) error {
	switch {
	case broken(err):
		return fmt.Errorf("after %s that %s deleted, and perhaps some more (the same command goes on): %w",
			tuplesText(int(d.deleted)), wereText(d.deleted), err)
	case d.deleted > 0:
		return fmt.Errorf("after %s that %s deleted: %w", tuplesText(int(d.deleted)), wereText(d.deleted), err)
	}
	return err
}

func wereText(n uint64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
