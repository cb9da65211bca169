package iam

import (
	"testing"
	"time"
)

// ringSize counts the signing keys that are known.
func (s *site) ringSize() int {
	s.t.Helper()
	ring, err := s.keyring(s.now())
	if err != nil {
		s.t.Fatal(err)
	}
	return len(ring.keys)
}

func TestRotateSigningKey_OldTokensHoldAndNewOnesAreOfTheNewKey(t *testing.T) {
	s := newSite(t)
	before, err := s.keyring(s.now())
	if err != nil {
		t.Fatal(err)
	}
	old := s.owner
	op := s.done(s.RotateSigningKey(t.Context(), old))
	if op.Kind != "RotateSigningKey" {
		t.Error(op.Kind)
	}
	if _, err := s.Folder(t.Context(), old, s.FolderID); err != nil {
		t.Errorf("an old token: %v", err)
	}
	s.renew()
	after, err := s.keyring(s.now())
	if err != nil {
		t.Fatal(err)
	}
	claims, err := s.tokens.Verify(s.owner.Token, after.public)
	if err != nil || claims.SigningKeyID != after.current.ID || claims.SigningKeyID == before.current.ID {
		t.Error(claims, err)
	}
	s.pass(12 * time.Hour)
	if n := s.ringSize(); n != 2 {
		t.Errorf("%d keys while tokens of the old one may hold", n)
	}
	s.pass(time.Hour)
	if n := s.ringSize(); n != 1 {
		t.Errorf("%d keys", n)
	}
	_, err = s.Folder(t.Context(), old, s.FolderID)
	s.refuses("INVALID_TOKEN", err)
	s.renew()
	if _, err := s.Folder(t.Context(), s.owner, s.FolderID); err != nil {
		t.Error(err)
	}
}

func TestRotateSigningKey_NeedsTheOwnerOfTheFirstOrganization(t *testing.T) {
	s := newSite(t)
	admin := s.newAccount("admin", s.folder())
	s.give("admin", admin, s.organization())
	_, err := s.RotateSigningKey(t.Context(), s.as(admin))
	if e := s.refuses("PERMISSION_DENIED", err); e.Metadata["permission"] != OrganizationOwner {
		t.Error(e)
	}
	for range mostSigningKeys - 1 {
		s.done(s.RotateSigningKey(t.Context(), s.owner))
	}
	_, err = s.RotateSigningKey(t.Context(), s.owner)
	s.refuses("TOO_MANY_SIGNING_KEYS", err)
}
