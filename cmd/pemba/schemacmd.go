package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/graph"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func (a *app) schemaCommand() *cobra.Command {
	cmd := group("schema", "Write, read and validate schemas")
	write := a.client(&cobra.Command{
		Use:   "write FILE",
		Short: "Replace the tenant's schema; print the token",
		Long: `Replace the tenant's schema by a file in the SpiceDB schema language, by the
schema of a validation file (*.yaml, *.yml), or by standard input for "-".
Refused while tuples are stored that the new schema does not allow.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.writeSchemaFile(cmd.Context(), args[0]) },
	})
	var at consistencyFlags
	read := a.client(&cobra.Command{
		Use:   "read",
		Short: "Print the tenant's schema as it was written",
		Args:  exactArgs(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.readSchema(cmd.Context(), &at) },
	})
	at.add(read)
	validate := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check schema files without a server",
		Args:  cobra.MatchAll(minArgs(1), oneStdin),
		RunE:  func(_ *cobra.Command, args []string) error { return a.validateSchemas(args) },
	}
	cmd.AddCommand(write, read, validate)
	return cmd
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

func (a *app) writeSchemaFile(ctx context.Context, name string) error {
	source, _, err := a.schemaSource(name)
	if err != nil {
		return err
	}
	s, err := a.dial()
	if err != nil {
		return err
	}
	defer s.Close()
	token, err := a.writeSchema(ctx, s, source)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, map[string]any{"token": token})
	}
	fmt.Fprintln(a.out, token)
	return nil
}

// writeSchema writes source; warnings go to standard error.
func (a *app) writeSchema(ctx context.Context, s *servers, source string) (token string, err error) {
	var reply *pb.WriteSchemaResponse
	err = s.call(ctx, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		reply, err = pb.NewSchemaServiceClient(conn).WriteSchema(ctx, &pb.WriteSchemaRequest{Tenant: a.tenant, Schema: source})
		return err
	})
	if err != nil {
		return "", s.inDoubt(err, "the schema may or may not have been written; writing it again is safe")
	}
	for _, w := range reply.GetWarnings() {
		fmt.Fprintf(a.err, "warning: line %d, column %d: %s\n", w.GetLine(), w.GetColumn(), w.GetMessage())
	}
	return reply.GetToken(), nil
}

func (a *app) readSchema(ctx context.Context, at *consistencyFlags) error {
	consistency, err := at.message()
	if err != nil {
		return err
	}
	s, err := a.dial()
	if err != nil {
		return err
	}
	defer s.Close()
	reply, err := a.askSchema(ctx, s, consistency)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, map[string]any{"schema": reply.GetSchema(), "token": reply.GetToken()})
	}
	text := reply.GetSchema()
	if text != "" && text[len(text)-1] != '\n' {
		text += "\n"
	}
	_, err = io.WriteString(a.out, text)
	return err
}

func (a *app) askSchema(ctx context.Context, s *servers, at *pb.Consistency) (*pb.ReadSchemaResponse, error) {
	var reply *pb.ReadSchemaResponse
	err := s.call(ctx, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		reply, err = pb.NewSchemaServiceClient(conn).ReadSchema(ctx, &pb.ReadSchemaRequest{Tenant: a.tenant, Consistency: at})
		return err
	})
	return reply, err
}

// validateSchemas names each mistake of each file on a line of standard output.
func (a *app) validateSchemas(names []string) error {
	good := true
	for _, name := range names {
		source, first, err := a.schemaSource(name)
		if err != nil {
			return err
		}
		for _, line := range schemaMistakes(name, source, first) {
			good = false
			fmt.Fprintln(a.out, line)
		}
	}
	if !good {
		return exitStatus(exitNo)
	}
	return nil
}

// schemaMistakes are the errors of a schema whose first line is line first of
// the named file, each as "file:line:column: what".
func schemaMistakes(name, source string, first int) []string {
	parsed, err := graph.Parse(source)
	if err == nil {
		_, err = graph.Validate(parsed)
	}
	if err == nil {
		return nil
	}
	var mistakes graph.SchemaErrors
	if !errors.As(err, &mistakes) {
		return []string{fmt.Sprintf("%s:%d: %v", name, first, err)}
	}
	var lines []string
	for _, m := range mistakes {
		place := *m
		place.Line, place.Col = 0, 0
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", name, first+max(m.Line, 1)-1, m.Col, place.Error()))
	}
	return slices.Compact(lines)
}
