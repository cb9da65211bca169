package iam

import (
	"context"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
	"github.com/pemba-authz/pemba/tuple"
)

// Cloud is where folders stand.
type Cloud struct {
	ID             string `json:"id"`
	OrganizationID string `json:"organizationId"`
	CreatedAt      int64  `json:"createdAt"` // Unix nanoseconds
	About
	Status      Status `json:"status,omitempty"`
	DeleteAfter int64  `json:"deleteAfter,omitempty"` // Unix nanoseconds
}

func (c *Cloud) resource() Resource { return Resource{CloudKind, c.ID} }

// CloudUpdate changes the named fields of a cloud.
type CloudUpdate struct {
	ID string
	About
	Fields []string // FieldName, FieldDescription, FieldLabels
}

// CreateCloud makes a cloud in an organization and gives its maker the role of
// its owner. It takes a permission on the organization; as long as there is no
// cloud in it, it suffices to be one of its users.
func (s *Service) CreateCloud(ctx context.Context, call *Call, organizationID string, about About) (*Operation, error) {
	if err := checkID("organization_id", organizationID); err != nil {
		return nil, err
	}
	if err := about.check(); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "CreateCloud", "Create cloud", func(c *change) error {
		in := Resource{OrganizationKind, organizationID}
		if found, err := c.load(organizationKey(organizationID), &Organization{}); err != nil || !found {
			return orNotFound(err, in)
		}
		if err := c.mayCreateCloud(in); err != nil {
			return err
		}
		cloud := &Cloud{ID: credential.NewID("b1g"), OrganizationID: organizationID, CreatedAt: c.view.Time, About: about}
		if err := c.claim(in, CloudKind, cloud.Name, cloud.ID); err != nil {
			return err
		}
		c.put(cloudKey(cloud.ID), cloud)
		c.add(cloud.resource().below(in))
		c.add(roleTuple(CloudOwner, cloud.resource(), c.caller.Subject))
		c.op.Resource, c.op.Parent, c.op.Cloud = cloud.resource(), in, cloud
		return c.countClouds(organizationID, 1)
	})
}

// roleTuple is the tuple of a binding.
func roleTuple(role string, on Resource, who Subject) tuple.Tuple {
	return BindingAt{on, Binding{role, who}}.tuple()
}

// mayCreateCloud refuses who may not create a cloud in an organization.
func (c *change) mayCreateCloud(in Resource) error {
	const permission = "resource-manager.clouds.create"
	if ok, err := c.has(permission, in); err != nil || ok {
		return err
	}
	var clouds int
	if _, err := c.load(cloudsKey(in.ID), &clouds); err != nil {
		return err
	}
	user := userTuple(in.ID, c.caller.Subject).Key()
	if clouds > 0 || !c.view.Has(user) {
		return denied(c.caller.Subject, permission, in)
	}
	c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.TupleThere, Key: user})
	return nil
}

// cloudsKey holds how many clouds an organization has.
func cloudsKey(organizationID string) string { return "clouds/" + organizationID }

func (c *change) countClouds(organizationID string, more int) error {
	var n int
	_, err := c.load(cloudsKey(organizationID), &n)
	c.put(cloudsKey(organizationID), n+more)
	return err
}

// cloud reads a cloud that is to be changed, by a caller who has a permission on it.
func (c *change) cloud(id, permission string) (*Cloud, error) {
	if err := checkID("cloud_id", id); err != nil {
		return nil, err
	}
	var cloud Cloud
	found, err := c.load(cloudKey(id), &cloud)
	if err != nil || !found {
		return nil, orNotFound(err, Resource{CloudKind, id})
	}
	return &cloud, c.require(permission, cloud.resource())
}

// cloudRecord reads the cloud of something that is there.
func (c *change) cloudRecord(id string) (*Cloud, error) {
	var cloud Cloud
	found, err := load(c.view, cloudKey(id), &cloud)
	if err == nil && !found {
		err = broken("read a cloud", fmt.Errorf("no cloud %q", id))
	}
	return &cloud, err
}

// Cloud returns a cloud.
func (s *Service) Cloud(ctx context.Context, call *Call, id string) (*Cloud, error) {
	var c Cloud
	if err := s.get(ctx, call, "cloud_id", Resource{CloudKind, id}, cloudKey(id), &c); err != nil {
		return nil, err
	}
	return &c, nil
}

// Clouds lists those clouds of an organization, "" = of all of them, that the
// caller may get, by name; with a name only those that have it.
func (s *Service) Clouds(ctx context.Context, call *Call, organizationID, name string, p Page) ([]*Cloud, string, error) {
	l, err := s.list(ctx, call, p, "clouds "+organizationID+" "+name)
	if err != nil {
		return nil, "", err
	}
	organizations := []string{organizationID}
	if organizationID == "" {
		if _, err := load(l.view, organizationsKey, &organizations); err != nil {
			return nil, "", err
		}
	} else if _, ok := l.now.Record(organizationKey(organizationID)); !ok {
		return nil, "", notFound(Resource{OrganizationKind, organizationID})
	}
	var all []*Cloud
	for _, o := range organizations {
		for _, id := range children(l.view, Resource{OrganizationKind, o}, CloudKind) {
			var c Cloud
			if found, err := load(l.view, cloudKey(id), &c); err != nil {
				return nil, "", err
			} else if found && (name == "" || c.Name == name) {
				all = append(all, &c)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Cloud) int { return byName(&a.About, &b.About, a.ID, b.ID) })
	return visible(ctx, l, "resource-manager.clouds.get", all, (*Cloud).resource)
}

// UpdateCloud changes what is said about a cloud.
func (s *Service) UpdateCloud(ctx context.Context, call *Call, u CloudUpdate) (*Operation, error) {
	if err := u.About.checkUpdate(u.Fields); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "UpdateCloud", "Update cloud", func(c *change) error {
		cloud, err := c.cloud(u.ID, "resource-manager.clouds.update")
		if err != nil {
			return err
		}
		if cloud.Status == Deleting {
			return beingDeleted(cloud.resource())
		}
		name := cloud.Name
		cloud.update(u.About, u.Fields)
		if err := c.rename(Resource{OrganizationKind, cloud.OrganizationID}, CloudKind, name, cloud.Name, cloud.ID); err != nil {
			return err
		}
		c.put(cloudKey(cloud.ID), cloud)
		c.op.Resource, c.op.Cloud = cloud.resource(), cloud
		return nil
	})
}

// DeleteCloud deletes a cloud with all its folders, as DeleteFolder deletes a
// folder.
func (s *Service) DeleteCloud(ctx context.Context, call *Call, id string, deleteAfter int64) (*Operation, error) {
	op, err := s.change(ctx, call, "DeleteCloud", "Delete cloud", func(c *change) error {
		cloud, err := c.cloud(id, "resource-manager.clouds.delete")
		if err != nil {
			return err
		}
		if err := c.keepOwnersOutside(Resource{OrganizationKind, cloud.OrganizationID}, cloud.resource()); err != nil {
			return err
		}
		cloud.Status, cloud.DeleteAfter, err = c.deleteLater(cloud.resource(), cloud.Status, deleteAfter)
		if err != nil {
			return err
		}
		c.put(cloudKey(cloud.ID), cloud)
		return nil
	})
	return s.finish(ctx, op, err, deletion{Resource: Resource{CloudKind, id}})
}
