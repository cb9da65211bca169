package iam

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"unsafe"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
)

// keyringRecord holds the keys that IAM tokens are signed with. Their private
// halves are sealed, so that a log, a snapshot or a backup gives nothing away.
type keyringRecord struct {
	Current string      `json:"current"` // id of the key that signs
	Keys    []sealedKey `json:"keys"`
}

type sealedKey struct {
	ID        string `json:"id"`
	Public    []byte `json:"public"`
	Sealed    []byte `json:"sealed"`
	CreatedAt int64  `json:"createdAt"` // Unix nanoseconds
	RetiredAt int64  `json:"retiredAt,omitempty"`
}

// keyring is a keyringRecord that has been read. Tokens are verified with the
// public halves, which are no secret; only signing needs the master key.
type keyring struct {
	record  []byte
	keys    map[string]ed25519.PublicKey
	current *credential.SigningKey // nil = this node cannot open it
	locked  *Error                 // why it cannot; nil = it can
}

func (k *keyring) public(id string) (ed25519.PublicKey, bool) {
	key, ok := k.keys[id]
	return key, ok
}

// signer returns the key that signs, if this node has been able to open it.
func (k *keyring) signer() (*credential.SigningKey, error) {
	if k.locked != nil {
		return nil, k.locked
	}
	return k.current, nil
}

func sealContext(id string) string { return "signing key " + id }

// newSealedKey makes a key, sealed under a master key.
func newSealedKey(under *credential.MasterKey, now int64) (sealedKey, error) {
	key, err := credential.NewSigningKey(rand.Reader)
	if err != nil {
		return sealedKey{}, broken("make a signing key", err)
	}
	return sealedKey{ID: key.ID, Public: key.Public, Sealed: under.Seal(key.MarshalPrivate(), sealContext(key.ID)), CreatedAt: now}, nil
}

// keyring returns the keys that are in force at a view.
func (s *Service) keyring(v *authz.LayerView) (*keyring, error) {
	record, ok := v.Record(signingKey)
	if !ok {
		return nil, notFounded()
	}
	before := s.ring.Load()
	if before != nil && unsafe.SliceData(before.record) == unsafe.SliceData(record) && len(before.record) == len(record) {
		return before, nil
	}
	var r keyringRecord
	if _, err := load(v, signingKey, &r); err != nil {
		return nil, err
	}
	k := &keyring{record: record, keys: map[string]ed25519.PublicKey{}}
	for _, key := range r.Keys {
		k.keys[key.ID] = key.Public
		if key.ID == r.Current {
			k.current, k.locked = s.open(&key, before)
		}
	}
	if k.current == nil && k.locked == nil {
		return nil, broken("open the signing key", fmt.Errorf("no key %q", r.Current))
	}
	s.ring.Store(k)
	return k, nil
}

// open opens the key that signs, unless it has been open before: a node whose
// master key has been replaced meanwhile goes on with what it has. An id is made
// of the public half, so the same id is the same key.
func (s *Service) open(k *sealedKey, before *keyring) (*credential.SigningKey, *Error) {
	if before != nil && before.current != nil && before.current.ID == k.ID {
		return before.current, nil
	}
	under, ok := credential.SealedUnder(k.Sealed)
	if !ok {
		return nil, broken("open the signing key", credential.ErrSealed)
	}
	master, other := s.masterOf(under)
	if other != nil {
		return nil, other
	}
	private, err := master.Open(k.Sealed, sealContext(k.ID))
	if err != nil {
		return nil, broken("open the signing key", err)
	}
	key, err := credential.ParseSigningKey(private)
	if err != nil || key.ID != k.ID {
		return nil, broken("open the signing key", fmt.Errorf("what is sealed for %q: %v, %w", k.ID, key, err))
	}
	return key, nil
}

// masterOf returns the one of this node's master keys with a fingerprint.
func (s *Service) masterOf(fingerprint string) (*credential.MasterKey, *Error) {
	has := []string{}
	for _, k := range []*credential.MasterKey{s.config.Master, s.config.Old} {
		switch {
		case k == nil:
		case k.Fingerprint() == fingerprint:
			return k, nil
		default:
			has = append(has, k.Fingerprint())
		}
	}
	return nil, &Error{Code: authz.FailedPrecondition, Reason: "OTHER_MASTER_KEY",
		Message: fmt.Sprintf("the IAM layer's secrets are sealed under the master key %s, this node has %s", fingerprint, strings.Join(has, " and ")),
		Fix:     "start it with the master key that the other nodes have"}
}

// master returns the master key under which a view's secrets are sealed, nil if
// there are none yet.
func (s *Service) master(v *authz.LayerView) (*credential.MasterKey, error) {
	fingerprint, ok := v.Record(masterKey)
	if !ok {
		return nil, nil
	}
	k, other := s.masterOf(string(fingerprint))
	if other != nil {
		return nil, other
	}
	return k, nil
}

// CheckMaster fails if this node cannot open the secrets of the layer, and is nil
// if there are none yet. A node that fails it when it starts must not serve. One
// that has served before verifies all tokens, and goes on signing with the key
// that it has opened until another one signs.
func (s *Service) CheckMaster(ctx context.Context) error {
	v, err := s.layer.View(ctx, authz.Consistency{})
	if isUnknownTenant(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if k, err := s.master(&v); err != nil || k == nil {
		return err
	}
	ring, err := s.keyring(&v)
	if err != nil {
		return err
	}
	_, err = ring.signer()
	return err
}
