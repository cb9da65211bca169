package iam

import (
	"context"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
)

const (
	// maxZipped bounds a catalogue's record: it goes in one command with room to spare.
	maxZipped = 900 << 10

	// maxCatalogueSchema bounds the schema that a catalogue makes, in bytes; as much
	// again is left to custom roles.
	maxCatalogueSchema = 8 << 20
)

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

// Kinds lists the kinds of resources of the catalogue in force, by id. They are
// shared: read only.
func (s *Service) Kinds(ctx context.Context, call *Call) ([]*catalogue.Kind, error) {
	v, _, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	c, err := s.catalogueAt(v)
	if err != nil {
		return nil, err
	}
	return c.Kinds(), nil
}

// SetCatalogue replaces the catalogue of kinds, permissions and roles, for all
// organizations. Roles that it leaves out must not be granted anywhere, and custom
// roles need all their permissions. It takes the role of an owner of the first
// organization, which is its operator's.
func (s *Service) SetCatalogue(ctx context.Context, call *Call, source []byte) (*Operation, error) {
	if len(source) > maxCatalogue {
		return nil, invalid("catalogue", "", fmt.Sprintf("a catalogue has at most %d bytes", maxCatalogue), "make it smaller")
	}
	// Nobody else makes the node read it, which takes long.
	asks, err := s.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	asks.op = &Operation{}
	if err := asks.mustOperate(); err != nil {
		return nil, err
	}
	next, err := newCatalogue(source)
	if err != nil {
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
		custom, err := c.customRolesFit(next)
		if err != nil {
			return err
		}
		if err := s.mustCompile(next, custom); err != nil {
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

// newCatalogue reads a catalogue that may come into force.
func newCatalogue(source []byte) (*catalogue.Catalogue, error) {
	next, err := catalogue.Parse(source)
	if err != nil {
		return nil, invalid("catalogue", "", err.Error(), "correct it there")
	}
	return next, mustHaveOwn(next)
}

// mustCompile refuses a catalogue of which, with the custom roles that there are,
// the engine cannot make a schema, or which leaves too little room for as many of
// them as there may be: the layer would be gone.
func (s *Service) mustCompile(next *catalogue.Catalogue, custom []catalogue.CustomRole) error {
	if n := len(next.Schema(nil)); n > maxCatalogueSchema {
		return invalid("catalogue", "", fmt.Sprintf("its schema has %d bytes, at most %d are allowed", n, maxCatalogueSchema), "have fewer roles and permissions, or such that more roles share")
	}
	if err := s.layer.CheckSchema(next.Schema(custom)); err != nil {
		return invalid("catalogue", "", "the engine cannot work with it: "+err.Error(), "have fewer roles and permissions")
	}
	return nil
}

// ownPermissions are those that the layer asks for besides those of its kinds.
var ownPermissions = []string{
	"iam.roles.create", "iam.roles.update", "iam.roles.delete",
	"organization-manager.users.create", "organization-manager.users.list", "organization-manager.users.delete",
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
	for _, p := range ownPermissions {
		if !c.HasPermission(p) {
			return lacks("the permission " + p)
		}
	}
	for _, id := range []string{CloudOwner, OrganizationOwner} {
		if r, ok := c.Role(id); !ok || !r.Owner {
			return lacks("the owners' role " + id)
		}
	}
	return nil
}

// customRolesFit refuses a catalogue that would change what custom roles grant,
// and returns these.
func (c *change) customRolesFit(next *catalogue.Catalogue) ([]catalogue.CustomRole, error) {
	var ids []string
	if _, err := c.load(customRolesKey, &ids); err != nil {
		return nil, err
	}
	var all []catalogue.CustomRole
	for _, id := range ids {
		var r Role
		if found, err := load(c.view, roleKey(id), &r); err != nil || !found {
			return nil, broken("read a custom role", fmt.Errorf("custom role %s: found %v: %w", id, found, err))
		}
		if _, taken := next.Role(id); taken {
			return nil, precondition("ROLE_TAKEN", fmt.Sprintf("the catalogue has a role %s, which is a custom role's id", id), "give it another id")
		}
		if i := slices.IndexFunc(r.Permissions, func(p string) bool { return !next.HasPermission(p) }); i >= 0 {
			return nil, precondition("PERMISSION_IN_USE", fmt.Sprintf("the catalogue lacks the permission %s of the custom role %s", r.Permissions[i], id), "keep it, or take it from the role first")
		}
		all = append(all, catalogue.CustomRole{ID: id, Permissions: r.Permissions})
	}
	return all, nil
}
