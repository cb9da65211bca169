package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

func (a *app) tupleReadCommand() *cobra.Command {
	p := &pageFlags{}
	cmd := a.asking(&cobra.Command{
		Use:   "read [FILTER]",
		Short: "Print tuples, one a line",
		Long: `Print the tuples that a filter selects, one a line; without a filter, all of
them. A filter is type[:id][#relation][@type[:id][#relation]]; "@type#..." selects
subjects that are not usersets, "-" reads one filter a line from standard input.
All are read at one view.`,
		Example: `  pemba tuple read 'doc#viewer'
  pemba tuple read 'doc:readme'
  pemba tuple read 'doc@group:eng#member' --limit 100`,
		Args: maxArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error { return a.readTuples(ctx, s, args, p) })
	p.add(cmd)
	return cmd
}

// readTuples prints what the filter in args selects, or everything.
func (a *app) readTuples(ctx context.Context, s *servers, args []string, p *pageFlags) error {
	consistency, err := p.message()
	if err != nil {
		return err
	}
	paged := p.limit > 0 || p.cursor != ""
	if paged && (len(args) == 0 || args[0] == "-") {
		return errors.New("--limit and --cursor go with one FILTER; without a filter, \"pemba tuple export\" prints everything")
	}
	out := bufio.NewWriter(a.out)
	if len(args) == 0 {
		e := &export{app: a, consistency: consistency, out: out}
		return e.run(ctx, s)
	}
	filters, err := a.filters(ctx, args)
	if err != nil {
		return err
	}
	for _, f := range filters {
		r := &read{app: a, filter: f, consistency: consistency, limit: p.limit, cursor: p.cursor, out: out}
		if err := r.run(ctx, s); err != nil {
			return err
		}
		consistency = exactly(r.token)
	}
	return nil
}

// filters are those that args name.
func (a *app) filters(ctx context.Context, args []string) ([]tuple.Filter, error) {
	var filters []tuple.Filter
	for in, err := range a.items(ctx, args) {
		if err != nil {
			return nil, err
		}
		f, err := tuple.ParseFilter(in.text)
		if err != nil {
			return nil, in.wrong(err)
		}
		filters = append(filters, f)
	}
	return slices.Clip(filters), nil
}

// read prints the tuples of one filter.
type read struct {
	app         *app
	filter      tuple.Filter
	consistency *pb.Consistency
	out         *bufio.Writer

	limit  uint32 // of what is left, 0 = none
	full   bool   // the limit is reached
	cursor string // behind the last tuple
	token  string // of the view, "" = nothing has come yet
}

func (r *read) run(ctx context.Context, s *servers) error {
	f := &flow[pb.TupleServiceClient, pb.ReadRequest, pb.ReadResponse]{
		client: pb.NewTupleServiceClient, method: pb.TupleServiceClient.Read,
		request: r.request, take: r.take,
	}
	if err := f.run(ctx, s.retry()); err != nil {
		return goOn(err, r.token != "", r.cursor)
	}
	if r.cursor != "" {
		fmt.Fprintf(r.app.err, "more: --cursor %s\n", r.cursor)
	}
	return nil
}

func (r *read) request() *pb.ReadRequest {
	if r.token != "" {
		if r.cursor == "" || r.full {
			return nil
		}
		r.consistency = nil // the cursor names the view
	}
	return &pb.ReadRequest{
		Tenant: r.app.tenant, Filter: filterMessage(r.filter), Consistency: r.consistency, Limit: r.limit, Cursor: r.cursor,
	}
}

func (r *read) take(reply *pb.ReadResponse) error {
	r.token, r.cursor = reply.GetToken(), reply.GetCursor()
	if r.limit > 0 {
		came := uint32(len(reply.GetTuples()))
		r.full = came >= r.limit
		r.limit -= min(came, r.limit)
	}
	return r.app.printTuples(r.out, reply.GetTuples())
}

// printTuples prints tuples as "tuple write -" and "tuple import" read them.
func (a *app) printTuples(out *bufio.Writer, messages []*pb.Tuple) error {
	for _, m := range messages {
		t := tupleFrom(m)
		if !a.json {
			out.WriteString(t.String())
			out.WriteByte('\n')
		} else if err := printJSON(out, jsonTuple(t)); err != nil {
			return err
		}
	}
	return out.Flush()
}
