package iam

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Row 1.4/2: user data takes only authentication, get and getByLogin.
func TestUser_Row2OnlyAuthentication(t *testing.T) {
	s := newSite(t)
	ann := s.newUser("ann@example.com")
	nobody := s.as(s.newAccount("nobody", s.folder()))
	u, err := s.User(t.Context(), nobody, ann.ID)
	if err != nil || u.Login != "ann@example.com" || u.Subject() != ann {
		t.Fatal(u, err)
	}
	same, err := s.UserByLogin(t.Context(), nobody, "ann@example.com")
	if diff := cmp.Diff(u, same); diff != "" || err != nil {
		t.Error(diff, err)
	}
	_, err = s.User(t.Context(), &Call{}, ann.ID)
	s.refuses("NO_TOKEN", err)
	_, err = s.UserByLogin(t.Context(), nobody, "bob")
	s.refuses("RESOURCE_NOT_FOUND", err)
}

func TestAddUser_ChecksWhatItIsTold(t *testing.T) {
	s := newSite(t)
	s.newUser("ann")
	for _, u := range []User{
		{}, {Type: ServiceAccount, Login: "a"}, {Type: UserAccount}, {Type: UserAccount, Login: "a\nb"}, {Type: UserAccount, Login: "a", FederationID: "f"},
		{Type: FederatedUser, Login: "a"}, {Type: UserAccount, Login: "a", ID: "aje"},
	} {
		_, err := s.AddUser(t.Context(), s.owner, s.OrganizationID, u)
		s.refuses("INVALID_FIELD", err)
	}
	_, err := s.AddUser(t.Context(), s.owner, s.OrganizationID, User{Type: UserAccount, Login: "ann"})
	s.refuses("RESOURCE_EXISTS", err)
	for _, f := range []string{"fed1", "fed2"} {
		s.done(s.AddUser(t.Context(), s.owner, s.OrganizationID, User{Type: FederatedUser, Login: "ann", FederationID: f}))
	}
	nobody := s.as(s.newAccount("nobody", s.folder()))
	_, err = s.AddUser(t.Context(), nobody, s.OrganizationID, User{Type: UserAccount, Login: "bob"})
	s.refuses("PERMISSION_DENIED", err)
	if all, _, err := s.Users(t.Context(), s.owner, s.OrganizationID, Page{}); err != nil || len(all) != 3 {
		t.Error(all, err)
	}
	_, _, err = s.Users(t.Context(), nobody, s.OrganizationID, Page{})
	s.refuses("PERMISSION_DENIED", err)
}

// Table 1.1: membership of system groups is implied.
func TestUser_IsInTheSystemGroupsOfItsOrganizationAndFederation(t *testing.T) {
	s := newSite(t)
	ann := s.newUser("ann")
	fed := s.done(s.AddUser(t.Context(), s.owner, s.OrganizationID, User{Type: FederatedUser, Login: "fred", FederationID: "f1"})).User.Subject()
	account := s.newAccount("a", s.folder())
	s.give("viewer", Subject{System, "group:organization:" + s.OrganizationID + ":users"}, s.folder())
	for who, want := range map[Subject]bool{ann: true, fed: true, account: false} {
		if got := s.can(who, "compute.instances.get", s.folder()); got != want {
			t.Errorf("%s: %v", who, got)
		}
	}
	s.done(s.RemoveUser(t.Context(), s.owner, s.OrganizationID, ann.ID))
	_, _, err := s.read(t.Context(), s.as(ann))
	s.refuses("ACCOUNT_DELETED", err)
}

func TestRemoveUser_TakesBindingsAndMemberships(t *testing.T) {
	s := newSite(t)
	ann := s.newUser("ann")
	s.newGroup("crew", ann)
	s.give("viewer", ann, s.folder())
	nobody := s.as(s.newAccount("nobody", s.folder()))
	_, err := s.RemoveUser(t.Context(), nobody, s.OrganizationID, ann.ID)
	s.refuses("PERMISSION_DENIED", err)
	s.done(s.RemoveUser(t.Context(), s.owner, s.OrganizationID, ann.ID))
	if left := s.traces(ann.ID); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	_, err = s.RemoveUser(t.Context(), s.owner, s.OrganizationID, ann.ID)
	s.refuses("RESOURCE_NOT_FOUND", err)
	s.newUser("ann")
}

// Restriction 1.5.2: owners are removed by owners, and never the last one.
func TestRemoveUser_KeepsOwners(t *testing.T) {
	s := newSite(t)
	ann := s.newUser("ann")
	s.give(OrganizationOwner, ann, s.organization())
	admin := s.newAccount("admin", s.folder())
	s.give("organization-manager.admin", admin, s.organization())
	_, err := s.RemoveUser(t.Context(), s.as(admin), s.OrganizationID, ann.ID)
	if e := s.refuses("PERMISSION_DENIED", err); e.Metadata["permission"] != OrganizationOwner {
		t.Error(e)
	}
	bob := s.newUser("bob")
	s.done(s.UpdateBindings(t.Context(), s.owner, s.organization(), []BindingDelta{{Remove: true, Binding: Binding{OrganizationOwner, s.root()}}}))
	_, err = s.RemoveUser(t.Context(), s.as(ann), s.OrganizationID, ann.ID)
	s.refuses("LAST_OWNER", err)
	s.done(s.UpdateBindings(t.Context(), s.as(ann), s.organization(), []BindingDelta{{Binding: Binding{OrganizationOwner, bob}}}))
	s.done(s.RemoveUser(t.Context(), s.as(ann), s.OrganizationID, ann.ID))
}

// Else one organization could make itself users who have what another has granted
// to its federation.
func TestAddUser_FederationsAreOfOneOrganization(t *testing.T) {
	w := newTown(t, false)
	other := w.addOrganization("other")
	w.grant(OrganizationOwner, w.admin, other)
	w.commit(false)
	u := User{Type: FederatedUser, Login: "ann", FederationID: "fed"}
	if _, err := w.AddUser(t.Context(), w.as(w.boss), "org", u); err != nil {
		t.Fatal(err)
	}
	u.Login = "bob"
	_, err := w.AddUser(t.Context(), w.as(w.admin), "other", u)
	w.refused(err, "INVALID_FIELD")
	_, err = w.AddUser(t.Context(), w.as(w.boss), "org", u)
	w.refused(err, "")
}
