package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/iam/credential"
)

// Limits of custom roles. Each of them is in the one schema, which is compiled
// anew whenever one changes; what is too much for it would be the end of all.
const (
	MaxCustomRoles     = 2000 // of an organization
	maxAllCustomRoles  = 5000 // of all organizations
	MaxRolePermissions = 1000 // of a custom role

	maxAllGrants = catalogue.MaxCustomGrants // permissions of all custom roles, summed up
)

// FieldPermissions is a field of RoleUpdate.
const FieldPermissions = "permissions"

// RoleUpdate changes the named fields of a custom role.
type RoleUpdate struct {
	ID          string
	Name        string
	Description string
	Permissions []string
	Fields      []string // FieldName, FieldDescription, FieldPermissions
}

// CreateRole makes a custom role of an organization, of permissions that its
// author has there.
func (s *Service) CreateRole(ctx context.Context, call *Call, organizationID, name, description string, permissions []string) (*Operation, error) {
	if err := checkID("organization_id", organizationID); err != nil {
		return nil, err
	}
	r := Role{OrganizationID: organizationID, Name: name, Description: description}
	if err := r.check(); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "CreateRole", "Create role", func(c *change) error {
		in := Resource{OrganizationKind, organizationID}
		if _, err := c.standsIn(in); err != nil {
			return err
		}
		if err := c.require("iam.roles.create", in); err != nil {
			return err
		}
		made := r
		made.ID, made.CreatedAt = credential.NewID("cr0"), c.view.Time
		if err := c.compose(&made, permissions); err != nil {
			return err
		}
		if err := c.claim(in, RoleKind, name, made.ID); err != nil {
			return err
		}
		if err := c.addRoleID(&made); err != nil {
			return err
		}
		c.putRole(&made)
		c.op.Parent = in
		return nil
	})
}

// UpdateRole changes a custom role, for all who have it. Permissions may be
// added by who has them on the organization himself.
func (s *Service) UpdateRole(ctx context.Context, call *Call, u RoleUpdate) (*Operation, error) {
	said := Role{Name: u.Name, Description: u.Description}
	if err := said.checkUpdate(); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "UpdateRole", "Update role", func(c *change) error {
		r, in, err := c.customRole(u.ID, "iam.roles.update")
		if err != nil {
			return err
		}
		if slices.Contains(u.Fields, FieldName) && u.Name != "" {
			if err := c.rename(in, RoleKind, r.Name, u.Name, r.ID); err != nil {
				return err
			}
			r.Name = u.Name
		}
		if slices.Contains(u.Fields, FieldDescription) {
			r.Description = u.Description
		}
		if slices.Contains(u.Fields, FieldPermissions) {
			if err := c.compose(r, u.Permissions); err != nil {
				return err
			}
		}
		c.putRole(r)
		return nil
	})
}

// DeleteRole deletes a custom role. As long as it is granted to anybody, that is
// refused.
func (s *Service) DeleteRole(ctx context.Context, call *Call, id string) (*Operation, error) {
	op, err := s.change(ctx, call, "DeleteRole", "Delete role", func(c *change) error {
		r, in, err := c.customRole(id, "iam.roles.delete")
		if err != nil {
			return err
		}
		ids, err := c.customRoleIDs()
		if err != nil {
			return err
		}
		if _, err := c.countRoles(in.ID, -1); err != nil {
			return err
		}
		if err := c.countGrants(-len(r.Permissions)); err != nil {
			return err
		}
		c.release(in, RoleKind, r.Name)
		c.drop(roleKey(id))
		c.put(customRolesKey, slices.DeleteFunc(ids, func(other string) bool { return other == id }))
		c.write.WriteSchema = true
		c.write.Unbound = append(c.write.Unbound, authz.Relation{Type: resourceType, Name: catalogue.RelationOf(id)})
		c.op.Resource, c.op.Parent = r.resource(), in
		return nil
	})
	if isOrphaning(err) {
		return nil, precondition("ROLE_IN_USE", fmt.Sprintf("the role %s is granted to somebody", id), "remove its access bindings first; pemba iam bindings list shows those of a resource")
	}
	return op, err
}

func (r *Role) check() error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	return checkDescription(r.Description)
}

