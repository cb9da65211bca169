package iam

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
)

func TestCreateKey_ShowsThePrivateHalfOnce(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder())
	k, private, err := s.CreateKey(t.Context(), s.owner, a.ID, "mine", 0)
	if err != nil || k.Bits != 2048 || k.AccountID != a.ID || k.Token == "" {
		t.Fatal(k, err)
	}
	if !strings.HasPrefix(private, "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <"+k.ID+">\n-----BEGIN PRIVATE KEY-----") {
		t.Error(private[:80])
	}
	call := s.withKey(k.ID, a.ID, keyPair{private: private})
	got, err := s.Key(t.Context(), call, k.ID)
	if err != nil || got.PublicPEM != k.PublicPEM || got.Description != "mine" {
		t.Error(got, err)
	}
	data, _ := s.now().Record(keyKey(k.ID))
	if strings.Contains(string(data), "PRIVATE") {
		t.Error("the private half is stored")
	}
}

func TestCreateKey_ARetryCannotShowItAgain(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder())
	call := *s.owner
	call.Idempotency = "k"
	k, _, err := s.CreateKey(t.Context(), &call, a.ID, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.CreateKey(t.Context(), &call, a.ID, "", 0)
	if e := s.refuses("KEY_MADE_BEFORE", err); e.Metadata["key_id"] != k.ID {
		t.Error(e)
	}
	if keys, _, err := s.Keys(t.Context(), s.owner, a.ID, Page{}); err != nil || len(keys) != 1 {
		t.Error(keys, err)
	}
}

func TestCreateKey_TellsWhoWaitsInVain(t *testing.T) {
	s := newSite(t)
	s.makingKey <- struct{}{}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, _, err := s.generateKey(ctx, 2048)
	if e := s.refuses("KEY_MAKER_BUSY", err); e.Code != authz.ResourceExhausted {
		t.Error(e.Code)
	}
}

// Row 1.4/8: keys take authorizedKeyAdmin or keyAdmin on the account, also the
// caller's own.
func TestKeys_Row8NeedAdminOfKeys(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder())
	on := Resource{ServiceAccountKind, a.ID}
	for role, allowed := range map[string]bool{
		"iam.serviceAccounts.authorizedKeyAdmin": true, "iam.serviceAccounts.keyAdmin": true, "editor": true,
		"iam.serviceAccounts.apiKeyAdmin": false, "iam.serviceAccounts.accessKeyAdmin": false, "iam.serviceAccounts.tokenCreator": false, "viewer": false,
	} {
		who := s.newAccount(strings.ToLower("w-"+strings.ReplaceAll(role, ".", "-")), s.folder())
		s.give(role, who, on)
		k, err := s.AddKey(t.Context(), s.as(who), a.ID, "", otherKeys().public)
		if !allowed {
			s.refuses("PERMISSION_DENIED", err)
			_, _, err = s.CreateKey(t.Context(), s.as(who), a.ID, "", 0)
			s.refuses("PERMISSION_DENIED", err)
			_, err = s.DeleteKey(t.Context(), s.as(who), s.KeyID)
			s.refuses("PERMISSION_DENIED", err)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		s.done(s.UpdateKey(t.Context(), s.as(who), k.ID, "new", []string{FieldDescription}))
		s.done(s.DeleteKey(t.Context(), s.as(who), k.ID))
	}
	_, err := s.AddKey(t.Context(), s.as(a), "", "", otherKeys().public)
	s.refuses("PERMISSION_DENIED", err)
}

// With no account, List is of the caller's own keys, which take no permission.
func TestKeys_AnAccountMaySeeItsOwn(t *testing.T) {
	s := newSite(t)
	a, b := s.newAccount("a", s.folder()), s.newAccount("b", s.folder())
	k, err := s.AddKey(t.Context(), s.owner, a.ID, "", otherKeys().public)
	if err != nil {
		t.Fatal(err)
	}
	if keys, _, err := s.Keys(t.Context(), s.as(a), "", Page{}); err != nil || len(keys) != 1 || keys[0].ID != k.ID {
		t.Error(keys, err)
	}
	if _, err := s.Key(t.Context(), s.as(a), k.ID); err != nil {
		t.Error(err)
	}
	_, err = s.Key(t.Context(), s.as(b), k.ID)
	s.refuses("PERMISSION_DENIED", err)
	_, _, err = s.Keys(t.Context(), s.as(b), a.ID, Page{})
	s.refuses("PERMISSION_DENIED", err)
	_, _, err = s.Keys(t.Context(), s.as(s.newUser("ann")), "", Page{})
	s.refuses("INVALID_FIELD", err)
}

func TestAddKey_ChecksTheKey(t *testing.T) {
	s := newSite(t)
	_, err := s.AddKey(t.Context(), s.owner, "", "", "no key")
	s.refuses("INVALID_FIELD", err)
	_, err = s.AddKey(t.Context(), s.owner, "", strings.Repeat("x", 257), otherKeys().public)
	s.refuses("INVALID_FIELD", err)
	_, err = s.AddKey(t.Context(), s.owner, "none", "", otherKeys().public)
	s.refuses("RESOURCE_NOT_FOUND", err)
	_, _, err = s.CreateKey(t.Context(), s.owner, "", "", 1024)
	s.refuses("INVALID_FIELD", err)
}

func TestDeleteKey_EndsItsTokens(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder(), "viewer")
	k, err := s.AddKey(t.Context(), s.owner, a.ID, "", otherKeys().public)
	if err != nil {
		t.Fatal(err)
	}
	call := s.withKey(k.ID, a.ID, otherKeys())
	s.done(s.DeleteKey(t.Context(), s.owner, k.ID))
	_, err = s.Folder(t.Context(), call, s.FolderID)
	s.refuses("KEY_DELETED", err)
	_, _, _, err = s.CreateToken(t.Context(), &Call{}, s.assertion(k.ID, a.ID, otherKeys()))
	s.refuses("INVALID_ASSERTION", err)
}

func TestKeys_OnesOwnComeInPages(t *testing.T) {
	s := newSite(t)
	for range 2 {
		if _, err := s.AddKey(t.Context(), s.owner, "", "", otherKeys().public); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	p := Page{Size: 2}
	for more := true; more; more = p.Token != "" {
		keys, next, err := s.Keys(t.Context(), s.owner, "", p)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			seen[k.ID] = true
		}
		p.Token = next
	}
	if len(seen) != 3 {
		t.Error(seen)
	}
}
