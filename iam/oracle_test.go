package iam

import (
	"slices"

	"github.com/pemba-authz/pemba/iam/catalogue"
)

// oracle says who has what, from what was done and the catalogue's roles, in the
// plainest way: it knows nothing of tuples, schemas and the engine.
type oracle struct {
	catalogue *catalogue.Catalogue
	parents   map[Resource]Resource
	bindings  map[BindingAt]bool
	members   map[string]map[Subject]bool // of groups, by id
	users     map[string]User             // by id
	custom    map[string][]string         // permissions of custom roles, by id
}

func newOracle(c *catalogue.Catalogue) *oracle {
	return &oracle{c, map[Resource]Resource{}, map[BindingAt]bool{}, map[string]map[Subject]bool{}, map[string]User{}, map[string][]string{}}
}

// ways returns the bindings that give it.
func (o *oracle) ways(who Subject, name string, on Resource) []BindingAt {
	var out []BindingAt
	for b := range o.bindings {
		if o.isAtOrBelow(on, b.Resource) && o.isIn(who, b.Subject) && o.gives(b.RoleID, name) {
			out = append(out, b)
		}
	}
	return out
}

func (o *oracle) isAtOrBelow(r, above Resource) bool {
	for ; r != (Resource{}); r = o.parents[r] {
		if r == above {
			return true
		}
	}
	return false
}

// isIn reports whether who is what a binding names, or a member of it.
func (o *oracle) isIn(who, named Subject) bool {
	switch {
	case named == who, named == Subject{System, AllUsers}:
		return true
	case who == Subject{} || who == Subject{System, AllUsers}:
		return false
	case named == Subject{System, AllAuthenticatedUsers}:
		return true
	case named.Type == GroupSubject:
		return o.members[named.ID][who]
	case named.Type != System || who.Type != UserAccount && who.Type != FederatedUser:
		return false
	}
	of, id, _ := named.systemGroup()
	if of == "organization" {
		return slices.Contains(o.users[who.ID].Organizations, id)
	}
	return o.users[who.ID].FederationID == id
}

// gives reports whether a role is name, includes it, or grants it.
func (o *oracle) gives(role, name string) bool {
	if role == name || slices.Contains(o.custom[role], name) {
		return true
	}
	r, ok := o.catalogue.Role(role)
	if !ok {
		return false
	}
	for _, included := range r.Includes {
		if o.gives(included, name) {
			return true
		}
	}
	return slices.Contains(r.Permissions, name)
}
