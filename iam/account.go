package iam

import (
	"context"
	"slices"

	"github.com/pemba-authz/pemba/iam/credential"
)

// Account is a service account.
type Account struct {
	ID        string `json:"id"`
	FolderID  string `json:"folderId"`
	CloudID   string `json:"cloudId"`   // its name is unique there
	CreatedAt int64  `json:"createdAt"` // Unix nanoseconds
	About
	Suspended bool  `json:"suspended,omitempty"`
	ExpiresAt int64 `json:"expiresAt,omitempty"` // Unix nanoseconds, 0 = never
}

func (a *Account) resource() Resource { return Resource{ServiceAccountKind, a.ID} }

func (a *Account) subject() Subject { return Subject{ServiceAccount, a.ID} }

// AccountUpdate changes the named fields of an account.
type AccountUpdate struct {
	ID string
	About
	ExpiresAt int64
	Fields    []string // FieldName, FieldDescription, FieldLabels, FieldExpiresAt
}

// CreateAccount makes a service account in a folder.
func (s *Service) CreateAccount(ctx context.Context, call *Call, folder string, about About, expiresAt int64) (*Operation, error) {
	if err := checkID("folder_id", folder); err != nil {
		return nil, err
	}
	if err := about.check(); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "CreateServiceAccount", "Create service account", func(c *change) error {
		in := Resource{FolderKind, folder}
		f, err := c.activeFolder(folder)
		if err != nil {
			return err
		}
		if err := c.require("iam.serviceAccounts.create", in); err != nil {
			return err
		}
		a := &Account{ID: credential.NewID("aje"), FolderID: folder, CloudID: f.CloudID, CreatedAt: c.view.Time, About: about, ExpiresAt: expiresAt}
		if err := c.checkExpiry(expiresAt); err != nil {
			return err
		}
		if err := c.claim(Resource{CloudKind, f.CloudID}, ServiceAccountKind, a.Name, a.ID); err != nil {
			return err
		}
		c.putAccount(a)
		c.add(a.resource().below(in))
		c.op.Resource, c.op.Parent, c.op.Account = a.resource(), in, a
		return nil
	})
}

func (c *change) checkExpiry(ns int64) error {
	if ns != 0 && ns <= c.view.Time {
		return invalid("expires_at", "", "this time has passed", "name a time to come, or none")
	}
	return nil
}

// putAccount writes an account, and why it may not authenticate.
func (c *change) putAccount(a *Account) {
	c.put(accountKey(a.ID), a)
	if a.Suspended || a.ExpiresAt != 0 {
		c.put(offKey(a.ID), off{a.Suspended, a.ExpiresAt})
	} else {
		c.drop(offKey(a.ID))
	}
}

// account reads an account that is to be changed, by a caller who has a permission on it.
func (c *change) account(id, permission string) (*Account, error) {
	if err := checkID("service_account_id", id); err != nil {
		return nil, err
	}
	var a Account
	r := Resource{ServiceAccountKind, id}
	found, err := c.load(accountKey(id), &a)
	if err == nil && !found {
		err = notFound(r)
	}
	if err != nil {
		return nil, err
	}
	return &a, c.require(permission, r)
}

// Account returns a service account.
func (s *Service) Account(ctx context.Context, call *Call, id string) (*Account, error) {
	if err := checkID("service_account_id", id); err != nil {
		return nil, err
	}
	v, caller, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	if err := s.mustGet(ctx, v, caller, Resource{ServiceAccountKind, id}, "get"); err != nil {
		return nil, err
	}
	var a Account
	if found, err := load(v, accountKey(id), &a); err != nil || !found {
		return nil, orNotFound(err, Resource{ServiceAccountKind, id})
	}
	return &a, nil
}

// Accounts lists the service accounts of a folder, by name; with a name only the
// one that has it.
func (s *Service) Accounts(ctx context.Context, call *Call, folder, name string, p Page) ([]*Account, string, error) {
	if err := checkID("folder_id", folder); err != nil {
		return nil, "", err
	}
	in := Resource{FolderKind, folder}
	l, err := s.list(ctx, call, p, "accounts "+folder+" "+name)
	if err != nil {
		return nil, "", err
	}
	if err := l.mustHave(ctx, "iam.serviceAccounts.list", in); err != nil {
		return nil, "", err
	}
	var all []*Account
	for _, id := range children(l.view, in, ServiceAccountKind) {
		var a Account
		if found, err := load(l.view, accountKey(id), &a); err != nil {
			return nil, "", err
		} else if found && (name == "" || a.Name == name) {
			all = append(all, &a)
		}
	}
	slices.SortFunc(all, func(a, b *Account) int { return byName(&a.About, &b.About, a.ID, b.ID) })
	from, to, next := l.cut(len(all))
	return all[from:to], next, nil
}

