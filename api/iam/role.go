package iam

import (
	"context"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	core "github.com/pemba-authz/pemba/iam"
)

// roleService serves iam.v1.RoleService. Its roles have no names: a filter by
// name asks for an id, or for custom roles that have it.
type roleService struct{ *door }

func (s roleService) mounted() Mounted {
	return s.service("yandex.cloud.iam.v1.RoleService", "yandex/cloud/iam/v1/role_service.proto", rpc("Get", s.get), rpc("List", s.list))
}

func (s roleService) get(ctx context.Context, call *core.Call, r *iamv1.GetRoleRequest) (*iamv1.Role, error) {
	role, err := s.iam.Role(ctx, call, r.GetRoleId())
	if err != nil {
		return nil, err
	}
	return protoRole(role), nil
}

func (s roleService) list(ctx context.Context, call *core.Call, r *iamv1.ListRolesRequest) (*iamv1.ListRolesResponse, error) {
	name, err := nameIn(r.GetFilter())
	if err != nil {
		return nil, err
	}
	found, next, err := s.iam.Roles(ctx, call, core.RoleFilter{Name: name}, pageIn(r))
	return &iamv1.ListRolesResponse{Roles: all(found, protoRole), NextPageToken: next}, err
}

func protoRole(r *core.Role) *iamv1.Role {
	return &iamv1.Role{Id: r.ID, Description: r.Description}
}
