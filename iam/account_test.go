package iam

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// Row 1.4/6: to create an account takes iam.serviceAccounts.admin on the folder.
func TestCreateAccount_Row6NeedsAdminOfAccounts(t *testing.T) {
	s := newSite(t)
	for role, allowed := range map[string]bool{"iam.serviceAccounts.admin": true, "editor": true, "iam.serviceAccounts.user": false, "viewer": false, "iam.serviceAccounts.keyAdmin": false} {
		f := s.newFolder(strings.ToLower("f-" + strings.ReplaceAll(role, ".", "-")))
		who := s.newAccount("a", f, role)
		_, err := s.CreateAccount(t.Context(), s.as(who), f.ID, About{Name: "new-" + f.ID}, 0)
		if allowed != (err == nil) {
			t.Errorf("%s: %v", role, err)
		}
		s.done(s.DeleteAccount(t.Context(), s.owner, who.ID))
	}
}

// Row 1.4/7: to update or delete one takes editor on the account.
func TestUpdateAccount_Row7NeedsEditorOfTheAccount(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder())
	on := Resource{ServiceAccountKind, a.ID}
	user, editor := s.newAccount("user", s.folder()), s.newAccount("editor", s.folder())
	s.give("iam.serviceAccounts.user", user, on)
	s.give("editor", editor, on)
	u := AccountUpdate{ID: a.ID, About: About{Name: "b"}, Fields: []string{FieldName}}
	for _, err := range []error{
		second(s.UpdateAccount(t.Context(), s.as(user), u)), second(s.DeleteAccount(t.Context(), s.as(user), a.ID)),
		second(s.SuspendAccount(t.Context(), s.as(user), a.ID)),
	} {
		s.refuses("PERMISSION_DENIED", err)
	}
	if op := s.done(s.UpdateAccount(t.Context(), s.as(editor), u)); op.Account.Name != "b" {
		t.Error(op.Account)
	}
	s.done(s.DeleteAccount(t.Context(), s.as(editor), a.ID))
}

// Limits of the protos: a name of an account is unique in its cloud.
func TestCreateAccount_NamesAreUniqueInACloud(t *testing.T) {
	s := newSite(t)
	s.newAccount("a", s.folder())
	f := s.newFolder("f")
	_, err := s.CreateAccount(t.Context(), s.owner, f.ID, About{Name: "a"}, 0)
	s.refuses("RESOURCE_EXISTS", err)
	_, err = s.CreateAccount(t.Context(), s.owner, "none", About{Name: "b"}, 0)
	s.refuses("RESOURCE_NOT_FOUND", err)
}

// Restriction 1.5.11: suspended accounts cannot authenticate; their data stay.
func TestSuspendAccount_EndsAuthentication(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder(), "viewer")
	k, err := s.AddKey(t.Context(), s.owner, a.ID, "", otherKeys().public)
	if err != nil {
		t.Fatal(err)
	}
	call := s.withKey(k.ID, a.ID, otherKeys())
	s.done(s.SuspendAccount(t.Context(), s.owner, a.ID))
	_, err = s.Folder(t.Context(), call, s.FolderID)
	s.refuses("ACCOUNT_SUSPENDED", err)
	_, _, _, err = s.CreateToken(t.Context(), &Call{}, s.assertion(k.ID, a.ID, otherKeys()))
	s.refuses("ACCOUNT_SUSPENDED", err)
	_, _, _, err = s.CreateTokenFor(t.Context(), s.owner, a.ID)
	s.refuses("ACCOUNT_SUSPENDED", err)
	_, err = s.SuspendAccount(t.Context(), s.owner, a.ID)
	s.refuses("ACCOUNT_STATE", err)
	s.done(s.ReactivateAccount(t.Context(), s.owner, a.ID))
	if _, err := s.Folder(t.Context(), call, s.FolderID); err != nil {
		t.Error(err)
	}
}

