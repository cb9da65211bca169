package iam

import (
	"context"
	"slices"

	"github.com/pemba-authz/pemba/iam/credential"
)

// Status is where a folder or cloud stands in its life. In one that is not
// Active nothing new can be made.
type Status string

const (
	Active          Status = ""                // of most: not stored
	PendingDeletion Status = "pendingDeletion" // until DeleteAfter
	Deleting        Status = "deleting"
)

// Folder is where resources stand.
type Folder struct {
	ID        string `json:"id"`
	CloudID   string `json:"cloudId"`
	CreatedAt int64  `json:"createdAt"` // Unix nanoseconds
	About
	Status      Status `json:"status,omitempty"`
	DeleteAfter int64  `json:"deleteAfter,omitempty"` // Unix nanoseconds
}

func (f *Folder) resource() Resource { return Resource{FolderKind, f.ID} }

// FolderUpdate changes the named fields of a folder.
type FolderUpdate struct {
	ID string
	About
	Fields []string // FieldName, FieldDescription, FieldLabels
}

// CreateFolder makes a folder in a cloud.
func (s *Service) CreateFolder(ctx context.Context, call *Call, cloudID string, about About) (*Operation, error) {
	if err := checkID("cloud_id", cloudID); err != nil {
		return nil, err
	}
	if err := about.check(); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "CreateFolder", "Create folder", func(c *change) error {
		in := Resource{CloudKind, cloudID}
		if _, err := c.activeCloud(cloudID); err != nil {
			return err
		}
		if err := c.require("resource-manager.folders.create", in); err != nil {
			return err
		}
		f := &Folder{ID: credential.NewID("b1g"), CloudID: cloudID, CreatedAt: c.view.Time, About: about}
		if err := c.claim(in, FolderKind, f.Name, f.ID); err != nil {
			return err
		}
		c.put(folderKey(f.ID), f)
		c.add(f.resource().below(in))
		c.op.Resource, c.op.Parent, c.op.Folder = f.resource(), in, f
		return nil
	})
}

// folder reads a folder that is to be changed, by a caller who has a permission on it.
func (c *change) folder(id, permission string) (*Folder, error) {
	if err := checkID("folder_id", id); err != nil {
		return nil, err
	}
	var f Folder
	found, err := c.load(folderKey(id), &f)
	if err != nil || !found {
		return nil, orNotFound(err, Resource{FolderKind, id})
	}
	return &f, c.require(permission, f.resource())
}

// Folder returns a folder.
func (s *Service) Folder(ctx context.Context, call *Call, id string) (*Folder, error) {
	var f Folder
	if err := s.get(ctx, call, "folder_id", Resource{FolderKind, id}, folderKey(id), &f); err != nil {
		return nil, err
	}
	return &f, nil
}

// Folders lists the folders of a cloud, by name; with a name only the one that
// has it.
func (s *Service) Folders(ctx context.Context, call *Call, cloudID, name string, p Page) ([]*Folder, string, error) {
	if err := checkID("cloud_id", cloudID); err != nil {
		return nil, "", err
	}
	in := Resource{CloudKind, cloudID}
	l, err := s.list(ctx, call, p, "folders "+cloudID+" "+name)
	if err != nil {
		return nil, "", err
	}
	if err := l.mustHave(ctx, "resource-manager.folders.list", in); err != nil {
		return nil, "", err
	}
	var all []*Folder
	for _, id := range children(l.view, in, FolderKind) {
		var f Folder
		if found, err := load(l.view, folderKey(id), &f); err != nil {
			return nil, "", err
		} else if found && (name == "" || f.Name == name) {
			all = append(all, &f)
		}
	}
	slices.SortFunc(all, func(a, b *Folder) int { return byName(&a.About, &b.About, a.ID, b.ID) })
	from, to, next := l.cut(len(all))
	return all[from:to], next, nil
}

// UpdateFolder changes what is said about a folder.
func (s *Service) UpdateFolder(ctx context.Context, call *Call, u FolderUpdate) (*Operation, error) {
	if err := u.About.checkUpdate(u.Fields); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "UpdateFolder", "Update folder", func(c *change) error {
		f, err := c.folder(u.ID, "resource-manager.folders.update")
		if err != nil {
			return err
		}
		if f.Status == Deleting {
			return beingDeleted(f.resource())
		}
		name := f.Name
		f.update(u.About, u.Fields)
		if err := c.rename(Resource{CloudKind, f.CloudID}, FolderKind, name, f.Name, f.ID); err != nil {
			return err
		}
		c.put(folderKey(f.ID), f)
		c.op.Resource, c.op.Folder = f.resource(), f
		return nil
	})
}

// DeleteFolder deletes a folder with all that stands in it, after an instant in
// Unix nanoseconds: 0 is in 24 hours, one that has passed at once. Until then the
// folder is PendingDeletion, and CancelOperation makes it what it was. The
// operation is done when everything is gone; that takes many commands, so it is
// not atomic.
func (s *Service) DeleteFolder(ctx context.Context, call *Call, id string, deleteAfter int64) (*Operation, error) {
	op, err := s.change(ctx, call, "DeleteFolder", "Delete folder", func(c *change) error {
		f, err := c.folder(id, "resource-manager.folders.delete")
		if err != nil {
			return err
		}
		cloud, err := c.cloudRecord(f.CloudID)
		if err != nil {
			return err
		}
		for _, above := range []Resource{cloud.resource(), {OrganizationKind, cloud.OrganizationID}} {
			if err := c.keepOwnersOutside(above, f.resource()); err != nil {
				return err
			}
		}
		f.Status, f.DeleteAfter, err = c.deleteLater(f.resource(), f.Status, deleteAfter)
		if err != nil {
			return err
		}
		c.put(folderKey(f.ID), f)
		return nil
	})
	return s.finish(ctx, op, err, deletion{Resource: Resource{FolderKind, id}})
}
