package iam

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (w *town) role(by Subject, name string, permissions ...string) (*Role, error) {
	w.t.Helper()
	op, err := w.CreateRole(w.t.Context(), w.as(by), w.org.ID, name, "", permissions)
	if err != nil {
		return nil, err
	}
	return op.Role, nil
}

func TestCreateRole_GrantsItsPermissionsAndNoMore(t *testing.T) {
	w := newTown(t, false)
	r, err := w.role(w.boss, "starter", "compute.instances.start", "compute.instances.stop", "compute.instances.start")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"compute.instances.start", "compute.instances.stop"}, r.Permissions); diff != "" {
		t.Error(diff)
	}
	w.refused(w.update(w.admin, w.folder, plus(r.ID, w.nobody)), "")
	for permission, want := range map[string]bool{"compute.instances.start": true, "compute.instances.get": false, r.ID: true, "viewer": false} {
		if got := w.can(w.nobody, permission, w.folder); got != want {
			t.Errorf("%s: %v", permission, got)
		}
	}
}

// Restriction 1.5.3 for custom roles: made of what their author holds.
func TestCreateRole_OnlyOfWhatItsAuthorHolds(t *testing.T) {
	w := newTown(t, false)
	author := w.addAccount("author", w.folder)
	w.commit(false)
	maker, err := w.role(w.boss, "role-maker", "iam.roles.create", "iam.roles.update", "compute.instances.start")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.role(author, "mine", "compute.instances.start")
	w.refused(err, "PERMISSION_DENIED")
	w.refused(w.update(w.boss, w.org, plus(maker.ID, author)), "")
	mine, err := w.role(author, "mine", "compute.instances.start")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.role(author, "more", "compute.instances.start", "compute.instances.delete")
	w.refused(err, "PERMISSION_DENIED")
	u := RoleUpdate{ID: mine.ID, Permissions: []string{"compute.instances.start", "compute.instances.delete"}, Fields: []string{FieldPermissions}}
	_, err = w.UpdateRole(t.Context(), w.as(author), u)
	w.refused(err, "PERMISSION_DENIED")
	_, err = w.UpdateRole(t.Context(), w.as(w.boss), u)
	w.refused(err, "")
	// What the role has got by now stays, though its author does not hold it.
	u.Description, u.Fields = "starts", append(u.Fields, FieldDescription)
	_, err = w.UpdateRole(t.Context(), w.as(author), u)
	w.refused(err, "")
	_, err = w.DeleteRole(t.Context(), w.as(author), mine.ID)
	w.refused(err, "PERMISSION_DENIED")

	// To hold it on a folder is not to hold it on the organization.
	w.refused(w.update(w.lord, w.folder, plus("admin", author)), "")
	_, err = w.role(author, "more", "compute.instances.delete")
	w.refused(err, "PERMISSION_DENIED")
}

func TestCreateRole_RefusesWhatIsNoRole(t *testing.T) {
	w := newTown(t, false)
	for _, permissions := range [][]string{nil, {"compute.instances.fly"}, {"viewer"}, {"parent"}, {"r.admin"}, make([]string, MaxRolePermissions+1)} {
		_, err := w.role(w.boss, "bad", permissions...)
		w.refused(err, "INVALID_FIELD")
	}
	_, err := w.role(w.boss, "Bad", "compute.instances.start")
	w.refused(err, "INVALID_FIELD")
	_, err = w.role(w.boss, "twice", "compute.instances.start")
	w.refused(err, "")
	_, err = w.role(w.boss, "twice", "compute.instances.start")
	w.refused(err, "RESOURCE_EXISTS")
}

