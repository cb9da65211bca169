package iam

import "github.com/pemba-authz/pemba/tuple"

// mayGrant refuses to grant a role on a resource, where the caller may change
// the bindings, if it takes more: an owner's role is granted by owners alone, what
// only their roles have by who has it, and with Config.Strict nobody grants what he does not hold himself.
func (c *change) mayGrant(r *Role, on Resource) error {
	if r.owner {
		return c.require(r.ID, on)
	}
	if err := c.mustHoldOwners(r, on); err != nil {
		return err
	}
	if !c.s.config.Strict {
		return nil
	}
	// Whoever has the role, or one that includes it, holds what it grants.
	if ok, err := c.has(r.ID, on); err != nil || ok {
		return err
	}
	return c.mustHoldAll(r.Permissions, on)
}

// mustHoldOwners refuses to grant a custom role by who lacks what it has of the
// permissions that none but roles of owners have: an owner may put them into a
// role, but they are given by who holds them.
func (c *change) mustHoldOwners(r *Role, on Resource) error {
	if r.OrganizationID == "" {
		return nil
	}
	cat, err := c.s.catalogueAt(c.view)
	if err != nil {
		return err
	}
	for _, p := range cat.OwnersOnly() {
		if r.has(p) {
			if err := c.require(p, on); err != nil {
				return err
			}
		}
	}
	return nil
}

// mustHoldAll refuses a caller who lacks one of many permissions on a resource.
// It goes by his bindings, a role at a time, because the engine would have to be
// asked for each permission; what a permission is, the schema takes from the
// same roles.
func (c *change) mustHoldAll(permissions []string, on Resource) error {
	ways, err := c.callersWays(on)
	if err != nil {
		return err
	}
	roles := map[string]*Role{}
	for _, p := range permissions {
		var by *way
		for i := range ways {
			r, ok := roles[ways[i].RoleID]
			if !ok {
				if r, err = c.s.roleAt(c.view, ways[i].RoleID); err != nil {
					return err
				}
				roles[ways[i].RoleID] = r
			}
			if r != nil && r.has(p) {
				by = &ways[i]
				break
			}
		}
		if by == nil {
			return denied(c.caller.Subject, p, on)
		}
		c.mustAllStay(by.keys)
	}
	return nil
}

func (c *change) mustAllStay(keys []tuple.Key) {
	for _, k := range keys {
		c.mustStay(k)
	}
}

// callersWays returns what is granted to the caller on a resource.
func (c *change) callersWays(on Resource) ([]way, error) {
	m, err := c.s.memberships(c.view, c.caller.Subject)
	if err != nil {
		return nil, err
	}
	path, err := pathOf(c.view, on)
	if err != nil {
		return nil, err
	}
	return m.ways(c.view, path), nil
}
