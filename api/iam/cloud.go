package iam

import (
	"context"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"

	core "github.com/pemba-authz/pemba/iam"
)

// Methods of access policies, which deny what roles grant.
const noPolicies = "this server has no access policies: what nobody may do is what no role grants"

var policyMethods = []string{"ListAccessPolicyBindings", "BindAccessPolicy", "UnbindAccessPolicy", "UpdateAccessPolicyBindingParameters"}

// cloudService serves resourcemanager.v1.CloudService.
type cloudService struct{ *door }

func (s cloudService) mounted() Mounted {
	methods := append(s.bindings(core.CloudKind),
		rpc("Get", s.get), rpc("List", s.list), rpc("Create", s.create), rpc("Update", s.update), rpc("Delete", s.delete),
		rpc("ListOperations", s.listOperations))
	return s.service("yandex.cloud.resourcemanager.v1.CloudService", "yandex/cloud/resourcemanager/v1/cloud_service.proto",
		append(methods, lacking(noPolicies, policyMethods...)...)...)
}

func (s cloudService) get(ctx context.Context, call *core.Call, r *resv1.GetCloudRequest) (*resv1.Cloud, error) {
	c, err := s.iam.Cloud(ctx, call, r.GetCloudId())
	if err != nil {
		return nil, err
	}
	return protoCloud(c), nil
}

func (s cloudService) list(ctx context.Context, call *core.Call, r *resv1.ListCloudsRequest) (*resv1.ListCloudsResponse, error) {
	name, err := nameIn(r.GetFilter())
	if err != nil {
		return nil, err
	}
	found, next, err := s.iam.Clouds(ctx, call, r.GetOrganizationId(), name, pageIn(r))
	return &resv1.ListCloudsResponse{Clouds: all(found, protoCloud), NextPageToken: next}, err
}

func (s cloudService) create(ctx context.Context, call *core.Call, r *resv1.CreateCloudRequest) (*operation.Operation, error) {
	op, err := s.iam.CreateCloud(ctx, call, r.GetOrganizationId(), core.About{Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels()})
	return operationOf(call, op, err)
}

func (s cloudService) update(ctx context.Context, call *core.Call, r *resv1.UpdateCloudRequest) (*operation.Operation, error) {
	op, err := s.iam.UpdateCloud(ctx, call, core.CloudUpdate{
		ID: r.GetCloudId(), About: core.About{Name: r.GetName(), Description: r.GetDescription(), Labels: r.GetLabels()}, Fields: updated(r),
	})
	return operationOf(call, op, err)
}

func (s cloudService) delete(ctx context.Context, call *core.Call, r *resv1.DeleteCloudRequest) (*operation.Operation, error) {
	op, err := s.iam.DeleteCloud(ctx, call, r.GetCloudId(), deletionOf(r.GetDeleteAfter()))
	return operationOf(call, op, err)
}

func (s cloudService) listOperations(ctx context.Context, call *core.Call, r *resv1.ListCloudOperationsRequest) (*resv1.ListCloudOperationsResponse, error) {
	found, next, err := s.operationsOn(ctx, call, core.CloudKind, r.GetCloudId(), r)
	return &resv1.ListCloudOperationsResponse{Operations: found, NextPageToken: next}, err
}

func protoCloud(c *core.Cloud) *resv1.Cloud {
	return &resv1.Cloud{
		Id: c.ID, CreatedAt: protoTime(c.CreatedAt), Name: c.Name, Description: c.Description,
		OrganizationId: c.OrganizationID, Labels: c.Labels,
	}
}