// Restriction 1.5.11: an account may have an end.
func TestAccount_ExpiresWithItsTokens(t *testing.T) {
	s := newSite(t)
	op := s.done(s.CreateAccount(t.Context(), s.owner, s.FolderID, About{Name: "a"}, s.clock.Load()+int64(time.Hour)))
	who := Subject{ServiceAccount, op.Account.ID}
	k, err := s.AddKey(t.Context(), s.owner, who.ID, "", otherKeys().public)
	if err != nil {
		t.Fatal(err)
	}
	_, expiresAt, _, err := s.CreateToken(t.Context(), &Call{}, s.assertion(k.ID, who.ID, otherKeys()))
	if err != nil || expiresAt != op.Account.ExpiresAt/1e9 {
		t.Fatal(expiresAt, err)
	}
	s.clock.Add(int64(time.Hour))
	_, _, err = s.read(t.Context(), s.as(who))
	s.refuses("ACCOUNT_EXPIRED", err)
	_, _, _, err = s.CreateToken(t.Context(), &Call{}, s.assertion(k.ID, who.ID, otherKeys()))
	s.refuses("ACCOUNT_EXPIRED", err)
	_, err = s.CreateAccount(t.Context(), s.owner, s.FolderID, About{Name: "b"}, s.clock.Load())
	s.refuses("INVALID_FIELD", err)
	s.done(s.UpdateAccount(t.Context(), s.owner, AccountUpdate{ID: who.ID, ExpiresAt: 0, Fields: []string{FieldExpiresAt}}))
	if _, _, err = s.read(t.Context(), s.as(who)); err != nil {
		t.Error(err)
	}
}

// Restriction 1.5.7: keys die with their account, and so does all that names it.
func TestDeleteAccount_TakesEverythingThatNamesIt(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder(), "viewer")
	k, err := s.AddKey(t.Context(), s.owner, a.ID, "", otherKeys().public)
	if err != nil {
		t.Fatal(err)
	}
	s.newGroup("crew", a)
	s.give("viewer", a, Resource{ServiceAccountKind, a.ID})
	call := s.withKey(k.ID, a.ID, otherKeys())
	s.done(s.DeleteAccount(t.Context(), s.owner, a.ID))
	if left := s.traces(a.ID, k.ID); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	_, err = s.Folder(t.Context(), call, s.FolderID)
	s.refuses("ACCOUNT_DELETED", err)
	_, err = s.Key(t.Context(), s.owner, k.ID)
	s.refuses("RESOURCE_NOT_FOUND", err)
	_, _, _, err = s.CreateToken(t.Context(), &Call{}, s.assertion(k.ID, a.ID, otherKeys()))
	s.refuses("INVALID_ASSERTION", err)
	s.newAccount("a", s.folder())
}

// What one command cannot hold, others remove; a node may end in between.
func TestDeleteAccount_LargerThanACommand(t *testing.T) {
	old := sweepTuples
	sweepTuples = 4
	defer func() { sweepTuples = old }()
	s := newSite(t)
	a := s.newAccount("a", s.folder(), "viewer", "editor", "compute.admin", "compute.viewer", "kms.admin")
	op := s.done(s.DeleteAccount(t.Context(), s.owner, a.ID))
	if left := s.traces(a.ID); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if op, err := s.Operation(t.Context(), s.owner, op.ID); err != nil || !op.Done {
		t.Error(op, err)
	}
}

// Restriction 1.5.2: a cloud keeps an owner.
func TestDeleteAccount_KeepsOwners(t *testing.T) {
	s := newSite(t)
	_, err := s.DeleteAccount(t.Context(), s.owner, s.AccountID)
	s.refuses("LAST_OWNER", err)
	admin := s.newAccount("admin", s.folder())
	s.give("admin", admin, s.organization())
	heir := s.newAccount("heir", s.folder())
	s.give(CloudOwner, heir, s.cloud())
	_, err = s.DeleteAccount(t.Context(), s.as(admin), heir.ID)
	if e := s.refuses("PERMISSION_DENIED", err); e.Metadata["permission"] != CloudOwner {
		t.Error(e)
	}
	for _, err := range []error{
		second(s.SuspendAccount(t.Context(), s.as(admin), heir.ID)),
		second(s.UpdateAccount(t.Context(), s.as(admin), AccountUpdate{ID: heir.ID, ExpiresAt: s.clock.Load() + 1, Fields: []string{FieldExpiresAt}})),
	} {
		s.refuses("PERMISSION_DENIED", err)
	}
	_, err = s.SuspendAccount(t.Context(), s.owner, s.AccountID)
	s.refuses("LAST_OWNER", err)
	s.done(s.DeleteAccount(t.Context(), s.owner, heir.ID))
}

