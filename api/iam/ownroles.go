package iam

import (
	"context"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func pbRole(r *core.Role) *pb.Role {
	return &pb.Role{
		Id: r.ID, Description: r.Description, Permissions: r.Permissions, IncludedRoleIds: r.Includes, Kinds: r.Kinds,
		OrganizationId: r.OrganizationID, Name: r.Name, CreatedAt: stamp(r.CreatedAt),
	}
}

// listedRole is pbRole without what makes a list of roles large.
func listedRole(r *core.Role) *pb.Role {
	m := pbRole(r)
	m.Permissions = nil
	return m
}

func (o own) createRole(ctx context.Context, call *core.Call, r *pb.CreateRoleRequest) (*pb.CreateRoleResponse, error) {
	op, err := o.iam.CreateRole(ctx, call, r.GetOrganizationId(), r.GetName(), r.GetDescription(), r.GetPermissions())
	return made(op, err, func(op *core.Operation) *pb.CreateRoleResponse {
		return &pb.CreateRoleResponse{Role: pbRole(op.Role), OperationId: op.ID}
	})
}

func (o own) updateRole(ctx context.Context, call *core.Call, r *pb.UpdateRoleRequest) (*pb.UpdateRoleResponse, error) {
	fields := r.GetFields()
	for _, f := range fields {
		switch f {
		case core.FieldName, core.FieldDescription, core.FieldPermissions:
		default:
			return nil, invalid("fields", "unknown field "+shorten(f), `name "name", "description" or "permissions"`)
		}
	}
	if len(fields) == 0 {
		fields = []string{core.FieldName, core.FieldDescription, core.FieldPermissions}
	}
	op, err := o.iam.UpdateRole(ctx, call, core.RoleUpdate{
		ID: r.GetRoleId(), Name: r.GetName(), Description: r.GetDescription(), Permissions: r.GetPermissions(), Fields: fields,
	})
	return made(op, err, func(op *core.Operation) *pb.UpdateRoleResponse {
		return &pb.UpdateRoleResponse{Role: pbRole(op.Role), OperationId: op.ID}
	})
}

func (o own) deleteRole(ctx context.Context, call *core.Call, r *pb.DeleteRoleRequest) (*pb.DeleteRoleResponse, error) {
	op, err := o.iam.DeleteRole(ctx, call, r.GetRoleId())
	return made(op, err, func(op *core.Operation) *pb.DeleteRoleResponse {
		return &pb.DeleteRoleResponse{OperationId: op.ID}
	})
}

func (o own) getRole(ctx context.Context, call *core.Call, r *pb.GetRoleRequest) (*pb.GetRoleResponse, error) {
	role, err := o.iam.Role(ctx, call, r.GetRoleId())
	if err != nil {
		return nil, err
	}
	return &pb.GetRoleResponse{Role: pbRole(role)}, nil
}

func (o own) listRoles(ctx context.Context, call *core.Call, r *pb.ListRolesRequest) (*pb.ListRolesResponse, error) {
	filter := core.RoleFilter{OrganizationID: r.GetOrganizationId(), Shipped: r.GetShipped()}
	roles, next, err := o.iam.Roles(ctx, call, filter, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	return &pb.ListRolesResponse{Roles: list(roles, listedRole), NextPageToken: next}, nil
}