func (r *Role) checkUpdate() error {
	if r.Name == "" {
		return checkDescription(r.Description)
	}
	return r.check()
}

// customRole reads a custom role that is to be changed, by a caller who has a
// permission on its organization.
func (c *change) customRole(id, permission string) (*Role, Resource, error) {
	if err := checkID("role_id", id); err != nil {
		return nil, Resource{}, err
	}
	var r Role
	found, err := c.load(roleKey(id), &r)
	in := Resource{OrganizationKind, r.OrganizationID}
	if err != nil || !found {
		return nil, in, orNotFound(err, Resource{RoleKind, id})
	}
	return &r, in, c.require(permission, in)
}

// putRole writes a custom role.
func (c *change) putRole(r *Role) {
	c.put(roleKey(r.ID), r)
	c.write.WriteSchema = true
	c.op.Resource, c.op.Role = r.resource(), r
}

// customRoleIDs returns the ids of all custom roles, which the change rests on.
func (c *change) customRoleIDs() (ids []string, err error) {
	_, err = c.load(customRolesKey, &ids)
	return ids, err
}

// addRoleID files a new role's id.
func (c *change) addRoleID(r *Role) error {
	ids, err := c.customRoleIDs()
	if err != nil {
		return err
	}
	if len(ids) >= maxAllCustomRoles {
		return tooManyRoles("all organizations", maxAllCustomRoles)
	}
	n, err := c.countRoles(r.OrganizationID, 1)
	if err != nil {
		return err
	}
	if n > MaxCustomRoles {
		return tooManyRoles("the organization "+r.OrganizationID, MaxCustomRoles)
	}
	c.put(customRolesKey, append(ids, r.ID))
	return nil
}

// roleCountKey holds how many custom roles an organization has.
func roleCountKey(organization string) string { return "custom-roles/" + organization }

// countRoles adds to that number, and returns it.
func (c *change) countRoles(organization string, by int) (n int, err error) {
	key := roleCountKey(organization)
	if _, err := c.load(key, &n); err != nil {
		return 0, err
	}
	n += by
	c.put(key, n)
	return n, nil
}

func tooManyRoles(where string, most int) *Error {
	return &Error{Code: authz.ResourceExhausted, Reason: "TOO_MANY_ROLES",
		Message: fmt.Sprintf("%s may have %d custom roles", where, most), Fix: "delete roles that nobody needs"}
}

// compose makes permissions what r grants. Those that it does not grant yet have
// to be known, and the caller's own on the organization.
func (c *change) compose(r *Role, permissions []string) error {
	if len(permissions) == 0 || len(permissions) > MaxRolePermissions {
		return invalid(FieldPermissions, "", fmt.Sprintf("a role has 1 to %d permissions", MaxRolePermissions), "name them, or make several roles")
	}
	cat, err := c.s.catalogueAt(c.view)
	if err != nil {
		return err
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(permissions)))
	var added []string
	for _, p := range sorted {
		if r.has(p) {
			continue
		}
		if !cat.HasPermission(p) {
			return invalid(FieldPermissions, p, "unknown permission", "use those of roles in the catalogue; pemba iam roles get shows them")
		}
		added = append(added, p)
	}
	if err := c.mustHoldAll(added, Resource{OrganizationKind, r.OrganizationID}); err != nil {
		return err
	}
	had := len(r.Permissions)
	r.Permissions = sorted
	return c.countGrants(len(sorted) - had)
}

// grantCountKey holds how many permissions all custom roles have, summed up.
const grantCountKey = "custom-grants"

// countGrants adds to that number, and refuses more than the schema has room for.
func (c *change) countGrants(by int) error {
	var n int
	if _, err := c.load(grantCountKey, &n); err != nil {
		return err
	}
	if n += by; by > 0 && n > maxAllGrants {
		return &Error{Code: authz.ResourceExhausted, Reason: "TOO_MANY_GRANTS",
			Message: fmt.Sprintf("all custom roles would have %d permissions taken together, at most %d are allowed", n, maxAllGrants),
			Fix:     "delete roles that nobody needs, or grant roles of the catalogue"}
	}
	c.put(grantCountKey, n)
	return nil
}

// isOrphaning reports whether a change was refused because tuples stand in the way.
func isOrphaning(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == "SCHEMA_ORPHANS_TUPLES"
}
