package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// clusterChangeCommands change the members. Each waits until it is done.
func (a *app) clusterChangeCommands() []*cobra.Command {
	var removeForce, demoteForce bool
	remove := a.askingCluster(&cobra.Command{
		Use:   "remove ID",
		Short: "Take a node out of the cluster for good",
		Long: `Take a node out of the cluster for good: its data directory cannot come back. A
node that is to come back joins with an empty directory, best under a new id. Refused
when too few voters would be left that answer, unless --force is given.`,
		Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		_, err := change(ctx, s, pb.ClusterServiceClient.RemoveNode, &pb.RemoveNodeRequest{Id: args[0], Force: removeForce})
		return err
	})
	remove.Flags().BoolVar(&removeForce, "force", false, "also if too few voters are left that answer")
	demote := a.askingCluster(&cobra.Command{
		Use:   "demote ID",
		Short: "Make a voter a nonvoting replica",
		Args:  exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		_, err := change(ctx, s, pb.ClusterServiceClient.DemoteNode, &pb.DemoteNodeRequest{Id: args[0], Force: demoteForce})
		return err
	})
	demote.Flags().BoolVar(&demoteForce, "force", false, "also if too few voters are left that answer")
	return []*cobra.Command{
		a.askingCluster(&cobra.Command{
			Use:   "add HOST:PORT",
			Short: "Make the fresh node that serves clients there join; print its id",
			Long: `Make the fresh node that serves clients at HOST:PORT join, and print its id. A
node is fresh that was started with --raft-addr and --join on an empty directory
and has not found a cluster: without --join it is one by itself. A node that is
started with --join at the cluster's addresses joins without this command.`,
			Args: exactArgs(1),
		}, a.addNode),
		remove,
		a.askingCluster(&cobra.Command{
			Use:   "promote ID",
			Short: "Give a nonvoting replica that has caught up a vote",
			Args:  exactArgs(1),
		}, func(ctx context.Context, s *servers, args []string) error {
			_, err := change(ctx, s, pb.ClusterServiceClient.PromoteNode, &pb.PromoteNodeRequest{Id: args[0]})
			return err
		}),
		demote,
		a.askingCluster(&cobra.Command{
			Use:   "transfer [ID]",
			Short: "Make another voter lead; print its id",
			Args:  maxArgs(1),
		}, a.transferLeadership),
	}
}

// change asks for a change of the members.
func change[Q, R any](ctx context.Context, s *servers, method func(pb.ClusterServiceClient, context.Context, *Q, ...grpc.CallOption) (*R, error), question *Q) (*R, error) {
	reply, err := ask(ctx, s.call, pb.NewClusterServiceClient, method, question)
	if err != nil {
		return nil, s.inDoubt(err, "it may or may not have happened; look at pemba cluster status")
	}
	return reply, nil
}

func (a *app) addNode(ctx context.Context, s *servers, args []string) error {
	reply, err := change(ctx, s, pb.ClusterServiceClient.AddNode, &pb.AddNodeRequest{ClientAddress: args[0]})
	if err != nil {
		return err
	}
	return a.printID("id", reply.GetId())
}

func (a *app) transferLeadership(ctx context.Context, s *servers, args []string) error {
	request := &pb.TransferLeadershipRequest{}
	if len(args) == 1 {
		request.Id = args[0]
	}
	reply, err := change(ctx, s, pb.ClusterServiceClient.TransferLeadership, request)
	if err != nil {
		return err
	}
	return a.printID("leader_id", reply.GetLeaderId())
}

func (a *app) printID(key, id string) error {
	if a.json {
		return printJSON(a.out, map[string]any{key: id})
	}
	_, err := fmt.Fprintln(a.out, id)
	return err
}
