package iam

import (
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
)

func TestFound_MakesTheFirstOfEverything(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	o, err := s.Organization(ctx, s.owner, s.OrganizationID)
	if err != nil || o.Name != "default" {
		t.Fatal(o, err)
	}
	c, err := s.Cloud(ctx, s.owner, s.CloudID)
	if err != nil || c.OrganizationID != o.ID {
		t.Fatal(c, err)
	}
	f, err := s.Folder(ctx, s.owner, s.FolderID)
	if err != nil || f.CloudID != c.ID {
		t.Fatal(f, err)
	}
	keys, _, err := s.Keys(ctx, s.owner, "", Page{})
	if err != nil || len(keys) != 1 || keys[0].ID != s.KeyID || keys[0].AccountID != s.AccountID {
		t.Fatal(keys, err)
	}
	for _, role := range []string{"organization-manager.organizations.owner", "resource-manager.clouds.owner"} {
		if on := map[bool]Resource{true: s.cloud(), false: s.organization()}[role == CloudOwner]; !s.can(s.root(), role, on) {
			t.Errorf("the account lacks %s on %s", role, on)
		}
	}
}

func TestFound_ASecondTimeSaysSo(t *testing.T) {
	s := newSite(t)
	again := func(public string) *Error {
		_, err := s.Found(t.Context(), authz.Caller{}, FoundRequest{PublicPEM: public})
		e := s.refuses("ALREADY_INITIALIZED", err)
		if e.Code != authz.FailedPrecondition {
			t.Error(e.Code)
		}
		return e
	}
	if e := again(otherKeys().public); len(e.Metadata) > 0 {
		t.Errorf("a stranger learns %v", e.Metadata)
	}
	if e := again(rootKeys().public); e.Metadata["service_account_id"] != s.AccountID || e.Metadata["key_id"] != s.KeyID {
		t.Errorf("whoever has the key learns %v", e.Metadata)
	}
}

