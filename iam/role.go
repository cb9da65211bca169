package iam

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
)

// maxRoleID bounds a role's id, in bytes.
const maxRoleID = 64

// Role is a role of the catalogue or, with an organization, a custom one.
type Role struct {
	ID             string   `json:"id"`
	OrganizationID string   `json:"organizationId,omitempty"`
	Name           string   `json:"name,omitempty"` // of a custom role, unique in its organization
	Description    string   `json:"description,omitempty"`
	CreatedAt      int64    `json:"createdAt,omitempty"`   // Unix nanoseconds
	Permissions    []string `json:"permissions,omitempty"` // all that it grants, sorted. Shared: read only
	Includes       []string `json:"-"`
	Kinds          []string `json:"-"` // of resources that it can be granted on; nil = all

	owner bool // granted and revoked only by who has it himself
}

func (r *Role) resource() Resource { return Resource{RoleKind, r.ID} }

// has reports whether the role grants a permission.
func (r *Role) has(permission string) bool {
	_, ok := slices.BinarySearch(r.Permissions, permission)
	return ok
}

// isFor reports whether the role can be granted on resources of a kind.
func (r *Role) isFor(kind string) bool {
	if r.Kinds == nil {
		return true
	}
	_, ok := slices.BinarySearch(r.Kinds, kind)
	return ok
}

func shippedRole(r *catalogue.Role) *Role {
	return &Role{ID: r.ID, Description: r.Description, Permissions: r.Permissions, Includes: r.Includes, Kinds: r.Kinds, owner: r.Owner}
}

// roleAt returns a role as it is at a view, nil if there is none.
func (s *Service) roleAt(v *authz.LayerView, id string) (*Role, error) {
	c, err := s.catalogueAt(v)
	if err != nil {
		return nil, err
	}
	if r, ok := c.Role(id); ok {
		return shippedRole(r), nil
	}
	var r Role
	if found, err := load(v, roleKey(id), &r); err != nil || !found {
		return nil, err
	}
	return &r, nil
}

// RoleFilter says which roles are wanted. Its zero value selects all.
type RoleFilter struct {
	Name           string // the name of custom roles, or the id of any
	OrganizationID string // custom roles of this organization only
	Shipped        bool   // the catalogue's only
}

func (f *RoleFilter) selects(r *Role) bool {
	switch {
	case f.Name != "" && f.Name != r.ID && f.Name != r.Name:
		return false
	case f.OrganizationID != "":
		return r.OrganizationID == f.OrganizationID
	}
	return !f.Shipped || r.OrganizationID == ""
}

// Role returns a role: one of the catalogue to any caller, a custom one to
// whoever may get its organization.
func (s *Service) Role(ctx context.Context, call *Call, id string) (*Role, error) {
	if id == "" || len(id) > maxRoleID {
		return nil, invalid("role_id", id, "not a role's id", "name a role, as pemba iam roles lists them")
	}
	v, caller, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	r, err := s.roleAt(v, id)
	if err != nil || r == nil {
		return nil, orNotFound(err, Resource{RoleKind, id})
	}
	if r.OrganizationID == "" {
		return r, nil
	}
	// To whom the organization is nobody's business, its roles are not there.
	ok, err := caller.allows(ctx, v, getOrganization, Resource{OrganizationKind, r.OrganizationID})
	if err != nil || !ok {
		return nil, orNotFound(err, Resource{RoleKind, id})
	}
	return r, nil
}

const getOrganization = "organization-manager.organizations.get"

// Roles lists roles: the catalogue's by id, then the custom ones of the
// organizations that the caller may get, by name.
func (s *Service) Roles(ctx context.Context, call *Call, f RoleFilter, p Page) ([]*Role, string, error) {
	l, err := s.list(ctx, call, p, "roles "+strings.Join([]string{f.Name, f.OrganizationID, map[bool]string{true: "shipped"}[f.Shipped]}, " "))
	if err != nil {
		return nil, "", err
	}
	if f.OrganizationID != "" {
		if err := l.mustHave(ctx, getOrganization, Resource{OrganizationKind, f.OrganizationID}); err != nil {
			return nil, "", err
		}
	}
	c, err := s.catalogueAt(l.view)
	if err != nil {
		return nil, "", err
	}
	var all []*Role
	for _, r := range c.Roles() {
		if role := shippedRole(r); f.selects(role) {
			all = append(all, role)
		}
	}
	if !f.Shipped {
		custom, err := l.customRoles(ctx, &f)
		if err != nil {
			return nil, "", err
		}
		all = append(all, custom...)
	}
	from, to, next := l.cut(len(all))
	return all[from:to], next, nil
}

// customRoles returns those that a filter selects and the caller may know.
func (l *listing) customRoles(ctx context.Context, f *RoleFilter) ([]*Role, error) {
	var ids []string
	if _, err := load(l.view, customRolesKey, &ids); err != nil {
		return nil, err
	}
	var out []*Role
	known := map[string]bool{}
	for _, id := range ids {
		var r Role
		if found, err := load(l.view, roleKey(id), &r); err != nil {
			return nil, err
		} else if !found || !f.selects(&r) {
			continue
		}
		ok, asked := known[r.OrganizationID]
		if !asked {
			var err error
			if ok, err = l.caller.allows(ctx, l.now, getOrganization, Resource{OrganizationKind, r.OrganizationID}); err != nil {
				return nil, err
			}
			known[r.OrganizationID] = ok
		}
		if ok {
			out = append(out, &r)
		}
	}
	slices.SortFunc(out, func(a, b *Role) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}