// UpdateAccount changes what is said about an account.
func (s *Service) UpdateAccount(ctx context.Context, call *Call, u AccountUpdate) (*Operation, error) {
	if err := u.About.checkUpdate(u.Fields); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "UpdateServiceAccount", "Update service account", func(c *change) error {
		a, err := c.account(u.ID, "iam.serviceAccounts.update")
		if err != nil {
			return err
		}
		name := a.Name
		a.update(u.About, u.Fields)
		if slices.Contains(u.Fields, FieldExpiresAt) {
			if err := c.checkExpiry(u.ExpiresAt); err != nil {
				return err
			}
			if err := c.mayMoveEnd(a, u.ExpiresAt); err != nil {
				return err
			}
			a.ExpiresAt = u.ExpiresAt
		}
		if err := c.rename(Resource{CloudKind, a.CloudID}, ServiceAccountKind, name, a.Name, a.ID); err != nil {
			return err
		}
		c.putAccount(a)
		c.op.Resource, c.op.Account = a.resource(), a
		return nil
	})
}

// mayMoveEnd refuses to give an owner an end, or to give him back what he had, by
// who is none.
func (c *change) mayMoveEnd(a *Account, expiresAt int64) error {
	if expiresAt != 0 {
		if err := c.mayEnd(a.subject()); err != nil {
			return err
		}
	}
	if expiresAt == a.ExpiresAt {
		return nil
	}
	return c.mustOwnWhatItOwns(a.subject())
}

// SuspendAccount makes an account unable to authenticate; ReactivateAccount
// makes it able again.
func (s *Service) SuspendAccount(ctx context.Context, call *Call, id string) (*Operation, error) {
	return s.switchAccount(ctx, call, id, true, "SuspendServiceAccount", "Suspend service account", "iam.serviceAccounts.suspend")
}

// ReactivateAccount is the contrary of SuspendAccount.
func (s *Service) ReactivateAccount(ctx context.Context, call *Call, id string) (*Operation, error) {
	return s.switchAccount(ctx, call, id, false, "ReactivateServiceAccount", "Reactivate service account", "iam.serviceAccounts.reactivate")
}

func (s *Service) switchAccount(ctx context.Context, call *Call, id string, suspend bool, kind, description, permission string) (*Operation, error) {
	return s.change(ctx, call, kind, description, func(c *change) error {
		a, err := c.account(id, permission)
		if err != nil {
			return err
		}
		if a.Suspended == suspend {
			return precondition("ACCOUNT_STATE", "the account is in that state already", "nothing is to be done")
		}
		may := c.mustOwnWhatItOwns // what it can do again
		if suspend {
			may = c.mayEnd
		}
		if err := may(a.subject()); err != nil {
			return err
		}
		a.Suspended = suspend
		c.putAccount(a)
		c.op.Resource, c.op.Account = a.resource(), a
		return nil
	})
}

// DeleteAccount deletes an account with its keys, its bindings and the roles
// that were granted to it.
func (s *Service) DeleteAccount(ctx context.Context, call *Call, id string) (*Operation, error) {
	op, err := s.change(ctx, call, "DeleteServiceAccount", "Delete service account", func(c *change) error {
		a, err := c.account(id, "iam.serviceAccounts.delete")
		if err != nil {
			return err
		}
		if err := c.mustBeUnused(a); err != nil {
			return err
		}
		c.release(Resource{CloudKind, a.CloudID}, ServiceAccountKind, a.Name)
		c.drop(accountKey(id))
		c.drop(offKey(id))
		c.op.Resource = a.resource()
		return c.sweep(a.resource(), a.subject())
	})
	a := Account{ID: id}
	return s.finish(ctx, op, err, deletion{Resource: a.resource(), Subject: a.subject()})
}
