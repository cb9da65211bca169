package main

import (
	"bufio"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// exportOptions say where an export goes.
type exportOptions struct {
	consistencyFlags
	out        string
	schemaFile string
}

func (a *app) tupleExportCommand() *cobra.Command {
	o := &exportOptions{}
	cmd := a.asking(&cobra.Command{
		Use:   "export",
		Short: "Print all tuples of the tenant, at one view",
		Long: `Print all tuples of the tenant, one a line, as "pemba tuple import" reads them;
all at one view, whatever is written meanwhile. Expired tuples are left out. An
export that breaks goes on by itself where it broke.

With --out, a file is written in one step once everything is there, and the token
of the view is printed: "pemba tuple watch --from TOKEN" continues from there.`,
		Example: `  pemba tuple export > all.tuples
  pemba tuple export --out all.tuples --schema-file schema.zed
  pemba tuple export --json --latest`,
		Args: exactArgs(0),
	}, func(ctx context.Context, s *servers, _ []string) error { return a.export(ctx, s, o) })
	cmd.Flags().StringVar(&o.out, "out", "", "write the tuples to this `FILE` and print the token")
	cmd.Flags().StringVar(&o.schemaFile, "schema-file", "", "write the schema to this `FILE`")
	o.add(cmd)
	return cmd
}

func (a *app) export(ctx context.Context, s *servers, o *exportOptions) error {
	consistency, err := o.message()
	if err != nil {
		return err
	}
	e := &export{app: a, consistency: consistency, schemaFile: o.schemaFile}
	if o.out == "" {
		e.out = bufio.NewWriterSize(a.out, bufferBytes)
		if !isTerminal(a.out) {
			e.progress = a.progress("tuples")
		}
		return e.run(ctx, s)
	}
	file, err := newWholeFile(o.out)
	if err != nil {
		return err
	}
	defer file.Discard()
	e.out, e.progress = bufio.NewWriterSize(file, bufferBytes), a.progress("tuples")
	if err := e.run(ctx, s); err != nil {
		return err
	}
	if err := file.Commit(); err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, map[string]any{"tuples": e.count, "token": e.token})
	}
	_, err = fmt.Fprintln(a.out, e.token)
	return err
}

// bufferBytes is what a command that prints much writes at a time.
const bufferBytes = 64 << 10

// export prints all tuples of a tenant.
type export struct {
	app         *app
	consistency *pb.Consistency
	schemaFile  string // "" = the schema is not wanted
	out         *bufio.Writer
	progress    *progress

	cursor string // behind the last tuple
	token  string // of the view, "" = nothing has come yet
	count  int64
}

func (e *export) run(ctx context.Context, s *servers) error {
	f := &flow[pb.TupleServiceClient, pb.ExportRequest, pb.ExportResponse]{
		client: pb.NewTupleServiceClient, method: pb.TupleServiceClient.Export,
		request: e.request, take: e.take,
	}
	err := f.run(ctx, s.retry())
	e.progress.done(e.count)
	if flushErr := e.out.Flush(); err == nil {
		err = flushErr
	}
	return err
}

func (e *export) request() *pb.ExportRequest {
	if e.token != "" {
		if e.cursor == "" {
			return nil
		}
		e.consistency = nil // the cursor names the view
	}
	return &pb.ExportRequest{Tenant: e.app.tenant, Consistency: e.consistency, Cursor: e.cursor}
}

func (e *export) take(reply *pb.ExportResponse) error {
	if e.token == "" && e.schemaFile != "" {
		if err := replaceFile(e.schemaFile, wholeLines(reply.GetSchema())); err != nil {
			return err
		}
	}
	e.token, e.cursor = reply.GetToken(), reply.GetCursor()
	e.count += int64(len(reply.GetTuples()))
	e.progress.show(e.count)
	return e.app.printTuples(e.out, reply.GetTuples())
}
