package iam

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
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

// keyring is a keyringRecord that has been opened.
type keyring struct {
	record  []byte
	keys    map[string]ed25519.PublicKey
	current *credential.SigningKey
}

func (k *keyring) public(id string) (ed25519.PublicKey, bool) {
	key, ok := k.keys[id]
	return key, ok
}

func sealContext(id string) string { return "signing key " + id }

// newSealedKey makes a key.
func (s *Service) newSealedKey(now int64) (sealedKey, error) {
	key, err := credential.NewSigningKey(rand.Reader)
	if err != nil {
		return sealedKey{}, broken("make a signing key", err)
	}
	return s.seal(key, now), nil
}

func (s *Service) seal(key *credential.SigningKey, now int64) sealedKey {
	return sealedKey{ID: key.ID, Public: key.Public, Sealed: s.config.Master.Seal(key.MarshalPrivate(), sealContext(key.ID)), CreatedAt: now}
}

// keyring returns the keys that are in force at a view.
func (s *Service) keyring(v *authz.LayerView) (*keyring, error) {
	record, ok := v.Record(signingKey)
	if !ok {
		return nil, notFounded()
	}
	if k := s.ring.Load(); k != nil && unsafe.SliceData(k.record) == unsafe.SliceData(record) && len(k.record) == len(record) {
		return k, nil
	}
	var r keyringRecord
	if _, err := load(v, signingKey, &r); err != nil {
		return nil, err
	}
	k := &keyring{record: record, keys: map[string]ed25519.PublicKey{}}
	for _, key := range r.Keys {
		k.keys[key.ID] = key.Public
		if key.ID != r.Current {
			continue
		}
		private, err := s.config.Master.Open(key.Sealed, sealContext(key.ID))
		if err != nil {
			return nil, broken("open the signing key", err)
		}
		if k.current, err = credential.ParseSigningKey(private); err != nil {
			return nil, broken("open the signing key", err)
		}
	}
	if k.current == nil {
		return nil, broken("open the signing key", fmt.Errorf("no key %q", r.Current))
	}
	s.ring.Store(k)
	return k, nil
}

// CheckMaster fails if the secrets of the layer are sealed under another master
// key than this node has, and is nil if there are none yet. A node that fails
// it must not serve.
func (s *Service) CheckMaster(ctx context.Context) error {
	v, err := s.layer.View(ctx, authz.Consistency{})
	if isUnknownTenant(err) {
		return nil
	}
	if err != nil {
		return err
	}
	sealed, ok := v.Record(masterKey)
	if own := s.config.Master.Fingerprint(); ok && string(sealed) != own {
		return &Error{Code: authz.FailedPrecondition, Reason: "OTHER_MASTER_KEY",
			Message: fmt.Sprintf("the IAM layer's secrets are sealed under the master key %s, this node has %s", sealed, own),
			Fix:     "start it with the master key that the other nodes have"}
	}
	return nil
}
