package main

import (
	"context"
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func (a *app) schemaCommand() *cobra.Command {
	cmd := group("schema", "Write, read, compare and validate schemas")
	cmd.AddCommand(
		a.schemaWriteCommand(), a.schemaReadCommand(), a.schemaHistoryCommand(),
		a.schemaDiffCommand(), a.schemaValidateCommand(),
	)
	return cmd
}

func (a *app) schemaWriteCommand() *cobra.Command {
	return a.asking(&cobra.Command{
		Use:   "write FILE",
		Short: "Replace the tenant's schema; print the token",
		Long: `Replace the tenant's schema by a file in the SpiceDB schema language, by the
schema of a validation file (*.yaml, *.yml), or by standard input for "-".
Refused while tuples are stored that the new schema does not allow; "pemba schema
diff" says beforehand which, and what else changes.`,
		Args: exactArgs(1),
	}, a.writeSchemaFile)
}

func (a *app) schemaReadCommand() *cobra.Command {
	at := &consistencyFlags{}
	cmd := a.asking(&cobra.Command{
		Use:   "read",
		Short: "Print the tenant's schema as it was written",
		Long: `Print the tenant's schema as it was written; with --at, the one that was in force
at the view of a token, as long as that is readable.`,
		Args: exactArgs(0),
	}, func(ctx context.Context, s *servers, _ []string) error { return a.readSchema(ctx, s, at) })
	at.add(cmd)
	return cmd
}

func (a *app) schemaHistoryCommand() *cobra.Command {
	at := &consistencyFlags{}
	cmd := a.asking(&cobra.Command{
		Use:   "history",
		Short: "Print the tenant's schemas that are still readable",
		Long: `Print the tenant's schemas that are still readable, newest first: the token of the
oldest readable view of each, and its size. "pemba schema read --at TOKEN" prints
one.`,
		Args: exactArgs(0),
	}, func(ctx context.Context, s *servers, _ []string) error { return a.schemaHistory(ctx, s, at) })
	at.add(cmd)
	return cmd
}

func (a *app) schemaValidateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check schema files without a server",
		Long: `Check schema files without a server. Each mistake is a line, and the exit status is
then 1; warnings go to standard error.`,
		Args: cobra.MatchAll(minArgs(1), oneStdin),
		RunE: func(_ *cobra.Command, args []string) error { return a.validateSchemas(args) },
	}
}

// schemaSource reads a schema and the line of the file on which it begins.
func (a *app) schemaSource(name string) (source string, firstLine int, err error) {
	data, err := a.readFile(name)
	if err != nil {
		return "", 0, err
	}
	if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" {
		return string(data), 1, nil
	}
	file, err := parseValidationFile(name, data)
	if err != nil {
		return "", 0, err
	}
	return file.Schema.Text, file.Schema.Line, nil
}

func (a *app) writeSchemaFile(ctx context.Context, s *servers, args []string) error {
	source, _, err := a.schemaSource(args[0])
	if err != nil {
		return err
	}
	token, err := a.writeSchema(ctx, s, source)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, map[string]any{"token": token})
	}
	_, err = fmt.Fprintln(a.out, token)
	return err
}

// writeSchema writes source; warnings go to standard error.
func (a *app) writeSchema(ctx context.Context, s *servers, source string) (token string, err error) {
	request := &pb.WriteSchemaRequest{Tenant: a.tenant, Schema: source}
	reply, err := ask(ctx, s.call, pb.NewSchemaServiceClient, pb.SchemaServiceClient.WriteSchema, request)
	if err != nil {
		return "", s.inDoubt(err, "the schema may or may not have been written; writing it again is safe")
	}
	a.warn(reply.GetWarnings())
	return reply.GetToken(), nil
}

// warn prints what a server warns of.
func (a *app) warn(warnings []*pb.SchemaWarning) {
	for _, w := range warnings {
		fmt.Fprintf(a.err, "warning: line %d, column %d: %s (%s)\n", w.GetLine(), w.GetColumn(), w.GetMessage(), w.GetName())
	}
}

func (a *app) readSchema(ctx context.Context, s *servers, at *consistencyFlags) error {
	consistency, err := at.message()
	if err != nil {
		return err
	}
	request := &pb.ReadSchemaRequest{Tenant: a.tenant, Consistency: consistency}
	reply, err := ask(ctx, s.call, pb.NewSchemaServiceClient, pb.SchemaServiceClient.ReadSchema, request)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, map[string]any{"schema": reply.GetSchema(), "token": reply.GetToken()})
	}
	return printText(a.out, reply.GetSchema())
}

func (a *app) schemaHistory(ctx context.Context, s *servers, at *consistencyFlags) error {
	consistency, err := at.message()
	if err != nil {
		return err
	}
	request := &pb.SchemaHistoryRequest{Tenant: a.tenant, Consistency: consistency}
	reply, err := ask(ctx, s.call, pb.NewSchemaServiceClient, pb.SchemaServiceClient.SchemaHistory, request)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, v := range reply.GetVersions() {
		if !a.json {
			fmt.Fprintf(w, "%s\t%s\n", v.GetToken(), bytesText(v.GetBytes()))
		} else if err := printJSON(w, map[string]any{"token": v.GetToken(), "bytes": v.GetBytes()}); err != nil {
			return err
		}
	}
	return w.Flush()
}
