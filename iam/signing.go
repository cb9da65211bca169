package iam

import (
	"context"
	"slices"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
)

const (
	// retiredLife is how long a signing key is known after it has signed its last
	// token: as long as a token may live, and what clocks of nodes may differ.
	retiredLife = credential.MaxTokenLife + 10*time.Minute

	mostSigningKeys = 16
)

// RotateSigningKey makes a new key for IAM tokens. Tokens that the old one has
// signed hold as long as they would have. It takes the role of an owner of the
// first organization, which is its operator's.
func (s *Service) RotateSigningKey(ctx context.Context, call *Call) (*Operation, error) {
	return s.change(ctx, call, "RotateSigningKey", "Rotate the key that signs IAM tokens", func(c *change) error {
		if err := c.mustOperate(); err != nil {
			return err
		}
		var r keyringRecord
		if found, err := c.load(signingKey, &r); err != nil || !found {
			return err
		}
		if len(r.Keys) >= mostSigningKeys {
			return precondition("TOO_MANY_SIGNING_KEYS", "the keys of the last 12 hours are still needed for their tokens", "wait until the first of them is retired")
		}
		master, err := c.master()
		if err != nil {
			return err
		}
		next, err := newSealedKey(master, c.view.Time)
		if err != nil {
			return err
		}
		for i := range r.Keys {
			if r.Keys[i].ID == r.Current {
				r.Keys[i].RetiredAt = c.view.Time
			}
		}
		r.Current, r.Keys = next.ID, append(r.Keys, next)
		c.put(signingKey, &r)
		return nil
	})
}

// master returns the master key to seal under, which the change rests on: all
// secrets of a view are sealed under one.
func (c *change) master() (*credential.MasterKey, error) {
	k, err := c.s.master(c.view)
	if err == nil && k == nil {
		err = notFounded()
	}
	c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordUnchanged, Record: masterKey})
	return k, err
}

// mustOperate refuses who does not own the first organization, and makes the
// change about that.
func (c *change) mustOperate() error {
	var ids []string
	found, err := load(c.view, organizationsKey, &ids)
	if err != nil || !found || len(ids) == 0 {
		if err == nil {
			err = notFounded()
		}
		return err
	}
	c.op.Resource = Resource{OrganizationKind, ids[0]}
	return c.require(OrganizationOwner, c.op.Resource)
}

// retireKeys forgets signing keys whose last token has expired.
func (s *Service) retireKeys(ctx context.Context) error {
	v, err := s.view(ctx, authz.Consistency{Level: authz.Latest})
	if err != nil {
		return err
	}
	c := s.work(ctx, v)
	var r keyringRecord
	if found, err := c.load(signingKey, &r); err != nil || !found {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(r.Keys), func(k sealedKey) bool {
		return k.ID != r.Current && k.RetiredAt+int64(retiredLife) <= v.Time
	})
	if len(kept) == len(r.Keys) {
		return nil
	}
	r.Keys = kept
	c.put(signingKey, &r)
	if _, err = s.layer.Commit(ctx, janitor, c.write); isConflict(err) {
		return nil // the next round sees why
	}
	return err
}

// Reseal seals the layer's secrets, which are sealed under old, under this node's
// master key. It does nothing where they are already. Nodes that have neither
// this one nor, as Config.Old, do not start again; until then they verify tokens, and
// sign with the key that they have opened before.
func (s *Service) Reseal(ctx context.Context, old *credential.MasterKey) error {
	return s.changeKeys(ctx, "system:reseal", func(c *change) (bool, error) { return c.reseal(old) })
}

// changeKeys commits what by makes of the layer's secrets, unless it says that all
// is done or the layer is not founded.
func (s *Service) changeKeys(ctx context.Context, caller string, by func(*change) (done bool, err error)) error {
	for range maxTries {
		v, err := s.view(ctx, authz.Consistency{Level: authz.Latest})
		if isNotFounded(err) {
			return nil
		}
		if err != nil {
			return err
		}
		c := s.work(ctx, v)
		done, err := by(c)
		if err != nil || done {
			return err
		}
		if err = s.commitHere(ctx, authz.Caller{Name: caller}, c); !isConflict(err) {
			return err
		}
	}
	return &Error{Code: authz.Aborted, Reason: "TOO_BUSY", Message: "the signing keys keep changing", Fix: "try again shortly"}
}

// commitHere commits, and returns when this node has what it has committed.
func (s *Service) commitHere(ctx context.Context, by authz.Caller, c *change) error {
	token, err := s.layer.Commit(ctx, by, c.write)
	if err != nil {
		return err
	}
	_, err = s.layer.View(ctx, authz.Consistency{Level: authz.AtLeast, Token: token})
	return err
}

func (c *change) reseal(old *credential.MasterKey) (done bool, err error) {
	fingerprint, _ := c.view.Record(masterKey)
	own := c.s.config.Master
	switch string(fingerprint) {
	case own.Fingerprint():
		return true, nil
	case old.Fingerprint():
	default:
		return false, precondition("OTHER_MASTER_KEY", "the IAM layer's secrets are sealed under the master key "+string(fingerprint)+", the old one that was given is "+old.Fingerprint(), "give the one that the nodes had until now")
	}
	var r keyringRecord
	if _, err := c.load(signingKey, &r); err != nil {
		return false, err
	}
	for i, k := range r.Keys {
		private, err := old.Open(k.Sealed, sealContext(k.ID))
		if err != nil {
			return false, broken("open a signing key", err)
		}
		r.Keys[i].Sealed = own.Seal(private, sealContext(k.ID))
	}
	c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordIs, Record: masterKey, Value: fingerprint})
	c.put(signingKey, &r)
	c.putBytes(masterKey, []byte(own.Fingerprint()))
	return false, nil
}

// AbandonMaster gives up the secrets that are sealed under the master key with this
// fingerprint, because that key is lost or somebody else has it: there is a new
// signing key under this node's master key and no other, so that all IAM tokens
// are void at once. It does nothing where it has been done. Accounts, authorized
// keys and bindings are no secrets and stay.
func (s *Service) AbandonMaster(ctx context.Context, fingerprint string) error {
	return s.changeKeys(ctx, "system:abandon", func(c *change) (bool, error) { return c.abandon(fingerprint) })
}

func (c *change) abandon(fingerprint string) (done bool, err error) {
	sealed, _ := c.view.Record(masterKey)
	own := c.s.config.Master
	switch string(sealed) {
	case own.Fingerprint():
		return true, nil
	case fingerprint:
	default:
		return false, precondition("OTHER_MASTER_KEY", "the IAM layer's secrets are sealed under the master key "+string(sealed)+", not "+fingerprint, "name the one that is to be given up")
	}
	key, err := newSealedKey(own, c.view.Time)
	if err != nil {
		return false, err
	}
	c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordIs, Record: masterKey, Value: sealed})
	c.put(signingKey, keyringRecord{Current: key.ID, Keys: []sealedKey{key}})
	c.putBytes(masterKey, []byte(own.Fingerprint()))
	return false, nil
}
