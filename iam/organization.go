package iam

import (
	"context"
	"slices"
)

// Organization is where everything begins: clouds, groups and users are in one.
type Organization struct {
	ID        string `json:"id"`
	CreatedAt int64  `json:"createdAt"` // Unix nanoseconds
	About
	Title string `json:"title,omitempty"`
}

func (o *Organization) resource() Resource { return Resource{OrganizationKind, o.ID} }

// OrganizationUpdate changes the named fields of an organization.
type OrganizationUpdate struct {
	ID string
	About
	Title  string
	Fields []string // FieldName, FieldTitle, FieldDescription, FieldLabels
}

// Organization returns an organization.
func (s *Service) Organization(ctx context.Context, call *Call, id string) (*Organization, error) {
	var o Organization
	if err := s.get(ctx, call, "organization_id", Resource{OrganizationKind, id}, organizationKey(id), &o); err != nil {
		return nil, err
	}
	return &o, nil
}

// Organizations lists the organizations that the caller may get, by name; with a
// name only the one that has it.
func (s *Service) Organizations(ctx context.Context, call *Call, name string, p Page) ([]*Organization, string, error) {
	l, err := s.list(ctx, call, p, "organizations "+name)
	if err != nil {
		return nil, "", err
	}
	var ids []string
	if _, err := load(l.view, organizationsKey, &ids); err != nil {
		return nil, "", err
	}
	var all []*Organization
	for _, id := range ids {
		var o Organization
		if found, err := load(l.view, organizationKey(id), &o); err != nil {
			return nil, "", err
		} else if found && (name == "" || o.Name == name) {
			all = append(all, &o)
		}
	}
	slices.SortFunc(all, func(a, b *Organization) int { return byName(&a.About, &b.About, a.ID, b.ID) })
	return visible(ctx, l, "organization-manager.organizations.get", all, (*Organization).resource)
}

// UpdateOrganization changes what is said about an organization.
func (s *Service) UpdateOrganization(ctx context.Context, call *Call, u OrganizationUpdate) (*Operation, error) {
	if err := u.About.checkUpdate(u.Fields); err != nil {
		return nil, err
	}
	if err := at(FieldTitle, checkDescription(u.Title)); err != nil {
		return nil, err
	}
	if err := checkID("organization_id", u.ID); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "UpdateOrganization", "Update organization", func(c *change) error {
		var o Organization
		if found, err := c.load(organizationKey(u.ID), &o); err != nil || !found {
			return orNotFound(err, Resource{OrganizationKind, u.ID})
		}
		if err := c.require("organization-manager.organizations.update", o.resource()); err != nil {
			return err
		}
		o.update(u.About, u.Fields)
		if slices.Contains(u.Fields, FieldTitle) {
			o.Title = u.Title
		}
		c.put(organizationKey(o.ID), &o)
		c.op.Resource, c.op.Organization = o.resource(), &o
		return nil
	})
}
