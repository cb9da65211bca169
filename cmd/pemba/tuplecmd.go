package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/graph"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

func (a *app) tupleCommand() *cobra.Command {
	cmd := group("tuple", "Write, delete and read tuples")
	cmd.AddCommand(a.tupleWriteCommand(), a.tupleDeleteCommand(), a.tupleReadCommand())
	return cmd
}

func (a *app) tupleWriteCommand() *cobra.Command {
	var o writeOptions
	var create bool
	cmd := a.client(&cobra.Command{
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
		RunE: func(cmd *cobra.Command, args []string) error {
			o.operation = pb.Update_OPERATION_TOUCH
			if create {
				o.operation = pb.Update_OPERATION_CREATE
			}
			return a.writeTuples(cmd.Context(), args, o)
		},
	})
	cmd.Flags().BoolVar(&create, "create", false, "fail when a tuple is there already")
	o.add(cmd)
	return cmd
}

func (a *app) tupleDeleteCommand() *cobra.Command {
	o := writeOptions{operation: pb.Update_OPERATION_DELETE}
	cmd := a.client(&cobra.Command{
		Use:   "delete TUPLE...",
		Short: "Delete tuples; print the token",
		Long: `Delete tuples, each given as object#relation@subject; "-" reads them from
standard input, one a line. Deleting a tuple that is not there is fine.`,
		Example: `  pemba tuple delete doc:readme#viewer@user:ann
  pemba tuple read 'doc:readme' | pemba tuple delete -`,
		Args: cobra.MatchAll(minArgs(1), oneStdin),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.writeTuples(cmd.Context(), args, o)
		},
	})
	o.add(cmd)
	return cmd
}

func (a *app) tupleReadCommand() *cobra.Command {
	var at consistencyFlags
	cmd := a.client(&cobra.Command{
		Use:   "read [FILTER]",
		Short: "Print tuples, one a line",
		Long: `Print the tuples that a filter selects, one a line, in no promised order; without
a filter, all of them. A filter is type[:id][#relation][@type[:id][#relation]];
"@type#..." selects subjects that are not usersets, "-" reads one filter a line
from standard input. All are read at one view.`,
		Example: `  pemba tuple read 'doc#viewer'
  pemba tuple read 'doc:readme'
  pemba tuple read 'doc@group:eng#member'`,
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.readTuples(cmd.Context(), args, &at, cmd.Flags().Changed("timeout"))
		},
	})
	at.add(cmd)
	return cmd
}

// readTuples prints what the filter in args selects. A read lasts as long as it
// takes unless a timeout was asked for.
func (a *app) readTuples(ctx context.Context, args []string, at *consistencyFlags, bounded bool) error {
	consistency, err := at.message()
	if err != nil {
		return err
	}
	s, err := a.dial()
	if err != nil {
		return err
	}
	defer s.Close()
	if bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.timeout)
		defer cancel()
	}
	filters, token, err := a.filters(ctx, s, args, consistency)
	if err != nil {
		return err
	}
	if token != "" {
		consistency = exactly(token)
	}
	for _, f := range filters {
		request := &pb.ReadRequest{Tenant: a.tenant, Filter: filterMessage(f), Consistency: consistency}
		token, err := a.readFilter(ctx, s, request)
		if err != nil {
			return err
		}
		consistency = exactly(token)
	}
	return nil
}

// filters are those that args ask for. None asks for every type of the schema,
// at the view of the token.
func (a *app) filters(ctx context.Context, s *servers, args []string, at *pb.Consistency) ([]tuple.Filter, string, error) {
	var filters []tuple.Filter
	if len(args) == 0 {
		reply, err := a.askSchema(ctx, s, at)
		if err != nil {
			return nil, "", err
		}
		schema, err := graph.Parse(reply.GetSchema())
		if err != nil {
			return nil, "", fmt.Errorf("read the stored schema: %w", err)
		}
		for _, d := range schema.Definitions {
			filters = append(filters, tuple.Filter{Type: d.Name})
		}
		return filters, reply.GetToken(), nil
	}
	for in, err := range a.items(ctx, args) {
		if err != nil {
			return nil, "", err
		}
		f, err := tuple.ParseFilter(in.text)
		if err != nil {
			return nil, "", in.wrong(err)
		}
		filters = append(filters, f)
	}
	return filters, "", nil
}

// readFilter prints one stream and returns the token of its view. Another
// server is asked only while nothing has been printed.
func (a *app) readFilter(ctx context.Context, s *servers, request *pb.ReadRequest) (token string, err error) {
	for left := len(s.addrs); left > 0; left-- {
		attempt, cancel := context.WithCancelCause(ctx)
		begun := func() bool { return true }
		if left > 1 { // a server that hangs leaves time for the others
			begun = time.AfterFunc(s.timeout/time.Duration(len(s.addrs)), func() { cancel(errHangs) }).Stop
		}
		err = s.ask(attempt, func(ctx context.Context, conn grpc.ClientConnInterface) error {
			token, err = a.printStream(ctx, conn, request, begun)
			return err
		})
		hangs := errors.Is(context.Cause(attempt), errHangs)
		cancel(nil)
		if token != "" || !hangs && !silent(err) {
			return token, err
		}
		s.current = (s.current + 1) % len(s.addrs)
	}
	return token, err
}

var errHangs = errors.New("the server hangs")

// printStream prints what one server sends. It asks begun at the first message
// whether that comes in time.
func (a *app) printStream(ctx context.Context, conn grpc.ClientConnInterface, request *pb.ReadRequest, begun func() bool) (token string, err error) {
	stream, err := pb.NewTupleServiceClient(conn).Read(ctx, request)
	if err != nil {
		return "", err
	}
	for {
		reply, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return token, nil
		}
		if err != nil {
			return token, err
		}
		if token == "" && !begun() {
			return "", errHangs
		}
		token = reply.GetToken()
		if err := a.printTuples(reply.GetTuples()); err != nil {
			return token, err
		}
	}
}

func (a *app) printTuples(messages []*pb.Tuple) error {
	for _, m := range messages {
		t := tupleFrom(m)
		var err error
		if a.json {
			err = printJSON(a.out, jsonTuple(t))
		} else {
			_, err = fmt.Fprintln(a.out, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
