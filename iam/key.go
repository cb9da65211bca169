package iam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
)

// Key is an authorized key of a service account. Only its public half is kept.
type Key struct {
	ID          string `json:"id"`
	AccountID   string `json:"accountId"`
	CreatedAt   int64  `json:"createdAt"` // Unix nanoseconds
	Description string `json:"description,omitempty"`
	Bits        int    `json:"bits"` // 2048 to 4096
	PublicPEM   string `json:"publicPem"`

	// Token is a consistency token of a view with a key that was just made. It is
	// not stored.
	Token string `json:"-"`
}

func (k *Key) resource() Resource { return Resource{KeyKind, k.ID} }

// ownAccount returns account or, if that is "", the caller's own.
func (c *Caller) ownAccount(account string) (string, error) {
	if account != "" {
		return account, checkID("service_account_id", account)
	}
	if c.Subject.Type != ServiceAccount {
		return "", invalid("service_account_id", "", "the caller is no service account and has no keys of its own", "name a service account")
	}
	return c.Subject.ID, nil
}

// CreateKey makes an authorized key for an account, "" = the caller's own, of 2048
// (or 0) or 4096 bits. The private half is shown this once, as PEM; a call
// that repeats an idempotency key cannot show it again and fails. One key is made at a
// time on a node; who waits for that in vain is told so.
func (s *Service) CreateKey(ctx context.Context, call *Call, accountID, description string, bits int) (k *Key, privatePEM string, err error) {
	bits = cmp.Or(bits, 2048)
	if bits != 2048 && bits != 4096 {
		return nil, "", invalid("key_algorithm", fmt.Sprint(bits), credential.ErrKeyBits.Error(), "use RSA_2048 or RSA_4096")
	}
	if err := checkDescription(description); err != nil {
		return nil, "", err
	}
	if err := s.mayCreateKey(ctx, call, accountID); err != nil {
		return nil, "", err
	}
	private, public, err := s.generateKey(ctx, bits)
	if err != nil {
		return nil, "", err
	}
	k, err = s.addKey(ctx, call, accountID, Key{Description: description, Bits: bits, PublicPEM: public})
	if err != nil {
		return nil, "", err
	}
	if k.PublicPEM != public {
		return nil, "", keyMadeBefore(k.ID)
	}
	return k, credential.LabelPrivateKey(k.ID, private), nil
}

func keyMadeBefore(id string) *Error {
	return &Error{Code: authz.AlreadyExists, Reason: "KEY_MADE_BEFORE", Value: id, Metadata: map[string]string{"key_id": id},
		Message: fmt.Sprintf("this call has made the key %s before, and its private half cannot be shown again", id), Fix: "delete that key, and call with a new idempotency key"}
}

// mayCreateKey refuses who may not create a key before one is made, which takes
// seconds.
func (s *Service) mayCreateKey(ctx context.Context, call *Call, accountID string) error {
	c, err := s.begin(ctx, call)
	if err != nil {
		return err
	}
	done, err := c.repeated()
	if err != nil {
		return err
	}
	if done != nil && done.Key != nil {
		return keyMadeBefore(done.Key.ID)
	}
	_, err = c.keyAccount(accountID)
	return err
}

// keyAccount reads an account for which a key is to be made.
func (c *change) keyAccount(accountID string) (*Account, error) {
	accountID, err := c.caller.ownAccount(accountID)
	if err != nil {
		return nil, err
	}
	a, err := c.account(accountID, "iam.keys.create")
	if err != nil {
		return nil, err
	}
	if err := c.mustOwnWhatItOwns(a.subject()); err != nil {
		return nil, err
	}
	_, err = c.activeFolder(a.FolderID)
	return a, err
}

// generateKey makes a key, one at a time.
func (s *Service) generateKey(ctx context.Context, bits int) (private, public string, err error) {
	select {
	case s.makingKey <- struct{}{}:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return "", "", &Error{Code: authz.Canceled, Reason: "CANCELED", Message: "the call was canceled", Err: ctx.Err()}
		}
		return "", "", &Error{Code: authz.ResourceExhausted, Reason: "KEY_MAKER_BUSY", Message: "this node makes other keys", Fix: "try again, or make the key yourself and send its public half"}
	}
	defer func() { <-s.makingKey }()
	private, public, err = credential.GenerateKey(bits)
	if err != nil {
		return "", "", broken("make a key", err)
	}
	return private, public, nil
}

