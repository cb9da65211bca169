package iam

import (
	"fmt"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/tuple"
)

// maxLevels bounds how deep resources stand below an organization.
const maxLevels = 16

// parentOf returns what a resource stands in.
func parentOf(v *authz.LayerView, r Resource) (Resource, bool) {
	up, found, _ := v.First(&parentRow, r.String())
	return resourceOf(up), found
}

// pathOf returns a resource and all above it, itself first.
func pathOf(v *authz.LayerView, r Resource) ([]Resource, error) {
	path := []Resource{r}
	for {
		up, ok := parentOf(v, r)
		if !ok {
			return path, nil
		}
		if len(path) == maxLevels {
			return nil, broken("find the path of a resource", fmt.Errorf("more than %d levels above %s", maxLevels, path[0]))
		}
		path, r = append(path, up), up
	}
}

// ancestor returns the resource of a kind that r stands in, or is.
func ancestor(v *authz.LayerView, r Resource, kind string) (Resource, bool, error) {
	path, err := pathOf(v, r)
	if err != nil {
		return Resource{}, false, err
	}
	for _, p := range path {
		if p.Kind == kind {
			return p, true, nil
		}
	}
	return Resource{}, false, nil
}

// children returns the resources of a kind that stand in r, newest first.
func children(v *authz.LayerView, r Resource, kind string) []string {
	to := r.subject()
	var ids []string
	for t := range v.Tuples(tuple.Filter{Type: resourceType, Relation: parentRelation, SubjectType: to.Type, SubjectID: to.ID}) {
		if child := resourceOf(t.Object.ID); child.Kind == kind {
			ids = append(ids, child.ID)
		}
	}
	return ids
}

// activeCloud reads a cloud in which something is to be made: it is there and
// active, and will be when the change commits.
func (c *change) activeCloud(id string) (*Cloud, error) {
	var cloud Cloud
	found, err := c.load(cloudKey(id), &cloud)
	if err != nil || !found {
		return nil, orNotFound(err, Resource{CloudKind, id})
	}
	if cloud.Status != Active {
		return nil, beingDeleted(cloud.resource())
	}
	return &cloud, nil
}

// activeFolder is activeCloud for a folder and the cloud that it is in.
func (c *change) activeFolder(id string) (*Folder, error) {
	var f Folder
	found, err := c.load(folderKey(id), &f)
	if err != nil || !found {
		return nil, orNotFound(err, Resource{FolderKind, id})
	}
	if f.Status != Active {
		return nil, beingDeleted(f.resource())
	}
	_, err = c.activeCloud(f.CloudID)
	return &f, err
}

// mustBeActive refuses to make anything in a resource that is not there, or that
// stands in a folder or cloud that is not active. It returns the path above it,
// itself first, which the change then rests on.
func (c *change) mustBeActive(in Resource) ([]Resource, error) {
	path, err := pathOf(c.view, in)
	if err != nil {
		return nil, err
	}
	if path[len(path)-1].Kind != OrganizationKind {
		return nil, notFound(in)
	}
	for _, r := range path {
		switch r.Kind {
		case FolderKind:
			_, err = c.activeFolder(r.ID)
		case CloudKind:
			_, err = c.activeCloud(r.ID)
		case OrganizationKind:
			var found bool
			if found, err = c.load(organizationKey(r.ID), &Organization{}); err == nil && !found {
				err = notFound(in)
			}
		default:
			c.write.Require = append(c.write.Require, c.sameRow(r.object(), parentRelation))
		}
		if err != nil {
			return nil, err
		}
	}
	return path, nil
}

// sameRow requires that no tuple of a row changes.
func (c *change) sameRow(o tuple.Object, relation string) authz.Requirement {
	return authz.Requirement{Kind: authz.RowSame, Key: tuple.Key{Object: o, Relation: relation}}
}

func beingDeleted(r Resource) *Error {
	return precondition("BEING_DELETED", fmt.Sprintf("%s is being deleted", r), "use another one, or cancel the operation that deletes it while it waits")
}
