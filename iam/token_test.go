package iam

import (
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
)

// Row 1.4/1: a token takes nothing but authentication, and holds for 12 hours.
func TestCreateToken_Row1NeedsOnlyAKey(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder())
	k, err := s.AddKey(t.Context(), s.owner, a.ID, "", otherKeys().public)
	if err != nil {
		t.Fatal(err)
	}
	token, expiresAt, consistency, err := s.CreateToken(t.Context(), &Call{}, s.assertion(k.ID, a.ID, otherKeys()))
	if err != nil || expiresAt != s.clock.Load()/1e9+12*3600 {
		t.Fatal(expiresAt, err)
	}
	who, err := s.Authenticate(t.Context(), token, authz.Consistency{Level: authz.AtLeast, Token: consistency})
	if err != nil || who.Subject != a || who.KeyID != k.ID || who.Impersonator != (Subject{}) {
		t.Error(who, err)
	}
	s.clock.Add(int64(12 * time.Hour))
	_, err = s.Authenticate(t.Context(), token, authz.Consistency{})
	s.refuses("TOKEN_EXPIRED", err)
}

func TestCreateToken_RefusesAssertions(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder())
	late := s.assertion(s.KeyID, s.AccountID, rootKeys())
	early := func() string {
		f := credential.KeyFile{ID: s.KeyID, ServiceAccountID: s.AccountID, PrivateKey: rootKeys().private}
		jwt, err := f.Assertion(time.Unix(0, s.clock.Load()), "https://elsewhere.example")
		if err != nil {
			t.Fatal(err)
		}
		return jwt
	}()
	for name, jwt := range map[string]string{
		"nothing": "", "no JWT": "a.b.c",
		"another key":      s.assertion(s.KeyID, s.AccountID, otherKeys()),
		"another account":  s.assertion(s.KeyID, a.ID, rootKeys()),
		"unknown key":      s.assertion("ajk0", s.AccountID, rootKeys()),
		"another audience": early,
	} {
		t.Log(name)
		_, _, _, err := s.CreateToken(t.Context(), &Call{}, jwt)
		if e := s.refuses("INVALID_ASSERTION", err); e.Code != authz.Unauthenticated {
			t.Error(e.Code)
		}
	}
	other := s.open(Config{Master: s.config.Master, Audiences: []string{"https://elsewhere.example"}})
	if _, _, _, err := other.CreateToken(t.Context(), &Call{}, early); err != nil {
		t.Errorf("our own audience: %v", err)
	}
	s.clock.Add(int64(time.Hour))
	_, _, _, err := s.CreateToken(t.Context(), &Call{}, late)
	s.refuses("INVALID_ASSERTION", err)
}

// Row 1.4/12 and restriction 1.5.6: tokenCreator impersonates, and the token says
// who does.
func TestCreateTokenFor_Row12NeedsTokenCreator(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder(), "viewer")
	on := Resource{ServiceAccountKind, a.ID}
	creator, user := s.newAccount("creator", s.folder()), s.newAccount("user", s.folder())
	s.give("iam.serviceAccounts.tokenCreator", creator, on)
	s.give("iam.serviceAccounts.user", user, on)
	_, _, _, err := s.CreateTokenFor(t.Context(), s.as(user), a.ID)
	if e := s.refuses("PERMISSION_DENIED", err); e.Metadata["permission"] != "iam.serviceAccounts.createToken" {
		t.Error(e)
	}
	token, _, consistency, err := s.CreateTokenFor(t.Context(), s.as(creator), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	who, err := s.Authenticate(t.Context(), token, authz.Consistency{Level: authz.AtLeast, Token: consistency})
	if err != nil || who.Subject != a || who.Impersonator != creator {
		t.Error(who, err)
	}
	if _, err := s.Folder(t.Context(), &Call{Token: token}, s.FolderID); err != nil {
		t.Error(err)
	}
	_, _, _, err = s.CreateTokenFor(t.Context(), s.owner, "none")
	s.refuses("RESOURCE_NOT_FOUND", err)
	_, _, _, err = s.CreateTokenFor(t.Context(), &Call{}, a.ID)
	s.refuses("NO_TOKEN", err)
}