// AddKey makes an authorized key for an account, "" = the caller's own, of which
// the caller keeps the private half.
func (s *Service) AddKey(ctx context.Context, call *Call, accountID, description, publicPEM string) (*Key, error) {
	if err := checkDescription(description); err != nil {
		return nil, err
	}
	public, err := credential.ParsePublicKey(publicPEM)
	if err != nil {
		return nil, invalid("public_key", "", err.Error(), "send the public half of an RSA key")
	}
	return s.addKey(ctx, call, accountID, Key{Description: description, Bits: public.N.BitLen(), PublicPEM: publicPEM})
}

func (s *Service) addKey(ctx context.Context, call *Call, accountID string, key Key) (*Key, error) {
	op, err := s.change(ctx, call, "CreateKey", "Create key", func(c *change) error {
		a, err := c.keyAccount(accountID)
		if err != nil {
			return err
		}
		k := key
		k.ID, k.AccountID, k.CreatedAt = credential.NewID("ajk"), a.ID, c.view.Time
		c.put(keyKey(k.ID), &k)
		c.add(k.resource().below(a.resource()))
		c.op.Resource, c.op.Parent, c.op.Key = k.resource(), a.resource(), &k
		return nil
	})
	if err != nil {
		return nil, err
	}
	op.Key.Token = op.Token
	return op.Key, nil
}

// key reads a key that is to be changed, by a caller who has a permission on it.
func (c *change) key(id, permission string) (*Key, error) {
	if err := checkID("key_id", id); err != nil {
		return nil, err
	}
	var k Key
	found, err := c.load(keyKey(id), &k)
	if err != nil || !found {
		return nil, orNotFound(err, Resource{KeyKind, id})
	}
	return &k, c.require(permission, k.resource())
}

// Key returns an authorized key. An account may see its own.
func (s *Service) Key(ctx context.Context, call *Call, id string) (*Key, error) {
	if err := checkID("key_id", id); err != nil {
		return nil, err
	}
	v, caller, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	var k Key
	if found, err := load(v, keyKey(id), &k); err != nil || !found {
		return nil, orNotFound(err, Resource{KeyKind, id})
	}
	if caller.Subject != (Subject{ServiceAccount, k.AccountID}) {
		if err := s.mustGet(ctx, v, caller, k.resource(), "get"); err != nil {
			return nil, err
		}
	}
	return &k, nil
}

// Keys lists the authorized keys of an account, "" = the caller's own, newest
// first. An account may see its own.
func (s *Service) Keys(ctx context.Context, call *Call, accountID string, p Page) ([]*Key, string, error) {
	l, err := s.list(ctx, call, p, "keys "+accountID)
	if err != nil {
		return nil, "", err
	}
	if accountID, err = l.caller.ownAccount(accountID); err != nil {
		return nil, "", err
	}
	in := Resource{ServiceAccountKind, accountID}
	if l.caller.Subject != (Subject{ServiceAccount, accountID}) {
		if err := l.mustHave(ctx, "iam.keys.list", in); err != nil {
			return nil, "", err
		}
	}
	ids := children(l.view, in, KeyKind)
	from, to, next := l.cut(len(ids))
	var out []*Key
	for _, id := range ids[from:to] {
		var k Key
		if found, err := load(l.view, keyKey(id), &k); err != nil {
			return nil, "", err
		} else if found {
			out = append(out, &k)
		}
	}
	return out, next, nil
}

// UpdateKey changes what is said about a key: its description, if fields has that.
func (s *Service) UpdateKey(ctx context.Context, call *Call, id, description string, fields []string) (*Operation, error) {
	if err := checkDescription(description); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "UpdateKey", "Update key", func(c *change) error {
		k, err := c.key(id, "iam.keys.update")
		if err != nil {
			return err
		}
		if slices.Contains(fields, FieldDescription) {
			k.Description = description
		}
		c.put(keyKey(id), k)
		c.op.Resource, c.op.Key = k.resource(), k
		return nil
	})
}

// DeleteKey deletes a key. Tokens that were made with it hold no longer.
func (s *Service) DeleteKey(ctx context.Context, call *Call, id string) (*Operation, error) {
	return s.change(ctx, call, "DeleteKey", "Delete key", func(c *change) error {
		k, err := c.key(id, "iam.keys.delete")
		if err != nil {
			return err
		}
		if err := c.mustOwnWhatItOwns(Subject{ServiceAccount, k.AccountID}); err != nil {
			return err
		}
		c.drop(keyKey(id))
		c.op.Resource, c.op.Parent = k.resource(), Resource{ServiceAccountKind, k.AccountID}
		return c.sweep(k.resource(), Subject{})
	})
}
