package authz

import (
	"context"
	"strings"

	"github.com/pemba-authz/pemba/store"
)

// Tenant is a schema with tuples of its own. Its incarnation tells it apart
// from earlier tenants of that name.
type Tenant = store.TenantInfo

// CreateTenant creates an empty tenant and returns the token of its first view.
func (s *Service) CreateTenant(ctx context.Context, by Caller, name string) (token string, err error) {
	if name, err = s.newTenantName(name); err != nil {
		return "", err
	}
	out, err := s.propose(ctx, store.Command{Kind: store.KindCreateTenant, Tenant: name, Actor: by.Name, Address: by.Address})
	if err != nil {
		return "", err
	}
	return s.tokenAt(out.Revision, out.Revision), nil
}

// DeleteTenant deletes a tenant with all that it holds.
func (s *Service) DeleteTenant(ctx context.Context, by Caller, name string) error {
	if name == "" {
		return missingTenant()
	}
	name, err := s.tenantName(name)
	if err != nil {
		return err
	}
	_, err = s.propose(ctx, store.Command{Kind: store.KindDeleteTenant, Tenant: name, Actor: by.Name, Address: by.Address})
	return err
}

// propose proposes c and turns any end but OK into an error.
func (s *Service) propose(ctx context.Context, c store.Command) (store.Outcome, error) {
	out, err := s.replicate(ctx, c)
	if err != nil {
		return out, proposeError(err)
	}
	if out.Code != store.OK {
		return out, outcomeError(out, &c)
	}
	return out, nil
}

func missingTenant() *Error {
	return &Error{Code: Invalid, Reason: "MISSING_FIELD", Field: "tenant", Message: "tenant is missing", Fix: "name the tenant"}
}

// newTenantName checks the name of a tenant that is to be created.
func (s *Service) newTenantName(name string) (string, error) {
	switch {
	case name == "":
		return "", missingTenant()
	case strings.HasPrefix(name, "_"):
		return s.tenantName(name)
	case !store.ValidTenant(name):
		return "", &Error{Code: Invalid, Reason: "INVALID_FIELD", Field: "tenant", Value: name,
			Message: "this cannot name a tenant", Fix: "use 1 to 64 letters, digits, '-', '_' and '.', a letter or digit first"}
	}
	return name, nil
}

// Tenants returns at most most tenants by name, those after the one called
// after, and whether there are more. Reserved ones are left out. It shows what
// this node has.
func (s *Service) Tenants(after string, most int) (tenants []Tenant, more bool, err error) {
	if err := s.fresh(); err != nil {
		return nil, false, err
	}
	for len(tenants) <= most {
		part := s.node.Store().TenantsAfter(after, most+1)
		if len(part) == 0 {
			return tenants, false, nil
		}
		for _, t := range part {
			if !strings.HasPrefix(t.Name, "_") {
				tenants = append(tenants, t)
			}
		}
		after = part[len(part)-1].Name
	}
	return tenants[:most], true, nil
}
