package main

import (
	"context"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// expandOptions are what expand is asked beside its question.
type expandOptions struct {
	factFlags
	consistencyFlags
	depth    int32
	maxNodes uint32
}

func (a *app) expandCommand() *cobra.Command {
	o := &expandOptions{}
	cmd := a.asking(&cobra.Command{
		Use:   "expand OBJECT PERMISSION",
		Short: "Print the tree behind a permission of an object",
		Long: `Print the tree behind a permission of an object: its rewrites and the tuples that
they read, with what their caveats come to. Usersets and other objects that the
tree leads to are followed --depth tuples deep; each is expanded once.`,
		Example: `  pemba expand doc:readme view
  pemba expand doc:readme view --depth -1`,
		Args: exactArgs(2),
	}, func(ctx context.Context, s *servers, args []string) error { return a.expand(ctx, s, args, o) })
	cmd.Flags().Int32Var(&o.depth, "depth", 0, "how many tuples deep to follow; 0 = this object only, negative = as far as it goes")
	cmd.Flags().Uint32Var(&o.maxNodes, "max-nodes", 0, "largest tree, up to 100,000 nodes; a larger one is an error (default 10,000)")
	o.factFlags.add(cmd)
	o.consistencyFlags.add(cmd)
	return cmd
}

func (a *app) expand(ctx context.Context, s *servers, args []string, o *expandOptions) error {
	object, err := tuple.ParseObject(args[0])
	if err != nil {
		return err
	}
	consistency, err := o.message()
	if err != nil {
		return err
	}
	contextual, err := o.tuples()
	if err != nil {
		return err
	}
	reply, err := ask(ctx, s.call, pb.NewPermissionServiceClient, pb.PermissionServiceClient.Expand, &pb.ExpandRequest{
		Tenant: a.tenant, Object: objectMessage(object), Permission: args[1], ContextJson: o.context,
		ContextualTuples: contextual, Consistency: consistency, Depth: o.depth, MaxNodes: o.maxNodes,
	})
	if err != nil {
		return err
	}
	if a.json {
		return printTree(a.out, reply)
	}
	return printText(a.out, reply.GetText())
}
