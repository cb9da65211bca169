package iam

import "testing"

func TestUpdateOrganization_NeedsItsEditor(t *testing.T) {
	s := newSite(t)
	viewer := s.newAccount("viewer", s.folder())
	s.give("organization-manager.viewer", viewer, s.organization())
	u := OrganizationUpdate{ID: s.OrganizationID, About: About{Description: "no"}, Title: "All of us", Fields: []string{FieldTitle}}
	_, err := s.UpdateOrganization(t.Context(), s.as(viewer), u)
	s.refuses("PERMISSION_DENIED", err)
	s.done(s.UpdateOrganization(t.Context(), s.owner, u))
	o, err := s.Organization(t.Context(), s.as(viewer), s.OrganizationID)
	if err != nil || o.Title != "All of us" || o.Description != "" || o.Name != "default" {
		t.Error(o, err)
	}
	_, err = s.UpdateOrganization(t.Context(), s.owner, OrganizationUpdate{ID: "none"})
	s.refuses("RESOURCE_NOT_FOUND", err)
}

func TestOrganizations_ShowsThoseThatTheCallerMayGet(t *testing.T) {
	s := newSite(t)
	nobody := s.newAccount("nobody", s.folder())
	if l, _, err := s.Organizations(t.Context(), s.owner, "", Page{}); err != nil || len(l) != 1 || l[0].ID != s.OrganizationID {
		t.Error(l, err)
	}
	if l, _, err := s.Organizations(t.Context(), s.as(nobody), "", Page{}); err != nil || len(l) != 0 {
		t.Error(l, err)
	}
}

// Rows 1.4/3 to 1.4/5: what it takes to see an account, a folder, a cloud.
func TestGet_Rows3To5NeedReadersOfTheResource(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder())
	on := Resource{ServiceAccountKind, a.ID}
	for i, x := range []struct {
		role                   string
		where                  Resource
		account, folder, cloud bool
	}{
		{"iam.serviceAccounts.user", on, true, false, false},
		{"viewer", on, true, false, false},
		{"iam.auditor", s.folder(), true, true, false},
		{"iam.auditor", s.cloud(), true, true, true},
		{"kms.viewer", s.cloud(), false, false, false},
	} {
		who := s.newAccount("w"+string(rune('a'+i)), s.folder())
		s.give(x.role, who, x.where)
		call := s.as(who)
		for what, got := range map[string][2]any{
			"account": {second(s.Account(t.Context(), call, a.ID)), x.account},
			"folder":  {second(s.Folder(t.Context(), call, s.FolderID)), x.folder},
			"cloud":   {second(s.Cloud(t.Context(), call, s.CloudID)), x.cloud},
		} {
			if (got[0] == nil) != got[1].(bool) {
				t.Errorf("%s on %s: %s: %v", x.role, x.where, what, got[0])
			}
		}
	}
}
