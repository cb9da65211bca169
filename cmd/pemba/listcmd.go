package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// listOptions are what a list is asked beside its question.
type listOptions struct {
	factFlags
	pageFlags
	prefix string
	count  bool
}

func (o *listOptions) add(cmd *cobra.Command) {
	o.factFlags.add(cmd)
	o.pageFlags.add(cmd)
	cmd.Flags().StringVar(&o.prefix, "prefix", "", "only ids that begin with this")
	cmd.Flags().BoolVar(&o.count, "count", false, "print only how many there are; nothing else is sent")
}

func (a *app) listCommand() *cobra.Command {
	cmd := group("list", "List the objects that a subject reaches, or the subjects that reach an object")
	cmd.AddCommand(a.listObjectsCommand(), a.listSubjectsCommand())
	return cmd
}

func (a *app) listObjectsCommand() *cobra.Command {
	o := &listOptions{}
	cmd := a.asking(&cobra.Command{
		Use:   "objects TYPE PERMISSION SUBJECT",
		Short: "List the objects of a type on which a subject has a permission",
		Long: `List the objects of a type on which a subject has a permission: those for which
check would not print denied, one a line, all at one view. A decision that
depends on context that was not given follows its object: "doc:plan  conditional
on hour". One that cannot be decided is named on standard error, and the exit
status is then 2.

With --count, the number of objects is printed, and on standard error how many
of them are conditional or undecided.

With --json, each result is a line, and the last line holds count, token and,
when there is more, cursor.`,
		Example: `  pemba list objects doc view user:ann
  pemba list objects doc edit 'group:eng#member' --prefix 2024- --limit 100
  pemba list objects doc view user:ann --count`,
		Args: exactArgs(3),
	}, func(ctx context.Context, s *servers, args []string) error { return a.listObjects(ctx, s, args, o) })
	o.add(cmd)
	return cmd
}

func (a *app) listObjects(ctx context.Context, s *servers, args []string, o *listOptions) error {
	subject, err := tuple.ParseSubject(args[2])
	if err != nil {
		return err
	}
	l, err := a.list(o)
	if err != nil {
		return err
	}
	l.name = func(id string) string { return args[0] + ":" + id }
	f := &flow[pb.PermissionServiceClient, pb.ListObjectsRequest, pb.ListObjectsResponse]{
		client: pb.NewPermissionServiceClient, method: pb.PermissionServiceClient.ListObjects,
		request: func() *pb.ListObjectsRequest {
			if l.complete() {
				return nil
			}
			return &pb.ListObjectsRequest{
				Tenant: a.tenant, Type: args[0], Permission: args[1], Subject: subjectMessage(subject),
				ContextJson: o.context, ContextualTuples: l.contextual, Consistency: l.consistency,
				IdPrefix: o.prefix, Limit: l.left(), Cursor: l.cursor, CountOnly: o.count,
			}
		},
		take: func(r *pb.ListObjectsResponse) error { return takePart(l, r, r.GetObjects()) },
	}
	return l.end(f.run(ctx, s.retry()))
}

func (a *app) listSubjectsCommand() *cobra.Command {
	o := &listOptions{}
	cmd := a.asking(&cobra.Command{
		Use:   "subjects OBJECT PERMISSION TYPE[#RELATION]",
		Short: "List the subjects of a type that have a permission on an object",
		Long: `List the subjects of a type that have a permission on an object: those for which
check would not print denied, one a line, all at one view; TYPE#RELATION lists
usersets. "user:*" stands for every subject of the type, but for those that are
listed for themselves: "user:rex  except" is excepted from it, "user:kim
conditional on hour" depends on context that was not given. A subject that cannot
be decided is named on standard error, and the exit status is then 2.

With --count, the number of these lines is printed, and on standard error how
many of them are excepted, conditional or undecided.

With --json, each result is a line, and the last line holds count, token and,
when there is more, cursor.`,
		Example: `  pemba list subjects doc:readme view user
  pemba list subjects doc:readme view 'group#member'
  pemba list subjects doc:readme view user --count`,
		Args: exactArgs(3),
	}, func(ctx context.Context, s *servers, args []string) error { return a.listSubjects(ctx, s, args, o) })
	o.add(cmd)
	return cmd
}

func (a *app) listSubjects(ctx context.Context, s *servers, args []string, o *listOptions) error {
	object, err := tuple.ParseObject(args[0])
	if err != nil {
		return err
	}
	typ, relation, userset := strings.Cut(args[2], "#")
	if userset && relation == "" {
		return fmt.Errorf("subjects %q: they are written type or type#relation, as user or group#member", args[2])
	}
	l, err := a.list(o)
	if err != nil {
		return err
	}
	l.subjects = true
	l.name = func(id string) string { return tuple.Subject{Type: typ, ID: id, Relation: relation}.String() }
	f := &flow[pb.PermissionServiceClient, pb.ListSubjectsRequest, pb.ListSubjectsResponse]{
		client: pb.NewPermissionServiceClient, method: pb.PermissionServiceClient.ListSubjects,
		request: func() *pb.ListSubjectsRequest {
			if l.complete() {
				return nil
			}
			return &pb.ListSubjectsRequest{
				Tenant: a.tenant, Object: objectMessage(object), Permission: args[1], SubjectType: typ, SubjectRelation: relation,
				ContextJson: o.context, ContextualTuples: l.contextual, Consistency: l.consistency,
				IdPrefix: o.prefix, Limit: l.left(), Cursor: l.cursor, CountOnly: o.count,
			}
		},
		take: func(r *pb.ListSubjectsResponse) error { return takePart(l, r, r.GetSubjects()) },
	}
	return l.end(f.run(ctx, s.retry()))
}
