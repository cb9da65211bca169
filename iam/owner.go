package iam

import (
	"fmt"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/tuple"
)

// Roles of owners: who has them on a cloud or an organization can do everything
// there, and nobody else can take them from him.
const (
	CloudOwner        = "resource-manager.clouds.owner"
	OrganizationOwner = "organization-manager.organizations.owner"
)

// ownerOf returns the role of which a resource of a kind needs to keep one
// binding, "" if there is none.
func ownerOf(kind string) string {
	switch kind {
	case CloudKind:
		return CloudOwner
	case OrganizationKind:
		return OrganizationOwner
	}
	return ""
}

// keepOwners refuses a change that would leave a cloud or an organization to
// nobody: gone are bindings that the change removes from resources that stay.
// An owner is a user or a service account, by a binding there, who can
// authenticate; groups do not count, for they may be empty. One of the owners
// that are left must still be one when the change commits, so that of two
// changes that remove the last two only one happens.
func (c *change) keepOwners(gone []BindingAt) error {
	going := map[BindingAt]bool{}
	for _, b := range gone {
		going[b] = true
	}
	kept := map[Resource]bool{}
	for _, b := range gone {
		if b.RoleID != ownerOf(b.Resource.Kind) || kept[b.Resource] {
			continue
		}
		kept[b.Resource] = true
		if err := c.keepOwner(b.Resource, b.RoleID, going); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) keepOwner(of Resource, role string, going map[BindingAt]bool) error {
	for _, u := range c.write.Updates {
		if u.Op == authz.Delete || u.Tuple.Object != of.object() || u.Tuple.Relation != catalogue.RelationOf(role) {
			continue
		}
		if b := bindingOf(u.Tuple); c.canOwn(b.Subject) { // comes with this very change
			return nil
		}
	}
	o := of.object()
	for t := range c.view.Tuples(tuple.Filter{Type: o.Type, ID: o.ID, Relation: catalogue.RelationOf(role)}) {
		b := bindingOf(t)
		if going[b] || !c.canOwn(b.Subject) {
			continue
		}
		c.mustStay(t.Key())
		return nil
	}
	return precondition("LAST_OWNER", fmt.Sprintf("%s would be left without an owner", of), "grant "+role+" to somebody else first")
}

// canOwn reports whether a subject is somebody who can authenticate, for as long
// as he likes, and makes the change rest on that.
func (c *change) canOwn(who Subject) bool {
	key := userKey(who.ID)
	switch who.Type {
	case ServiceAccount:
		key = accountKey(who.ID)
	case UserAccount, FederatedUser:
	default:
		return false
	}
	_, there := c.view.Record(key)
	_, ends := c.view.Record(offKey(who.ID)) // suspended, or will expire: no owner to rely on
	if !there || ends {
		return false
	}
	for _, k := range []string{key, offKey(who.ID)} {
		c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordUnchanged, Record: k})
	}
	return true
}

// keepOwnersWithout is keepOwners for all bindings of a subject that goes.
func (c *change) keepOwnersWithout(who Subject) error {
	t := who.tuple()
	var gone []BindingAt
	for _, role := range []string{CloudOwner, OrganizationOwner} {
		f := tuple.Filter{Type: resourceType, Relation: catalogue.RelationOf(role), SubjectType: t.Type, SubjectID: t.ID, SubjectRelation: plain(t)}
		for b := range c.view.Tuples(f) {
			gone = append(gone, bindingOf(b))
		}
	}
	return c.keepOwners(gone)
}

// mustOwnWhatItOwns refuses a caller who would get into the place of an account,
// or lock it out, by its credentials or by what runs as it, or let it back in, where the account or a
// group that it is in has the role of an owner and he does not have that role there
// himself: or else whoever is an admin of the folder that an owner stands in were
// an owner.
func (c *change) mustOwnWhatItOwns(account Subject) error {
	if account == c.caller.Subject {
		return nil
	}
	is, err := c.s.memberships(c.view, account)
	if err != nil {
		return err
	}
	for t, member := range is {
		if who := subjectOf(t); who != account && member == nil {
			continue // a group of the system, which owns nothing
		}
		for _, role := range []string{CloudOwner, OrganizationOwner} {
			f := tuple.Filter{Type: resourceType, Relation: catalogue.RelationOf(role), SubjectType: t.Type, SubjectID: t.ID, SubjectRelation: plain(t)}
			for owned := range c.view.Tuples(f) {
				if err := c.require(role, resourceOf(owned.Object.ID)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
