package iam

import (
	"context"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
)

// maxZipped bounds a catalogue's record: it goes in one command with room to spare.
const maxZipped = 900 << 10

// Catalogue returns the source of the catalogue in force.
func (s *Service) Catalogue(ctx context.Context, call *Call) (source []byte, err error) {
	v, _, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	record, ok := v.Record(catalogueKey)
	if !ok {
		return nil, notFounded()
	}
	if source, err = unzip(record); err != nil {
		return nil, broken("read the catalogue", err)
	}
	return source, nil
}

// SetCatalogue replaces the catalogue of kinds, permissions and roles, for all
// organizations. Roles that it leaves out must not be granted anywhere, and custom
// roles need all their permissions. It takes the role of an owner of the first
// organization, which is its operator's.
func (s *Service) SetCatalogue(ctx context.Context, call *Call, source []byte) (*Operation, error) {
	if len(source) > maxCatalogue {
		return nil, invalid("catalogue", "", fmt.Sprintf("a catalogue has at most %d bytes", maxCatalogue), "make it smaller")
	}
	next, err := catalogue.Parse(source)
	if err != nil {
		return nil, invalid("catalogue", "", err.Error(), "correct it there")
	}
	if err := mustHaveOwn(next); err != nil {
		return nil, err
	}
	zipped := zip(source)
	if len(zipped) > maxZipped {
		return nil, invalid("catalogue", "", fmt.Sprintf("compressed it has %d bytes, at most %d are allowed", len(zipped), maxZipped), "make it smaller")
	}
	return s.change(ctx, call, "SetCatalogue", "Set the catalogue of roles", func(c *change) error {
		if err := c.mustOperate(); err != nil {
			return err
		}
		now, err := s.catalogueAt(c.view)
		if err != nil {
			return err
		}
		c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordUnchanged, Record: catalogueKey})
		if err := c.customRolesFit(next); err != nil {
			return err
		}
		for _, r := range now.Roles() {
			if _, stays := next.Role(r.ID); !stays {
				c.write.Unbound = append(c.write.Unbound, authz.Relation{Type: resourceType, Name: catalogue.RelationOf(r.ID)})
			}
		}
		c.putBytes(catalogueKey, zipped)
		c.write.WriteSchema = true
		return nil
	})
}

// mustHaveOwn refuses a catalogue without what the layer itself asks for.
func mustHaveOwn(c *catalogue.Catalogue) error {
	lacks := func(what string) error {
		return invalid("catalogue", "", "it lacks "+what+", which the IAM layer itself needs", "keep it, as the shipped catalogue has it")
	}
	for _, k := range ownKinds {
		kind, ok := c.Kind(k)
		if !ok && k != RoleKind {
			return lacks("the kind " + k)
		}
		was, _ := catalogue.Shipped().Kind(k)
		if was == nil {
			continue
		}
		if kind.Permissions != was.Permissions {
			return lacks("the prefix " + was.Permissions + " of the kind " + k)
		}
		for _, p := range catalogue.Shipped().Permissions() {
			if len(p) > len(was.Permissions) && p[:len(was.Permissions)+1] == was.Permissions+"." && !c.HasPermission(p) {
				return lacks("the permission " + p)
			}
		}
	}
	for _, id := range []string{CloudOwner, OrganizationOwner} {
		if r, ok := c.Role(id); !ok || !r.Owner {
			return lacks("the owners' role " + id)
		}
	}
	return nil
}

// customRolesFit refuses a catalogue that would change what custom roles grant.
func (c *change) customRolesFit(next *catalogue.Catalogue) error {
	var ids []string
	if _, err := c.load(customRolesKey, &ids); err != nil {
		return err
	}
	for _, id := range ids {
		var r Role
		if found, err := load(c.view, roleKey(id), &r); err != nil || !found {
			return broken("read a custom role", fmt.Errorf("custom role %s: found %v: %w", id, found, err))
		}
		if _, taken := next.Role(id); taken {
			return precondition("ROLE_TAKEN", fmt.Sprintf("the catalogue has a role %s, which is a custom role's id", id), "give it another id")
		}
		if i := slices.IndexFunc(r.Permissions, func(p string) bool { return !next.HasPermission(p) }); i >= 0 {
			return precondition("PERMISSION_IN_USE", fmt.Sprintf("the catalogue lacks the permission %s of the custom role %s", r.Permissions[i], id), "keep it, or take it from the role first")
		}
	}
	return nil
}
