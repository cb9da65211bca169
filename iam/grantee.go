package iam

import (
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/authz"
)

// mustBeSubject refuses a subject that is not there, or not of the resource's
// organization. It must be as it was when the change commits.
func (b *bindings) mustBeSubject(who Subject) error {
	err, known := b.subjects[who]
	if !known {
		err = b.c.mustBeOf(who, b.organization)
		b.subjects[who] = err
	}
	return err
}

// mustBeOf refuses a subject that an organization does not have. It makes the
// change rest on what says that it has.
func (c *change) mustBeOf(who Subject, organization string) error {
	ok, err := c.isOf(who, organization)
	if err != nil || ok {
		return err
	}
	return &Error{Code: authz.Invalid, Reason: "SUBJECT_NOT_FOUND", Field: "subject", Value: who.String(),
		Message: fmt.Sprintf("there is no %s in the organization %s", who, organization), Fix: "check the id; subjects of other organizations can be granted nothing here"}
}

// mostResting is how many requirements a change may have before it does without
// those that matter little: a command takes a thousand.
const mostResting = 800

func (c *change) isOf(who Subject, organization string) (bool, error) {
	switch who.Type {
	case ServiceAccount:
		var a Account
		if found, err := c.loadLightly(accountKey(who.ID), &a); err != nil || !found {
			return false, err
		}
		top, _, err := ancestor(c.view, Resource{FolderKind, a.FolderID}, OrganizationKind)
		return top.ID == organization, err
	case UserAccount, FederatedUser:
		var u User
		found, err := c.load(userKey(who.ID), &u)
		return found && u.Type == who.Type && slices.Contains(u.Organizations, organization), err
	case GroupSubject:
		var g Group
		found, err := c.loadLightly(groupKey(who.ID), &g)
		return found && g.OrganizationID == organization, err
	case System:
		return c.isSystemOf(who, organization)
	}
	return false, nil
}

// loadLightly is load for what can but be deleted, and is nobody then: ids are
// given once, and what names them is swept up. A user, who may leave the one
// organization and stay in another, is another matter.
func (c *change) loadLightly(key string, out any) (bool, error) {
	if len(c.write.Require) < mostResting {
		return c.load(key, out)
	}
	return load(c.view, key, out)
}

// isSystemOf reports whether an organization has a public or system group.
func (c *change) isSystemOf(who Subject, organization string) (bool, error) {
	of, id, ok := who.systemGroup()
	switch {
	case !ok: // public
		return true, nil
	case of == "organization":
		return id == organization, nil
	}
	key := federationKey(id)
	c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordUnchanged, Record: key})
	owner, found := c.view.Record(key)
	return found && string(owner) == organization, nil
}

// federationKey holds the id of the organization that a federation belongs to:
// the first that has had a user of it.
func federationKey(id string) string { return "federation/" + id }

// claimFederation refuses a federation that belongs to another organization: its
// users would have what that one has granted to the federation.
func (c *change) claimFederation(id, organization string) error {
	key := federationKey(id)
	c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordUnchanged, Record: key})
	owner, found := c.view.Record(key)
	if found && string(owner) != organization {
		return invalid("federation_id", id, "the federation belongs to another organization", "use one of this organization")
	}
	if !found {
		c.putBytes(key, []byte(organization))
	}
	return nil
}