// A process may end after each of the commands.
func TestFound_GoesOnAfterACrash(t *testing.T) {
	for name, before := range map[string]func(s *site){
		"tenant": func(s *site) {},
		"tenant and schema": func(s *site) {
			v, err := s.layer.View(t.Context(), authz.Consistency{Level: authz.Latest})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.foundSchema(t.Context(), authz.Caller{}, &v); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newEmptySite(t)
			if err := s.layer.Found(t.Context(), authz.Caller{}); err != nil {
				t.Fatal(err)
			}
			before(s)
			if _, _, err := s.read(t.Context(), &Call{Token: "t1.a.b"}); err == nil {
				t.Fatal("it works before there is anybody")
			}
			s.found()
			if _, err := s.Folder(t.Context(), s.owner, s.FolderID); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFound_RefusesBadNamesAndKeys(t *testing.T) {
	s := newEmptySite(t)
	_, err := s.Found(t.Context(), authz.Caller{}, FoundRequest{PublicPEM: "no"})
	s.refuses("INVALID_FIELD", err)
	_, err = s.Found(t.Context(), authz.Caller{}, FoundRequest{PublicPEM: rootKeys().public, CloudName: "Bad Name"})
	s.refuses("INVALID_FIELD", err)
}

func TestEverything_NeedsToBeFounded(t *testing.T) {
	s := newEmptySite(t)
	_, err := s.Folder(t.Context(), &Call{}, "x")
	s.refuses("IAM_NOT_INITIALIZED", err)
	_, err = s.CreateFolder(t.Context(), &Call{}, "x", About{Name: "x"})
	s.refuses("IAM_NOT_INITIALIZED", err)
	_, _, _, err = s.CreateToken(t.Context(), &Call{}, "x")
	s.refuses("IAM_NOT_INITIALIZED", err)
	if err := s.clean(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.CheckMaster(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCheckMaster_RefusesAnotherKey(t *testing.T) {
	s := newSite(t)
	if err := s.CheckMaster(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := s.open(Config{Master: credential.NewMasterKey()})
	s.refuses("OTHER_MASTER_KEY", other.CheckMaster(t.Context()))
	_, err := other.Found(t.Context(), authz.Caller{}, FoundRequest{PublicPEM: rootKeys().public})
	s.refuses("OTHER_MASTER_KEY", err)
	if _, _, _, err := other.CreateToken(t.Context(), &Call{}, s.assertion(s.KeyID, s.AccountID, rootKeys())); err == nil {
		t.Error("it signs under another master key")
	}
}

func TestReseal_MovesTheSecretsToAnotherMasterKey(t *testing.T) {
	s := newSite(t)
	next := s.open(Config{Master: credential.NewMasterKey()})
	s.refuses("OTHER_MASTER_KEY", next.Reseal(t.Context(), credential.NewMasterKey()))
	for range 2 { // the second time it is done already
		if err := next.Reseal(t.Context(), s.config.Master); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.CheckMaster(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := next.Folder(t.Context(), s.owner, s.FolderID); err != nil {
		t.Errorf("a token from before: %v", err)
	}
	if _, _, _, err := next.CreateToken(t.Context(), &Call{}, s.assertion(s.KeyID, s.AccountID, rootKeys())); err != nil {
		t.Errorf("a new token: %v", err)
	}
	s.refuses("OTHER_MASTER_KEY", s.CheckMaster(t.Context()))
}

// A node that is not restarted in a rotation has the old master key only.
func TestReseal_LeavesANodeWithTheOldMasterKeyWhatItHasOpened(t *testing.T) {
	s := newSite(t)
	next := s.open(Config{Master: credential.NewMasterKey()})
	if err := next.Reseal(t.Context(), s.config.Master); err != nil {
		t.Fatal(err)
	}
	s.renew() // signed by what it has open
	s.refuses("OTHER_MASTER_KEY", s.CheckMaster(t.Context()))
	call := &Call{Token: s.owner.Token}
	if _, err := next.RotateSigningKey(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Folder(t.Context(), call, s.FolderID); err != nil {
		t.Errorf("it does not verify an old token: %v", err)
	}
	token, _, _, err := next.CreateToken(t.Context(), &Call{}, s.assertion(s.KeyID, s.AccountID, rootKeys()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Folder(t.Context(), &Call{Token: token}, s.FolderID); err != nil {
		t.Errorf("it does not verify a token of the new signing key: %v", err)
	}
	_, _, _, err = s.CreateToken(t.Context(), &Call{}, s.assertion(s.KeyID, s.AccountID, rootKeys()))
	e := s.refuses("OTHER_MASTER_KEY", err)
	for _, k := range []*credential.MasterKey{s.config.Master, next.config.Master} {
		if !strings.Contains(e.Message, k.Fingerprint()) {
			t.Errorf("%q does not name %s", e.Message, k.Fingerprint())
		}
	}
	_, err = s.RotateSigningKey(t.Context(), call)
	s.refuses("OTHER_MASTER_KEY", err)
}

func TestCheckMaster_AcceptsEitherOfTwoKeys(t *testing.T) {
	s := newSite(t)
	second := credential.NewMasterKey()
	before := s.open(Config{Master: s.config.Master, Old: second})
	after := s.open(Config{Master: second, Old: s.config.Master})
	works := func(when string) {
		for name, n := range map[string]*Service{"prepared": before, "moved": after} {
			if err := n.CheckMaster(t.Context()); err != nil {
				t.Errorf("%s, %s: %v", when, name, err)
			}
			op, err := n.RotateSigningKey(t.Context(), s.owner)
			if err != nil || !op.Done {
				t.Errorf("%s, %s: %v", when, name, err)
			}
		}
	}
	if err := before.Reseal(t.Context(), second); err != nil { // what a start of a prepared node does
		t.Fatal(err)
	}
	works("sealed under the old one")
	if err := after.Reseal(t.Context(), s.config.Master); err != nil {
		t.Fatal(err)
	}
	works("sealed under the new one")
	alone := s.open(Config{Master: second})
	if err := alone.CheckMaster(t.Context()); err != nil {
		t.Errorf("in the end: %v", err)
	}
	if _, err := s.keyring(s.now()); err != nil {
		t.Errorf("the node of the old one: %v", err)
	}
}

func TestAbandonMaster_VoidsAllTokensAndNothingElse(t *testing.T) {
	s := newSite(t)
	lost := s.config.Master.Fingerprint()
	next := s.open(Config{Master: credential.NewMasterKey()})
	s.refuses("OTHER_MASTER_KEY", next.AbandonMaster(t.Context(), credential.NewMasterKey().Fingerprint()))
	for range 2 { // the second time it is done already
		if err := next.AbandonMaster(t.Context(), lost); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.CheckMaster(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Service{next, s.Service} { // also a node that has the old one still
		_, err := n.Folder(t.Context(), &Call{Token: s.owner.Token}, s.FolderID)
		s.refuses("INVALID_TOKEN", err)
	}
	token, _, _, err := next.CreateToken(t.Context(), &Call{}, s.assertion(s.KeyID, s.AccountID, rootKeys()))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Service{next, s.Service} {
		if _, err := n.Folder(t.Context(), &Call{Token: token}, s.FolderID); err != nil {
			t.Error(err)
		}
	}
	s.refuses("OTHER_MASTER_KEY", s.AbandonMaster(t.Context(), lost)) // a node that is started as it was
}