func TestCreateRole_AnOrganizationHasSoMany(t *testing.T) {
	w := newTown(t, false)
	w.put(roleCountKey("org"), MaxCustomRoles-1)
	w.commit(false)
	r, err := w.role(w.boss, "last", "compute.instances.start")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.role(w.boss, "more", "compute.instances.start")
	w.refused(err, "TOO_MANY_ROLES")
	if _, err := w.DeleteRole(t.Context(), w.as(w.boss), r.ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.role(w.boss, "more", "compute.instances.start")
	w.refused(err, "")
}

func TestUpdateRole_CountsForAllWhoHaveIt(t *testing.T) {
	w := newTown(t, false)
	r, err := w.role(w.boss, "starter", "compute.instances.start")
	if err != nil {
		t.Fatal(err)
	}
	w.refused(w.update(w.admin, w.folder, plus(r.ID, w.nobody)), "")
	_, err = w.UpdateRole(t.Context(), w.as(w.boss), RoleUpdate{ID: r.ID, Name: "stopper", Permissions: []string{"compute.instances.stop"}, Fields: []string{FieldPermissions, FieldName}})
	w.refused(err, "")
	if w.can(w.nobody, "compute.instances.start", w.folder) || !w.can(w.nobody, "compute.instances.stop", w.folder) {
		t.Error("the change does not count")
	}
	if _, err = w.role(w.boss, "starter", "compute.instances.start"); err != nil {
		t.Error("the old name is taken:", err)
	}
}

func TestDeleteRole_WaitsUntilNobodyHasIt(t *testing.T) {
	w := newTown(t, false)
	r, err := w.role(w.boss, "starter", "compute.instances.start")
	if err != nil {
		t.Fatal(err)
	}
	w.refused(w.update(w.admin, w.folder, plus(r.ID, w.nobody)), "")
	_, err = w.DeleteRole(t.Context(), w.as(w.boss), r.ID)
	w.refused(err, "ROLE_IN_USE")
	w.refused(w.update(w.admin, w.folder, minus(r.ID, w.nobody)), "")
	_, err = w.DeleteRole(t.Context(), w.as(w.boss), r.ID)
	w.refused(err, "")
	_, err = w.Role(t.Context(), w.as(w.boss), r.ID)
	w.refused(err, "RESOURCE_NOT_FOUND")
	w.refused(w.update(w.admin, w.folder, plus(r.ID, w.nobody)), "ROLE_NOT_FOUND")
}

func TestCustomRole_IsOfOneOrganization(t *testing.T) {
	w := newTown(t, false)
	other := w.addOrganization("other")
	theirBoss := w.addUser(User{ID: "their-boss", Type: UserAccount, Organizations: []string{"other"}})
	w.grant(OrganizationOwner, theirBoss, other)
	w.commit(false)
	r, err := w.role(w.boss, "starter", "compute.instances.start")
	if err != nil {
		t.Fatal(err)
	}
	w.refused(w.update(theirBoss, other, plus(r.ID, theirBoss)), "ROLE_NOT_FOUND")
	_, err = w.Role(t.Context(), w.as(theirBoss), r.ID)
	w.refused(err, "RESOURCE_NOT_FOUND")
	_, err = w.UpdateRole(t.Context(), w.as(theirBoss), RoleUpdate{ID: r.ID, Description: "x", Fields: []string{FieldDescription}})
	w.refused(err, "PERMISSION_DENIED")
}

func TestRoles_ListsTheCatalogueAndOnesOwn(t *testing.T) {
	w := newTown(t, false)
	r, err := w.role(w.boss, "starter", "compute.instances.start")
	if err != nil {
		t.Fatal(err)
	}
	all := func(by Subject, f RoleFilter) []string {
		t.Helper()
		var ids []string
		for p := (Page{Size: 200}); ; {
			part, next, err := w.Roles(t.Context(), w.as(by), f, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, role := range part {
				ids = append(ids, role.ID)
			}
			if p.Token = next; next == "" {
				return ids
			}
		}
	}
	if ids := all(w.boss, RoleFilter{}); !slices.Contains(ids, r.ID) || !slices.Contains(ids, "viewer") || len(ids) < 600 {
		t.Error("the owner sees", len(ids))
	}
	if ids := all(w.nobody, RoleFilter{}); slices.Contains(ids, r.ID) || !slices.Contains(ids, "viewer") {
		t.Error("a stranger sees", len(ids))
	}
	if diff := cmp.Diff([]string{r.ID}, all(w.boss, RoleFilter{OrganizationID: "org"})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"compute.admin"}, all(w.boss, RoleFilter{Name: "compute.admin"})); diff != "" {
		t.Error(diff)
	}
	_, _, err = w.Roles(t.Context(), w.as(w.nobody), RoleFilter{OrganizationID: "org"}, Page{})
	w.refused(err, "PERMISSION_DENIED")
}

// One schema holds what all organizations have: who may make roles in one must
// not be able to make it larger than the engine takes.
func TestCreateRole_AllHaveSoManyPermissionsTakenTogether(t *testing.T) {
	w := newTown(t, false)
	w.put(grantCountKey, maxAllGrants-2)
	w.commit(false)
	r, err := w.role(w.boss, "last", "compute.instances.start")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.role(w.boss, "more", "compute.instances.start", "compute.instances.stop")
	w.refused(err, "TOO_MANY_GRANTS")
	u := RoleUpdate{ID: r.ID, Permissions: []string{"compute.instances.start", "compute.instances.stop", "compute.instances.get"}, Fields: []string{FieldPermissions}}
	_, err = w.UpdateRole(t.Context(), w.as(w.boss), u)
	w.refused(err, "TOO_MANY_GRANTS")
	u.Permissions = u.Permissions[:2]
	_, err = w.UpdateRole(t.Context(), w.as(w.boss), u)
	w.refused(err, "")
	_, err = w.role(w.boss, "more", "compute.instances.start")
	w.refused(err, "TOO_MANY_GRANTS")
	if _, err := w.DeleteRole(t.Context(), w.as(w.boss), r.ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.role(w.boss, "more", "compute.instances.start")
	w.refused(err, "")
}

// 1.3: an admin does not get by a custom role what only owners have.
func TestCustomRole_OfWhatOnlyOwnersHaveIsGivenByThem(t *testing.T) {
	w := newTown(t, false)
	r, err := w.role(w.boss, "wrecker", "resource-manager.clouds.delete", "resource-manager.clouds.get")
	if err != nil {
		t.Fatal(err)
	}
	w.grant("admin", w.editor, w.cloud)
	w.commit(false)
	e := w.update(w.editor, w.cloud, plus(r.ID, w.editor))
	w.refused(e, "PERMISSION_DENIED")
	w.refused(w.update(w.editor, w.cloud, plus("viewer", w.editor)), "") // others he may grant
	w.refused(w.update(w.lord, w.cloud, plus(r.ID, w.nobody)), "")
	w.refused(w.update(w.editor, w.cloud, minus(r.ID, w.nobody)), "") // less is no harm
}
