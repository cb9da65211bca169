package iam

import (
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
