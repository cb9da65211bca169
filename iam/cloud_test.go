package iam

import (
	"fmt"
	"testing"
	"time"
)

func TestCreateCloud_MakesItsMakerTheOwner(t *testing.T) {
	s := newSite(t)
	who := s.newAccount("maker", s.folder())
	s.give("editor", who, s.organization())
	c := s.done(s.CreateCloud(t.Context(), s.as(who), s.OrganizationID, About{Name: "new"})).Resource
	if !s.can(who, CloudOwner, c) || !s.can(who, "resource-manager.clouds.delete", c) || s.can(who, CloudOwner, s.cloud()) {
		t.Error("wrong owner")
	}
}

// Resource Manager's page: later clouds take editor or resource-manager.editor on
// the organization, the first one only authentication.
func TestCreateCloud_TheFirstOneNeedsOnlyAUser(t *testing.T) {
	s := newSite(t)
	ann, bob := s.newUser("ann"), s.newUser("bob")
	stranger := s.newAccount("stranger", s.folder())
	_, err := s.CreateCloud(t.Context(), s.as(ann), s.OrganizationID, About{Name: "ann"})
	s.refuses("PERMISSION_DENIED", err)
	s.give(OrganizationOwner, bob, s.organization())
	s.done(s.DeleteCloud(t.Context(), s.owner, s.CloudID, 1))
	s.owner = s.as(bob)
	other := s.done(s.CreateCloud(t.Context(), s.as(bob), s.OrganizationID, About{Name: "bob"})).Resource
	s.done(s.DeleteCloud(t.Context(), s.as(bob), other.ID, 1))
	_, err = s.CreateCloud(t.Context(), s.as(stranger), s.OrganizationID, About{Name: "first"})
	s.refuses("ACCOUNT_DELETED", err)
	c := s.done(s.CreateCloud(t.Context(), s.as(ann), s.OrganizationID, About{Name: "first"})).Resource
	if !s.can(ann, CloudOwner, c) {
		t.Error("not its owner")
	}
	_, err = s.CreateCloud(t.Context(), s.as(ann), s.OrganizationID, About{Name: "second"})
	s.refuses("PERMISSION_DENIED", err)
	_, err = s.CreateCloud(t.Context(), s.as(bob), "none", About{Name: "second"})
	s.refuses("RESOURCE_NOT_FOUND", err)
}

func TestClouds_ShowsThoseThatTheCallerMayGet(t *testing.T) {
	s := newSite(t)
	who := s.newAccount("some", s.folder())
	var mine []string
	for i := range 6 {
		c := s.done(s.CreateCloud(t.Context(), s.owner, s.OrganizationID, About{Name: fmt.Sprint("c", i)})).Resource
		if i%2 == 0 {
			s.give("viewer", who, c)
			mine = append(mine, c.ID)
		}
	}
	var got []string
	p := Page{Size: 2}
	for {
		page, next, err := s.Clouds(t.Context(), s.as(who), "", "", p)
		if err != nil || len(page) > 2 {
			t.Fatal(page, err)
		}
		for _, c := range page {
			got = append(got, c.ID)
		}
		if p.Token = next; next == "" {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(mine) {
		t.Errorf("%v, want %v", got, mine)
	}
	if all, _, err := s.Clouds(t.Context(), s.owner, s.OrganizationID, "", Page{}); err != nil || len(all) != 7 {
		t.Error(len(all), err)
	}
	if none, _, err := s.Clouds(t.Context(), s.as(who), s.OrganizationID, "c1", Page{}); err != nil || len(none) != 0 {
		t.Error(none, err)
	}
}

func TestUpdateCloud_NeedsEditor(t *testing.T) {
	s := newSite(t)
	viewer, editor := s.newAccount("viewer", s.folder()), s.newAccount("editor", s.folder())
	s.give("resource-manager.viewer", viewer, s.cloud())
	s.give("resource-manager.editor", editor, s.cloud())
	u := CloudUpdate{ID: s.CloudID, About: About{Description: "new"}, Fields: []string{FieldDescription}}
	_, err := s.UpdateCloud(t.Context(), s.as(viewer), u)
	s.refuses("PERMISSION_DENIED", err)
	if op := s.done(s.UpdateCloud(t.Context(), s.as(editor), u)); op.Cloud.Description != "new" || op.Cloud.Name != "default" {
		t.Errorf("%+v", op.Cloud)
	}
}

// Resource Manager's page: to delete a cloud takes resource-manager.clouds.owner.
func TestDeleteCloud_NeedsItsOwner(t *testing.T) {
	s := newSite(t)
	c := s.done(s.CreateCloud(t.Context(), s.owner, s.OrganizationID, About{Name: "c"})).Resource
	admin, lord := s.newAccount("admin", s.folder()), s.newAccount("lord", s.folder())
	s.give("admin", admin, s.organization())
	s.give(CloudOwner, lord, c)
	_, err := s.DeleteCloud(t.Context(), s.as(admin), c.ID, 1)
	s.refuses("PERMISSION_DENIED", err)
	s.done(s.DeleteCloud(t.Context(), s.as(lord), c.ID, 1))
	_, err = s.Cloud(t.Context(), s.owner, c.ID)
	s.refuses("RESOURCE_NOT_FOUND", err)
}

func TestDeleteCloud_TakesItsFoldersAndOwners(t *testing.T) {
	old := sweepTuples
	sweepTuples = 9
	defer func() { sweepTuples = old }()
	s := newSite(t)
	c := s.done(s.CreateCloud(t.Context(), s.owner, s.OrganizationID, About{Name: "c"})).Resource
	f := s.done(s.CreateFolder(t.Context(), s.owner, c.ID, About{Name: "f"})).Resource
	lord := s.newAccount("lord", f)
	s.give(CloudOwner, lord, c)
	s.done(s.UpdateBindings(t.Context(), s.as(lord), c, []BindingDelta{{Remove: true, Binding: Binding{CloudOwner, s.root()}}}))
	op, err := s.DeleteCloud(t.Context(), s.owner, c.ID, 0)
	if err != nil || op.Done {
		t.Fatal(op, err)
	}
	_, err = s.CreateFolder(t.Context(), s.owner, c.ID, About{Name: "late"})
	s.refuses("BEING_DELETED", err)
	_, err = s.CreateAccount(t.Context(), s.owner, f.ID, About{Name: "late"}, 0)
	s.refuses("BEING_DELETED", err)
	s.pass(24 * time.Hour)
	if left := s.traces(c.ID, f.ID, lord.ID); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
