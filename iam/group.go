package iam

import (
	"context"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/iam/credential"
)

// Group is a set of users and service accounts of an organization that roles
// can be granted to.
type Group struct {
	ID             string `json:"id"`
	OrganizationID string `json:"organizationId"`
	CreatedAt      int64  `json:"createdAt"` // Unix nanoseconds
	About
}

func (g *Group) resource() Resource { return Resource{GroupKind, g.ID} }

// GroupUpdate changes the named fields of a group.
type GroupUpdate struct {
	ID string
	About
	Fields []string // FieldName, FieldDescription, FieldLabels
}

// CreateGroup makes a group in an organization. Names of groups may have
// capitals, dots and '_'.
func (s *Service) CreateGroup(ctx context.Context, call *Call, organizationID string, about About) (*Operation, error) {
	if err := checkID("organization_id", organizationID); err != nil {
		return nil, err
	}
	if err := checkGroupName(about.Name); err != nil {
		return nil, err
	}
	if err := about.checkRest(); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "CreateGroup", "Create group", func(c *change) error {
		in := Resource{OrganizationKind, organizationID}
		if found, err := c.load(organizationKey(organizationID), &Organization{}); err != nil || !found {
			return orNotFound(err, in)
		}
		if err := c.require("organization-manager.groups.create", in); err != nil {
			return err
		}
		g := &Group{ID: credential.NewID("aje"), OrganizationID: organizationID, CreatedAt: c.view.Time, About: about}
		if err := c.claim(in, GroupKind, g.Name, g.ID); err != nil {
			return err
		}
		c.put(groupKey(g.ID), g)
		c.add(g.resource().below(in))
		c.op.Resource, c.op.Parent, c.op.Group = g.resource(), in, g
		return nil
	})
}

func checkGroupName(name string) error {
	if groupNamePattern.MatchString(name) {
		return nil
	}
	return invalid("name", name, "not a group's name", "a name is 1 to 63 letters, digits, '-', '_' and '.', a letter first, a letter or digit last")
}

// group reads a group that is to be changed, by a caller who has a permission on it.
func (c *change) group(id, permission string) (*Group, error) {
	if err := checkID("group_id", id); err != nil {
		return nil, err
	}
	var g Group
	found, err := c.load(groupKey(id), &g)
	if err != nil || !found {
		return nil, orNotFound(err, Resource{GroupKind, id})
	}
	return &g, c.require(permission, g.resource())
}

// Group returns a group.
func (s *Service) Group(ctx context.Context, call *Call, id string) (*Group, error) {
	var g Group
	if err := s.get(ctx, call, "group_id", Resource{GroupKind, id}, groupKey(id), &g); err != nil {
		return nil, err
	}
	return &g, nil
}

// Groups lists the groups of an organization, by name; with a name only the one
// that has it.
func (s *Service) Groups(ctx context.Context, call *Call, organizationID, name string, p Page) ([]*Group, string, error) {
	if err := checkID("organization_id", organizationID); err != nil {
		return nil, "", err
	}
	in := Resource{OrganizationKind, organizationID}
	l, err := s.list(ctx, call, p, "groups "+organizationID+" "+name)
	if err != nil {
		return nil, "", err
	}
	if err := l.mustHave(ctx, "organization-manager.groups.list", in); err != nil {
		return nil, "", err
	}
	var all []*Group
	for _, id := range children(l.view, in, GroupKind) {
		var g Group
		if found, err := load(l.view, groupKey(id), &g); err != nil {
			return nil, "", err
		} else if found && (name == "" || g.Name == name) {
			all = append(all, &g)
		}
	}
	slices.SortFunc(all, func(a, b *Group) int { return byName(&a.About, &b.About, a.ID, b.ID) })
	from, to, next := l.cut(len(all))
	return all[from:to], next, nil
}

// UpdateGroup changes what is said about a group.
func (s *Service) UpdateGroup(ctx context.Context, call *Call, u GroupUpdate) (*Operation, error) {
	if u.Name != "" {
		if err := checkGroupName(u.Name); err != nil {
			return nil, err
		}
	}
	if err := u.About.checkRest(); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "UpdateGroup", "Update group", func(c *change) error {
		g, err := c.group(u.ID, "organization-manager.groups.update")
		if err != nil {
			return err
		}
		name := g.Name
		g.update(u.About, u.Fields)
		if err := c.rename(Resource{OrganizationKind, g.OrganizationID}, GroupKind, name, g.Name, g.ID); err != nil {
			return err
		}
		c.put(groupKey(g.ID), g)
		c.op.Resource, c.op.Group = g.resource(), g
		return nil
	})
}

// DeleteGroup deletes a group with its members and what was granted to it. A
// group that owns something is deleted by owners of that alone.
func (s *Service) DeleteGroup(ctx context.Context, call *Call, id string) (*Operation, error) {
	op, err := s.change(ctx, call, "DeleteGroup", "Delete group", func(c *change) error {
		g, err := c.group(id, "organization-manager.groups.delete")
		if err != nil {
			return err
		}
		c.release(Resource{OrganizationKind, g.OrganizationID}, GroupKind, g.Name)
		c.drop(groupKey(id))
		c.op.Resource = g.resource()
		// Nobody joins meanwhile: a group that is gone must give nothing to anybody.
		c.write.Require = append(c.write.Require, c.sameRow(g.members(), memberRelation))
		return c.sweep(g.resource(), g.subject())
	})
	g := Group{ID: id}
	return s.finish(ctx, op, err, deletion{Resource: g.resource(), Subject: g.subject()})
}

func (g *Group) subject() Subject { return Subject{GroupSubject, g.ID} }

// mostGiven bounds the bindings of a group that Strict has to look at.
const mostGiven = 1_000

// mayGiveWhatItHolds is what Strict demands of who lets somebody into a group:
// that he might grant all that the group holds.
func (c *change) mayGiveWhatItHolds(g *Group) error {
	if !c.s.config.Strict {
		return nil
	}
	n := 0
	for t := range c.view.Tuples(grantedTo(g.subject())) {
		if !isRole(t.Relation) {
			continue
		}
		if n++; n > mostGiven {
			return precondition("TOO_MANY_BINDINGS", fmt.Sprintf("the group has more than %d access bindings, too many to see whether you hold them all", mostGiven), "split the group")
		}
		b := bindingOf(t)
		role, err := c.s.roleAt(c.view, b.RoleID)
		if err != nil {
			return err
		}
		if role == nil {
			continue // it grants nothing
		}
		if err := c.mayGrant(role, b.Resource); err != nil {
			return err
		}
	}
	return nil
}