func TestCreateTokenFor_DoesNotOutliveTheImpersonator(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder())
	until := s.clock.Load()/1e9 + 12*3600
	s.clock.Add(int64(7 * time.Hour))
	token, expiresAt, _, err := s.CreateTokenFor(t.Context(), s.owner, a.ID)
	if err != nil || expiresAt != until {
		t.Fatal(expiresAt, until, err)
	}
	// An impersonated caller does not go on to others, even where he might.
	b := s.newAccount("b", s.folder())
	s.give("iam.serviceAccounts.tokenCreator", a, Resource{ServiceAccountKind, b.ID})
	_, _, _, err = s.CreateTokenFor(t.Context(), &Call{Token: token}, b.ID)
	s.refuses("IMPERSONATION_CHAIN", err)
}

// An impersonated token ends with who impersonates: his key, his account.
func TestCreateTokenFor_EndsWithTheImpersonator(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder(), "viewer")
	for name, end := range map[string]func(who Subject, k *Key){
		"suspended": func(who Subject, _ *Key) { s.done(s.SuspendAccount(t.Context(), s.owner, who.ID)) },
		"deleted":   func(who Subject, _ *Key) { s.done(s.DeleteAccount(t.Context(), s.owner, who.ID)) },
		"no-key":    func(_ Subject, k *Key) { s.done(s.DeleteKey(t.Context(), s.owner, k.ID)) },
	} {
		who := s.newAccount(name, s.folder())
		s.give("iam.serviceAccounts.tokenCreator", who, Resource{ServiceAccountKind, a.ID})
		k, err := s.AddKey(t.Context(), s.owner, who.ID, "", otherKeys().public)
		if err != nil {
			t.Fatal(err)
		}
		token, _, _, err := s.CreateTokenFor(t.Context(), s.withKey(k.ID, who.ID, otherKeys()), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Folder(t.Context(), &Call{Token: token}, s.FolderID); err != nil {
			t.Error(err)
		}
		end(who, k)
		if _, err := s.Folder(t.Context(), &Call{Token: token}, s.FolderID); err == nil {
			t.Errorf("%s: the token holds", name)
		}
	}
}

func TestRevokeToken_EndsItForGood(t *testing.T) {
	s := newSite(t)
	token := s.owner.Token
	of, consistency, err := s.RevokeToken(t.Context(), &Call{}, token)
	if err != nil || of != s.root() || consistency == "" {
		t.Fatal(of, err)
	}
	_, err = s.Folder(t.Context(), s.owner, s.FolderID)
	s.refuses("TOKEN_REVOKED", err)
	_, err = s.CreateFolder(t.Context(), s.owner, s.CloudID, About{Name: "f"})
	s.refuses("TOKEN_REVOKED", err)
	for range 2 {
		if _, _, err := s.RevokeToken(t.Context(), &Call{}, token); err != nil {
			t.Error(err)
		}
	}
	s.renew()
	for _, bad := range []string{"", "t1.x.y", s.owner.Token[:20], s.owner.Token + "A"} {
		_, _, err := s.RevokeToken(t.Context(), s.owner, bad)
		s.refuses("INVALID_FIELD", err)
	}
	if _, err := s.Folder(t.Context(), s.owner, s.FolderID); err != nil {
		t.Error(err)
	}
}

// A revocation is forgotten when the token would have expired anyway.
func TestRevokeToken_IsForgottenAfterTheTokensLife(t *testing.T) {
	s := newSite(t)
	v := s.now()
	ring, err := s.keyring(v)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := s.tokens.Verify(s.owner.Token, ring.public)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.RevokeToken(t.Context(), s.owner, s.owner.Token); err != nil {
		t.Fatal(err)
	}
	s.pass(12 * time.Hour)
	if _, ok := s.now().Record(revokedKey(claims.ID)); !ok {
		t.Error("forgotten too early")
	}
	s.pass(3 * time.Hour)
	if _, ok := s.now().Record(revokedKey(claims.ID)); ok {
		t.Error("never forgotten")
	}
	_, err = s.Folder(t.Context(), s.owner, s.FolderID)
	s.refuses("TOKEN_EXPIRED", err)
}
