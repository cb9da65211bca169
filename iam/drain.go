package iam

import (
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/tuple"
)

// drain removes, as far as one command goes, what a job is about, and reports
// whether that is all of it. An error may leave something in the command: that is
// right to do all the same.
func (w *sweep) drain(d *deletion) (gone bool, err error) {
	if d.Resource.Kind != FolderKind && d.Resource.Kind != CloudKind {
		return w.all(d.Resource, d.Subject), nil
	}
	if !w.owners(d.Resource) {
		return false, nil
	}
	return w.below(d.Resource)
}

// owners removes the bindings on a cloud that is deleted, in commands before the
// others: what comes then need not keep an owner for it.
func (w *sweep) owners(r Resource) (gone bool) {
	all := w.tuples(tuple.Filter{Type: resourceType, ID: r.String()}, parentRelation)
	return all && len(w.gone) == 0
}

// below removes all that stands in a resource, leaves first, and then it.
func (w *sweep) below(r Resource) (gone bool, err error) {
	to := r.subject()
	for t := range w.c.view.Tuples(tuple.Filter{Type: resourceType, Relation: parentRelation, SubjectType: to.Type, SubjectID: to.ID}) {
		if w.isFull() {
			return false, nil
		}
		if gone, err := w.below(resourceOf(t.Object.ID)); err != nil || !gone {
			return false, err
		}
	}
	if w.isFull() {
		return false, nil
	}
	return w.one(r)
}

// one removes a resource in which nothing stands.
func (w *sweep) one(r Resource) (gone bool, err error) {
	c := w.c
	switch r.Kind {
	case CloudKind:
		var cloud Cloud
		if found, err := c.load(cloudKey(r.ID), &cloud); err != nil {
			return false, err
		} else if found {
			c.drop(cloudKey(r.ID))
			c.release(Resource{OrganizationKind, cloud.OrganizationID}, CloudKind, cloud.Name)
			if err := c.countClouds(cloud.OrganizationID, -1); err != nil {
				return false, err
			}
		}
	case FolderKind:
		var f Folder
		if found, err := c.load(folderKey(r.ID), &f); err != nil {
			return false, err
		} else if found {
			c.drop(folderKey(r.ID))
			c.release(Resource{CloudKind, f.CloudID}, FolderKind, f.Name)
		}
	case ServiceAccountKind:
		return w.account(r)
	case KeyKind:
		c.drop(keyKey(r.ID))
	default:
		c.sweepLater(r, Subject{})
	}
	return w.place(r), nil
}

// account removes a service account. One that owns something goes in a command
// of its own: whether there are other owners is asked of what was before it.
func (w *sweep) account(r Resource) (gone bool, err error) {
	c, who := w.c, Subject{ServiceAccount, r.ID}
	if c.ownsAnything(who) {
		if len(c.write.Updates) > 0 {
			return false, nil
		}
		if err := c.keepOwnersWithout(who); err != nil {
			return false, err
		}
	}
	var a Account
	if found, err := c.load(accountKey(r.ID), &a); err != nil {
		return false, err
	} else if found {
		c.drop(accountKey(r.ID))
		c.drop(offKey(r.ID))
		c.release(Resource{CloudKind, a.CloudID}, ServiceAccountKind, a.Name)
		c.sweepLater(r, who)
	}
	return w.all(r, who), nil
}

// ownsAnything reports whether somebody has a role of owners by a binding of his own.
func (c *change) ownsAnything(who Subject) bool {
	for _, role := range []string{CloudOwner, OrganizationOwner} {
		f := grantedTo(who)
		f.Relation = catalogue.RelationOf(role)
		for range c.view.Tuples(f) {
			return true
		}
	}
	return false
}
