package iam

import (
	"context"
	"errors"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"

	"github.com/pemba-authz/pemba/authz"
	core "github.com/pemba-authz/pemba/iam"
)

const (
	noExternalGroups = "this server has no groups of external directories"
	noEffective      = "this server does not list the groups that somebody is in; AccessAnalyzerService lists the bindings that they give him"
)

// groupService serves organizationmanager.v1.GroupService.
type groupService struct{ *door }

func (s groupService) mounted() Mounted {
	methods := append(s.bindings(core.GroupKind),
		rpc("Get", s.get), rpc("List", s.list), rpc("Create", s.create), rpc("Update", s.update), rpc("Delete", s.delete),
		rpc("ListOperations", s.listOperations), rpc("ListMembers", s.listMembers), rpc("UpdateMembers", s.updateMembers))
	methods = append(methods, lacking(noExternalGroups, "ResolveExternal", "ListExternal", "CreateExternal", "ConvertToExternal", "ConvertAllToBasic")...)
	return s.service("yandex.cloud.organizationmanager.v1.GroupService", "yandex/cloud/organizationmanager/v1/group_service.proto",
		append(methods, lacking(noEffective, "ListEffective")...)...)
}

func (s groupService) get(ctx context.Context, call *core.Call, r *orgv1.GetGroupRequest) (*orgv1.Group, error) {
	g, err := s.iam.Group(ctx, call, r.GetGroupId())
	if err != nil {
		return nil, err
	}
	return protoGroup(g), nil
}

func (s groupService) list(ctx context.Context, call *core.Call, r *orgv1.ListGroupsRequest) (*orgv1.ListGroupsResponse, error) {
	name, err := nameIn(r.GetFilter())
	if err != nil {
		return nil, err
	}
	found, next, err := s.iam.Groups(ctx, call, r.GetOrganizationId(), name, pageIn(r))
	return &orgv1.ListGroupsResponse{Groups: all(found, protoGroup), NextPageToken: next}, err
}

func (s groupService) create(ctx context.Context, call *core.Call, r *orgv1.CreateGroupRequest) (*operation.Operation, error) {
	op, err := s.iam.CreateGroup(ctx, call, r.GetOrganizationId(), core.About{Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels()})
	return operationOf(call, op, err)
}

func (s groupService) update(ctx context.Context, call *core.Call, r *orgv1.UpdateGroupRequest) (*operation.Operation, error) {
	op, err := s.iam.UpdateGroup(ctx, call, core.GroupUpdate{
		ID: r.GetGroupId(), About: core.About{Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels()}, Fields: updated(r),
	})
	return operationOf(call, op, err)
}

func (s groupService) delete(ctx context.Context, call *core.Call, r *orgv1.DeleteGroupRequest) (*operation.Operation, error) {
	op, err := s.iam.DeleteGroup(ctx, call, r.GetGroupId())
	return operationOf(call, op, err)
}

func (s groupService) listOperations(ctx context.Context, call *core.Call, r *orgv1.ListGroupOperationsRequest) (*orgv1.ListGroupOperationsResponse, error) {
	found, next, err := s.operationsOn(ctx, call, core.GroupKind, r.GetGroupId(), r)
	return &orgv1.ListGroupOperationsResponse{Operations: found, NextPageToken: next}, err
}

func (s groupService) listMembers(ctx context.Context, call *core.Call, r *orgv1.ListGroupMembersRequest) (*orgv1.ListGroupMembersResponse, error) {
	found, next, err := s.iam.GroupMembers(ctx, call, r.GetGroupId(), pageIn(r))
	return &orgv1.ListGroupMembersResponse{
		Members: all(found, func(m core.Subject) *orgv1.GroupMember {
			return &orgv1.GroupMember{SubjectId: m.ID, SubjectType: string(m.Type)}
		}),
		NextPageToken: next,
	}, err
}

// updateMembers looks up of what types the members are, which the request does
// not say.
func (s groupService) updateMembers(ctx context.Context, call *core.Call, r *orgv1.UpdateGroupMembersRequest) (*operation.Operation, error) {
	look := *call
	var deltas []core.MemberDelta
	for _, d := range r.GetMemberDeltas() {
		member, err := s.memberOf(ctx, &look, d.GetSubjectId())
		if err != nil {
			return nil, err
		}
		look.Stale, look.Consistency = true, authz.Consistency{Level: authz.AtLeast, Token: look.Seen} // one read index for all
		deltas = append(deltas, core.MemberDelta{Remove: d.GetAction() == orgv1.MemberDelta_REMOVE, Member: member})
	}
	op, err := s.iam.UpdateGroupMembers(ctx, call, r.GetGroupId(), deltas)
	return operationOf(call, op, err)
}

// memberOf returns the subject with an id: a user, or else a service account,
// which the core will find or not.
func (s groupService) memberOf(ctx context.Context, call *core.Call, id string) (core.Subject, error) {
	u, err := s.iam.User(ctx, call, id)
	var e *authz.Error
	switch {
	case err == nil:
		return u.Subject(), nil
	case errors.As(err, &e) && e.Code == authz.NotFound:
		return core.Subject{Type: core.ServiceAccount, ID: id}, nil
	}
	return core.Subject{}, err
}

func protoGroup(g *core.Group) *orgv1.Group {
	return &orgv1.Group{
		Id: g.ID, OrganizationId: g.OrganizationID, CreatedAt: protoTime(g.CreatedAt), Name: g.Name, Description: g.Description, Labels: g.Labels,
	}
}
