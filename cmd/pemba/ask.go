package main

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
)

// work is what a client command does, on servers that are dialled.
type work func(ctx context.Context, s *servers, args []string) error

// asking is a command that asks about a tenant.
func (a *app) asking(cmd *cobra.Command, w work) *cobra.Command {
	cmd.RunE = a.dialled(w)
	return a.client(cmd)
}

// askingCluster is a command that asks about no single tenant.
func (a *app) askingCluster(cmd *cobra.Command, w work) *cobra.Command {
	cmd.RunE = a.dialled(w)
	return a.clusterClient(cmd)
}

func (a *app) dialled(w work) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, err := a.dial()
		if err != nil {
			return err
		}
		defer s.Close()
		return w(cmd.Context(), s, args)
	}
}

// how is the way in which a request is made: servers.call or servers.persist.
type how func(context.Context, request) error

// ask calls a unary method, given as the constructor of a generated client and
// one of its methods, and returns the reply.
func ask[C, Q, R any](ctx context.Context, how how, client func(grpc.ClientConnInterface) C,
	method func(C, context.Context, *Q, ...grpc.CallOption) (*R, error), question *Q) (*R, error) {
	var reply *R
	err := how(ctx, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		reply, err = method(client(conn), ctx, question)
		return err
	})
	return reply, err
}
