package iam

import (
	"cmp"
	"context"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func pbUser(u *core.User) *pb.User {
	return &pb.User{
		Id: u.ID, Type: string(u.Type), CreatedAt: stamp(u.CreatedAt), OrganizationIds: u.Organizations,
		FederationId: u.FederationID, Login: u.Login, Email: u.Email,
	}
}

func (o own) addUser(ctx context.Context, call *core.Call, r *pb.AddUserRequest) (*pb.AddUserResponse, error) {
	op, err := o.iam.AddUser(ctx, call, r.GetOrganizationId(), core.User{
		Type:  cmp.Or(core.SubjectType(r.GetType()), core.UserAccount),
		Login: r.GetLogin(), Email: r.GetEmail(), FederationID: r.GetFederationId(),
	})
	return made(op, err, func(op *core.Operation) *pb.AddUserResponse {
		return &pb.AddUserResponse{User: pbUser(op.User), OperationId: op.ID}
	})
}

func (o own) getUser(ctx context.Context, call *core.Call, r *pb.GetUserRequest) (*pb.GetUserResponse, error) {
	u, err := o.iam.User(ctx, call, r.GetUserId())
	if err != nil {
		return nil, err
	}
	return &pb.GetUserResponse{User: pbUser(u)}, nil
}

func (o own) listUsers(ctx context.Context, call *core.Call, r *pb.ListUsersRequest) (*pb.ListUsersResponse, error) {
	users, next, err := o.iam.Users(ctx, call, r.GetOrganizationId(), pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	return &pb.ListUsersResponse{Users: list(users, pbUser), NextPageToken: next}, nil
}

func (o own) removeUser(ctx context.Context, call *core.Call, r *pb.RemoveUserRequest) (*pb.RemoveUserResponse, error) {
	op, err := o.iam.RemoveUser(ctx, call, r.GetOrganizationId(), r.GetUserId())
	return made(op, err, func(op *core.Operation) *pb.RemoveUserResponse {
		return &pb.RemoveUserResponse{OperationId: op.ID}
	})
}