func TestAccounts_ComeByName(t *testing.T) {
	s := newSite(t)
	f := s.newFolder("f")
	for _, name := range []string{"b", "a", "c"} {
		s.newAccount(name, f)
	}
	var names []string
	all, _, err := s.Accounts(t.Context(), s.owner, f.ID, "", Page{})
	for _, a := range all {
		names = append(names, a.Name)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// A retry with the same key has the effect once, and with another request none.
func TestChange_IdempotencyKey(t *testing.T) {
	s := newSite(t)
	call := *s.owner
	call.Idempotency, call.Request = "k1", [32]byte{1}
	first := s.done(s.CreateAccount(t.Context(), &call, s.FolderID, About{Name: "a"}, 0))
	again := s.done(s.CreateAccount(t.Context(), &call, s.FolderID, About{Name: "a"}, 0))
	if first.ID != again.ID || first.Account.ID != again.Account.ID {
		t.Errorf("%s, %s", first.ID, again.ID)
	}
	call.Request = [32]byte{2}
	_, err := s.CreateAccount(t.Context(), &call, s.FolderID, About{Name: "b"}, 0)
	s.refuses("IDEMPOTENCY_KEY_REUSED", err)
	other := s.newAccount("other", s.folder(), "editor")
	theirs := *s.as(other)
	theirs.Idempotency, theirs.Request = "k1", [32]byte{2}
	s.done(s.CreateAccount(t.Context(), &theirs, s.FolderID, About{Name: "c"}, 0))
	s.pass(26 * time.Hour)
	s.renew()
	call.Token = s.owner.Token
	s.done(s.CreateAccount(t.Context(), &call, s.FolderID, About{Name: "d"}, 0))
}

func TestOperation_IsShownToItsMakerAndToWhoMaySeeTheResource(t *testing.T) {
	s := newSite(t)
	op := s.done(s.CreateFolder(t.Context(), s.owner, s.CloudID, About{Name: "f"}))
	viewer, nobody := s.newAccount("viewer", op.Resource, "viewer"), s.newAccount("nobody", s.folder())
	for _, call := range []*Call{s.owner, s.as(viewer)} {
		got, err := s.Operation(t.Context(), call, op.ID)
		if err != nil || got.Folder == nil || got.Kind != "CreateFolder" || got.CreatedBy != s.AccountID {
			t.Error(got, err)
		}
	}
	_, err := s.Operation(t.Context(), s.as(nobody), op.ID)
	s.refuses("PERMISSION_DENIED", err)
	_, err = s.Operation(t.Context(), s.owner, "none")
	s.refuses("OPERATION_NOT_FOUND", err)
	if l, _, err := s.Operations(t.Context(), s.as(viewer), op.Resource, Page{}); err != nil || len(l) != 2 || l[1].ID != op.ID {
		t.Error(l, err)
	}
	s.pass(15 * 24 * time.Hour)
	s.renew()
	_, err = s.Operation(t.Context(), s.owner, op.ID)
	s.refuses("OPERATION_NOT_FOUND", err)
	if l, _, err := s.Operations(t.Context(), s.owner, op.Resource, Page{}); err != nil || len(l) != 0 {
		t.Error(l, err)
	}
}

func TestDeleteAccount_TakesWhatServicesKeepInIt(t *testing.T) {
	s := newSite(t)
	robot := s.newAccount("robot", s.folder())
	in, key := Resource{ServiceAccountKind, robot.ID}, Resource{"iam.apiKey", "k1"}
	s.done(s.Register(t.Context(), s.owner, key, in, ""))
	s.give("viewer", robot, key)
	s.done(s.DeleteAccount(t.Context(), s.owner, robot.ID))
	for b := range s.now().Tuples(tuple.Filter{Type: resourceType, ID: key.String()}) {
		t.Errorf("left: %v", b)
	}
}
