package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pemba-authz/pemba/graph"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func (a *app) schemaDiffCommand() *cobra.Command {
	at := &consistencyFlags{}
	cmd := a.client(&cobra.Command{
		Use:   "diff FILE [OLDFILE]",
		Short: "Say what a schema would change, and for whom",
		Long: `Say what a schema would change if it replaced the tenant's, or, without a server,
that of OLDFILE: what is new, gone, wider (nobody loses), narrower (nobody gains)
or different, and what changes with it.

Against a server, stored tuples that the schema does not allow are counted and
shown: it would be refused, and the exit status is 1.`,
		Example: `  pemba schema diff new.zed
  pemba schema diff new.zed old.zed`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return minArgs(1)(cmd, args)
			}
			return maxArgs(2)(cmd, args)
		},
	})
	at.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := oneStdin(cmd, args); err != nil {
			return err
		}
		if len(args) == 2 {
			return a.diffFiles(args[0], args[1])
		}
		return a.dialled(func(ctx context.Context, s *servers, args []string) error {
			return a.diffSchema(ctx, s, args[0], at)
		})(cmd, args)
	}
	return cmd
}

// diffSchema compares a file with the tenant's schema.
func (a *app) diffSchema(ctx context.Context, s *servers, name string, at *consistencyFlags) error {
	source, _, err := a.schemaSource(name)
	if err != nil {
		return err
	}
	consistency, err := at.message()
	if err != nil {
		return err
	}
	request := &pb.DiffSchemaRequest{Tenant: a.tenant, Schema: source, Consistency: consistency}
	reply, err := ask(ctx, s.call, pb.NewSchemaServiceClient, pb.SchemaServiceClient.DiffSchema, request)
	if err != nil {
		return err
	}
	if err := a.printDiff(reply); err != nil {
		return err
	}
	if len(reply.GetOrphans()) > 0 {
		return exitStatus(exitNo)
	}
	return nil
}

func (a *app) printDiff(reply *pb.DiffSchemaResponse) error {
	if a.json {
		return printTree(a.out, reply)
	}
	a.warn(reply.GetWarnings())
	text := reply.GetText()
	if len(reply.GetChanges()) == 0 {
		text = "no changes\n"
	}
	if err := printText(a.out, text); err != nil {
		return err
	}
	for i, o := range reply.GetOrphans() {
		if i == 0 {
			fmt.Fprintln(a.out, "\nIt would be refused while there are tuples that it does not allow:")
		}
		fmt.Fprintf(a.out, "  %s: %s, as %s\n", o.GetShape(), tuplesText(int(o.GetCount())), strings.Join(o.GetExamples(), ", "))
	}
	return nil
}

// diffFiles compares two files. Their mistakes are an error: there is no answer.
func (a *app) diffFiles(name, oldName string) error {
	var schemas [2]*graph.Schema
	for i, file := range []string{name, oldName} {
		source, first, err := a.schemaSource(file)
		if err != nil {
			return err
		}
		parsed, _, mistakes := checkSchema(file, source, first)
		if len(mistakes) > 0 {
			return errors.New(mistakes[0])
		}
		schemas[i] = parsed
	}
	changes := graph.Diff(schemas[1], schemas[0])
	reply := &pb.DiffSchemaResponse{}
	var text strings.Builder
	if err := graph.WriteChanges(&text, changes); err != nil {
		return err
	}
	reply.Text = text.String()
	for _, c := range changes {
		reply.Changes = append(reply.Changes, changeMessage(c))
	}
	return a.printDiff(reply)
}

var changeKinds = map[graph.ChangeKind]pb.SchemaChange_Kind{
	graph.Added: pb.SchemaChange_KIND_ADDED, graph.Removed: pb.SchemaChange_KIND_REMOVED, graph.Widened: pb.SchemaChange_KIND_WIDENED,
	graph.Narrowed: pb.SchemaChange_KIND_NARROWED, graph.Changed: pb.SchemaChange_KIND_CHANGED,
}

func changeMessage(c graph.Change) *pb.SchemaChange {
	m := &pb.SchemaChange{Kind: changeKinds[c.Kind], Type: c.Type, Name: c.Name, Before: c.Before, After: c.After, Text: c.Text}
	for _, e := range c.Effects {
		m.Effects = append(m.Effects, e.String())
	}
	return m
}
