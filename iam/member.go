package iam

import (
	"context"
	"fmt"

	"github.com/pemba-authz/pemba/tuple"
)

// MemberDelta adds a member to a group or removes one.
type MemberDelta struct {
	Remove bool    `json:"remove,omitempty"`
	Member Subject `json:"member"`
}

// MaxMemberDeltas is how many members one call adds and removes.
const MaxMemberDeltas = 1000

func (g *Group) members() tuple.Object { return tuple.Object{Type: groupType, ID: g.ID} }

func (g *Group) member(who Subject) tuple.Tuple {
	return tuple.Tuple{Object: g.members(), Relation: memberRelation, Subject: who.tuple()}
}

// GroupMembers lists the members of a group, in no particular order but always
// the same for a page token.
func (s *Service) GroupMembers(ctx context.Context, call *Call, id string, p Page) ([]Subject, string, error) {
	if err := checkID("group_id", id); err != nil {
		return nil, "", err
	}
	g := Group{ID: id}
	l, err := s.list(ctx, call, p, "members "+id)
	if err != nil {
		return nil, "", err
	}
	if err := l.mustHave(ctx, "organization-manager.groups.listMembers", g.resource()); err != nil {
		return nil, "", err
	}
	var all []Subject
	o := g.members()
	for t := range l.view.Tuples(tuple.Filter{Type: o.Type, ID: o.ID, Relation: memberRelation}) {
		all = append(all, subjectOf(t.Subject))
	}
	from, to, next := l.cut(len(all))
	return all[from:to], next, nil
}

// UpdateGroupMembers adds members to a group and removes some: users and service
// accounts of its organization. Who may do that gives what the group has; so
// where the group owns something, it takes an owner, and with Config.Strict all
// that the group has. Of several deltas for one member, the last counts.
func (s *Service) UpdateGroupMembers(ctx context.Context, call *Call, id string, deltas []MemberDelta) (*Operation, error) {
	if len(deltas) == 0 || len(deltas) > MaxMemberDeltas {
		return nil, invalid("member_deltas", "", fmt.Sprintf("a call changes 1 to %d members", MaxMemberDeltas), "split the call")
	}
	last := map[Subject]int{}
	for i, d := range deltas {
		if err := d.Member.checkMember(); err != nil {
			return nil, at(fmt.Sprintf("member_deltas[%d]", i), err)
		}
		last[d.Member] = i
	}
	return s.change(ctx, call, "UpdateGroupMembers", "Update group members", func(c *change) error {
		g, err := c.group(id, "organization-manager.groups.updateMembers")
		if err != nil {
			return err
		}
		if err := c.mustOwnWhat(g.subject()); err != nil {
			return err
		}
		adds := false
		for i, d := range deltas {
			if last[d.Member] != i {
				continue
			}
			adds = adds || !d.Remove
			if err := c.updateMember(g, d); err != nil {
				return at(fmt.Sprintf("member_deltas[%d]", i), err)
			}
		}
		c.op.Resource, c.op.Group = g.resource(), g
		if !adds {
			return nil
		}
		return c.mayGiveWhatItHolds(g)
	})
}

// checkMember refuses who cannot be in a group.
func (s Subject) checkMember() error {
	if s.Type == GroupSubject || s.Type == System {
		return invalid("subject.type", string(s.Type), "a group has users and service accounts for members", "add its members one by one")
	}
	return s.check("subject")
}

func (c *change) updateMember(g *Group, d MemberDelta) error {
	t := g.member(d.Member)
	is := c.view.Has(t.Key())
	if d.Remove {
		c.remove(t)
	} else {
		// The change does not rest on it: a thousand members would be more conditions
		// than a command takes. An id is given once, so who goes meanwhile is nobody
		// from then on, and is swept up.
		n := len(c.write.Require)
		if err := c.mustBeOf(d.Member, g.OrganizationID); err != nil {
			return err
		}
		c.write.Require = c.write.Require[:n]
		c.add(t)
	}
	if is == d.Remove {
		c.op.Members = append(c.op.Members, d)
	}
	return nil
}
