package iam

import (
	"context"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"

	core "github.com/pemba-authz/pemba/iam"
)

// organizationService serves organizationmanager.v1.OrganizationService.
type organizationService struct{ *door }

func (s organizationService) mounted() Mounted {
	methods := append(s.bindings(core.OrganizationKind),
		rpc("Get", s.get), rpc("List", s.list), rpc("Update", s.update), rpc("ListOperations", s.listOperations))
	return s.service("yandex.cloud.organizationmanager.v1.OrganizationService", "yandex/cloud/organizationmanager/v1/organization_service.proto",
		append(methods, lacking(noPolicies, policyMethods...)...)...)
}

func (s organizationService) get(ctx context.Context, call *core.Call, r *orgv1.GetOrganizationRequest) (*orgv1.Organization, error) {
	o, err := s.iam.Organization(ctx, call, r.GetOrganizationId())
	if err != nil {
		return nil, err
	}
	return protoOrganization(o), nil
}

func (s organizationService) list(ctx context.Context, call *core.Call, r *orgv1.ListOrganizationsRequest) (*orgv1.ListOrganizationsResponse, error) {
	name, err := nameIn(r.GetFilter())
	if err != nil {
		return nil, err
	}
	found, next, err := s.iam.Organizations(ctx, call, name, pageIn(r))
	return &orgv1.ListOrganizationsResponse{Organizations: all(found, protoOrganization), NextPageToken: next}, err
}

func (s organizationService) update(ctx context.Context, call *core.Call, r *orgv1.UpdateOrganizationRequest) (*operation.Operation, error) {
	op, err := s.iam.UpdateOrganization(ctx, call, core.OrganizationUpdate{
		ID: r.GetOrganizationId(), About: core.About{Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels()},
		Title: r.GetTitle(), Fields: updated(r),
	})
	return operationOf(call, op, err)
}

func (s organizationService) listOperations(ctx context.Context, call *core.Call, r *orgv1.ListOrganizationOperationsRequest) (*orgv1.ListOrganizationOperationsResponse, error) {
	found, next, err := s.operationsOn(ctx, call, core.OrganizationKind, r.GetOrganizationId(), r)
	return &orgv1.ListOrganizationOperationsResponse{Operations: found, NextPageToken: next}, err
}

func protoOrganization(o *core.Organization) *orgv1.Organization {
	return &orgv1.Organization{
		Id: o.ID, CreatedAt: protoTime(o.CreatedAt), Name: o.Name, Description: o.Description, Title: o.Title, Labels: o.Labels,
	}
}
