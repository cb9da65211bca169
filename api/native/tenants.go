package native

import (
	"context"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	defaultTenants = 100
	maxTenants     = 1000
)

// A tenantServer is pemba.v1.TenantService.
type tenantServer struct {
	pembav1.UnimplementedTenantServiceServer
	base
}

// CreateTenant creates a tenant.
func (s *tenantServer) CreateTenant(ctx context.Context, r *pembav1.CreateTenantRequest) (*pembav1.CreateTenantResponse, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	token, err := s.service.CreateTenant(ctx, callerOf(ctx), r.GetName())
	if err != nil {
		return nil, renamed(err, "tenant", "name")
	}
	return &pembav1.CreateTenantResponse{Token: token}, nil
}

// ListTenants returns a page of tenants. A page token is the last name of the
// page before.
func (s *tenantServer) ListTenants(_ context.Context, r *pembav1.ListTenantsRequest) (*pembav1.ListTenantsResponse, error) {
	size := int(r.GetPageSize())
	switch {
	case size == 0:
		size = defaultTenants
	case size > maxTenants:
		return nil, tooMany("page_size", size, maxTenants)
	}
	tenants, more, err := s.service.Tenants(r.GetPageToken(), size)
	if err != nil {
		return nil, err
	}
	reply := &pembav1.ListTenantsResponse{}
	for _, t := range tenants {
		reply.Tenants = append(reply.Tenants, &pembav1.Tenant{Name: t.Name, Incarnation: t.Incarnation})
	}
	if more {
		reply.NextPageToken = tenants[len(tenants)-1].Name
	}
	return reply, nil
}

// DeleteTenant deletes a tenant with all that it holds.
func (s *tenantServer) DeleteTenant(ctx context.Context, r *pembav1.DeleteTenantRequest) (*pembav1.DeleteTenantResponse, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.service.DeleteTenant(ctx, callerOf(ctx), r.GetName()); err != nil {
		return nil, renamed(err, "tenant", "name")
	}
	return &pembav1.DeleteTenantResponse{}, nil
}
