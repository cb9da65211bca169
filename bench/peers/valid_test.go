package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// valid checks a message by the rules that come with its API, as a real server of
// that API does.
func valid(message any) error {
	if m, ok := message.(interface{ Validate() error }); ok {
		if err := m.Validate(); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
	}
	if m, ok := message.(interface{ HandwrittenValidate() error }); ok {
		if err := m.HandwrittenValidate(); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
	}
	return nil
}

func validUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := valid(request); err != nil {
		return nil, err
	}
	return next(ctx, request)
}

func validStream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(server, validatedStream{stream})
}

type validatedStream struct{ grpc.ServerStream }

func (s validatedStream) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	return valid(message)
}
