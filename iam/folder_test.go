package iam

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/tuple"
)

func TestCreateFolder_StandsInItsCloud(t *testing.T) {
	s := newSite(t)
	op := s.done(s.CreateFolder(t.Context(), s.owner, s.CloudID, About{Name: "two", Description: "second", Labels: map[string]string{"a": "b"}}))
	got, err := s.Folder(t.Context(), s.owner, op.Resource.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := &Folder{ID: got.ID, CloudID: s.CloudID, CreatedAt: op.CreatedAt, About: About{"two", "second", map[string]string{"a": "b"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if path, err := pathOf(s.now(), got.resource()); err != nil || len(path) != 3 || path[1] != s.cloud() || path[2] != s.organization() {
		t.Error(path, err)
	}
}

// Row 1.4 of Resource Manager's page: folders take editor or resource-manager.editor.
func TestCreateFolder_NeedsEditorOfTheCloud(t *testing.T) {
	s := newSite(t)
	for role, allowed := range map[string]bool{"editor": true, "resource-manager.editor": true, "admin": true, "viewer": false, "iam.serviceAccounts.admin": false, "compute.admin": false} {
		who := s.newAccount("a-"+fmt.Sprint(len(role))+string(role[0]), s.folder())
		s.give(role, who, s.cloud())
		_, err := s.CreateFolder(t.Context(), s.as(who), s.CloudID, About{Name: "f-" + who.ID})
		if allowed && err != nil {
			t.Errorf("%s: %v", role, err)
		}
		if !allowed {
			e := s.refuses("PERMISSION_DENIED", err)
			if e.Metadata["permission"] != "resource-manager.folders.create" || e.Metadata["resource"] != s.cloud().String() {
				t.Error(e.Metadata)
			}
		}
	}
}

func TestFolders_NamesAreUniqueInACloud(t *testing.T) {
	s := newSite(t)
	f := s.newFolder("one")
	_, err := s.CreateFolder(t.Context(), s.owner, s.CloudID, About{Name: "one"})
	if e := s.refuses("RESOURCE_EXISTS", err); e.Code != authz.AlreadyExists {
		t.Error(e.Code)
	}
	s.done(s.UpdateFolder(t.Context(), s.owner, FolderUpdate{ID: f.ID, About: About{Name: "two"}, Fields: []string{FieldName}}))
	g := s.newFolder("one")
	_, err = s.UpdateFolder(t.Context(), s.owner, FolderUpdate{ID: g.ID, About: About{Name: "two"}, Fields: []string{FieldName}})
	s.refuses("RESOURCE_EXISTS", err)
	cloud := s.done(s.CreateCloud(t.Context(), s.owner, s.OrganizationID, About{Name: "other"})).Resource
	s.done(s.CreateFolder(t.Context(), s.owner, cloud.ID, About{Name: "one"}))
}

func TestUpdateFolder_ChangesNamedFieldsOnly(t *testing.T) {
	s := newSite(t)
	f := s.newFolder("one")
	u := FolderUpdate{ID: f.ID, About: About{Name: "two", Description: "new", Labels: map[string]string{"k": "v"}}, Fields: []string{FieldDescription}}
	op := s.done(s.UpdateFolder(t.Context(), s.owner, u))
	if op.Folder.Name != "one" || op.Folder.Description != "new" || op.Folder.Labels != nil {
		t.Errorf("%+v", op.Folder)
	}
	_, err := s.UpdateFolder(t.Context(), s.owner, FolderUpdate{ID: "none"})
	s.refuses("RESOURCE_NOT_FOUND", err)
	_, err = s.UpdateFolder(t.Context(), s.owner, FolderUpdate{ID: f.ID, About: About{Name: "No"}, Fields: []string{FieldName}})
	s.refuses("INVALID_FIELD", err)
}

func TestFolders_ComeInPagesByName(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"c", "a", "b"} {
		s.newFolder(name)
	}
	var names []string
	p := Page{Size: 2}
	for {
		page, next, err := s.Folders(t.Context(), s.owner, s.CloudID, "", p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page {
			names = append(names, f.Name)
		}
		if p.Token = next; next == "" {
			break
		}
		if _, err := s.CreateFolder(t.Context(), s.owner, s.CloudID, About{Name: "aa" + fmt.Sprint(len(names))}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "default"}, names); diff != "" {
		t.Error(diff)
	}
	one, _, err := s.Folders(t.Context(), s.owner, s.CloudID, "b", Page{})
	if err != nil || len(one) != 1 || one[0].Name != "b" {
		t.Error(one, err)
	}
	who := s.newAccount("stranger", s.folder())
	_, _, err = s.Folders(t.Context(), s.as(who), s.CloudID, "", Page{})
	s.refuses("PERMISSION_DENIED", err)
}

// filled makes a folder with accounts, keys, bindings and resources in it.
func (s *site) filled(name string, accounts int) (f Resource, who []Subject) {
	s.t.Helper()
	f = s.newFolder(name)
	for i := range accounts {
		a := s.newAccount(fmt.Sprint(name, "-a", i), f, "viewer")
		if _, err := s.AddKey(s.t.Context(), s.owner, a.ID, "", otherKeys().public); err != nil {
			s.t.Fatal(err)
		}
		s.give("viewer", a, s.cloud())
		s.done(s.Register(s.t.Context(), s.owner, Resource{"compute.instanceGroup", fmt.Sprint(name, "-g", i)}, f, a.ID))
		who = append(who, a)
	}
	return f, who
}

// names returns what is stored about something, for tests of deletions.
func (s *site) traces(of ...string) (out []string) {
	v := s.now()
	for _, id := range of {
		for _, typ := range []string{resourceType, groupType} {
			for t := range v.Tuples(tuple.Filter{Type: typ}) {
				if resourceOf(t.Object.ID).ID == id || t.Object.ID == id || t.Subject.ID == id || resourceOf(t.Subject.ID).ID == id {
					out = append(out, t.String())
				}
			}
		}
	}
	return out
}

// Restriction 1.5.13: until delete_after it is PENDING_DELETION, then it goes.
func TestDeleteFolder_WaitsAndThenTakesEverything(t *testing.T) {
	s := newSite(t)
	f, who := s.filled("doomed", 3)
	group := s.newGroup("crew", who...)
	op, err := s.DeleteFolder(t.Context(), s.owner, f.ID, s.clock.Load()+int64(time.Hour))
	if err != nil || op.Done {
		t.Fatal(op, err)
	}
	got, err := s.Folder(t.Context(), s.owner, f.ID)
	if err != nil || got.Status != PendingDeletion || got.DeleteAfter != op.DeleteAfter {
		t.Fatal(got, err)
	}
	s.pass(59 * time.Minute)
	if _, err := s.Account(t.Context(), s.as(who[0]), who[0].ID); err != nil {
		t.Errorf("before its time: %v", err)
	}
	s.pass(time.Minute)
	if _, err := s.Folder(t.Context(), s.owner, f.ID); reason(err) != "RESOURCE_NOT_FOUND" {
		t.Error(err)
	}
	if op, err = s.Operation(t.Context(), s.owner, op.ID); err != nil || !op.Done {
		t.Error(op, err)
	}
	gone := []string{f.ID}
	for _, a := range who {
		gone = append(gone, a.ID)
	}
	if left := s.traces(gone...); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if members, _, err := s.GroupMembers(t.Context(), s.owner, group.ID, Page{}); err != nil || len(members) > 0 {
		t.Error(members, err)
	}
	again, _ := s.filled("doomed", 1) // names are free
	if again == f {
		t.Error("the same id")
	}
}

func TestDeleteFolder_DefaultIsADay(t *testing.T) {
	s := newSite(t)
	f := s.newFolder("doomed")
	op, err := s.DeleteFolder(t.Context(), s.owner, f.ID, 0)
	if err != nil || op.DeleteAfter != s.clock.Load()+int64(24*time.Hour) {
		t.Fatal(op, err)
	}
	s.pass(24 * time.Hour)
	s.renew()
	_, err = s.Folder(t.Context(), s.owner, f.ID)
	s.refuses("RESOURCE_NOT_FOUND", err)
	f = s.newFolder("doomed")
	_, err = s.DeleteFolder(t.Context(), s.owner, f.ID, s.clock.Load()+int64(366*24*time.Hour))
	s.refuses("INVALID_FIELD", err)
}

func TestDeleteFolder_AtOnceInManyCommands(t *testing.T) {
	old := sweepTuples
	sweepTuples = 7
	defer func() { sweepTuples = old }()
	s := newSite(t)
	f, who := s.filled("doomed", 4)
	op := s.done(s.DeleteFolder(t.Context(), s.owner, f.ID, 1))
	if op.Kind != "DeleteFolder" || op.Resource != f {
		t.Errorf("%+v", op)
	}
	gone := []string{f.ID}
	for _, a := range who {
		gone = append(gone, a.ID)
	}
	if left := s.traces(gone...); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A node may end between any two commands; another one's janitor goes on.
func TestDeleteFolder_IsFinishedByAnotherNode(t *testing.T) {
	old := sweepTuples
	sweepTuples = 7
	defer func() { sweepTuples = old }()
	s := newSite(t)
	f, _ := s.filled("doomed", 3)
	op, err := s.DeleteFolder(t.Context(), s.owner, f.ID, s.clock.Load()+1)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.Add(1)
	d := deletion{Resource: f}
	for range 3 {
		if more, err := s.pursueOnce(t.Context(), d.key()); err != nil || !more {
			t.Fatal(more, err)
		}
	}
	if f, err := s.Folder(t.Context(), s.owner, f.ID); err != nil || f.Status != Deleting {
		t.Fatal(f, err)
	}
	other := s.open(Config{Master: s.config.Master})
	if err := other.clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if op, err = s.Operation(t.Context(), s.owner, op.ID); err != nil || !op.Done {
		t.Error(op, err)
	}
	if left := s.traces(f.ID); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestDeleteFolder_NothingIsMadeInItMeanwhile(t *testing.T) {
	s := newSite(t)
	f, who := s.filled("doomed", 1)
	if _, err := s.DeleteFolder(t.Context(), s.owner, f.ID, 0); err != nil {
		t.Fatal(err)
	}
	_, err := s.CreateAccount(t.Context(), s.owner, f.ID, About{Name: "late"}, 0)
	s.refuses("BEING_DELETED", err)
	_, err = s.Register(t.Context(), s.owner, Resource{"compute.instance", "late"}, f, "")
	s.refuses("BEING_DELETED", err)
	_, err = s.AddKey(t.Context(), s.owner, who[0].ID, "", otherKeys().public)
	s.refuses("BEING_DELETED", err)
}

func TestDeleteFolder_NeedsEditor(t *testing.T) {
	s := newSite(t)
	f := s.newFolder("f")
	viewer, editor := s.newAccount("viewer", s.folder()), s.newAccount("editor", s.folder())
	s.give("viewer", viewer, f)
	s.give("editor", editor, f)
	_, err := s.DeleteFolder(t.Context(), s.as(viewer), f.ID, 1)
	s.refuses("PERMISSION_DENIED", err)
	s.done(s.DeleteFolder(t.Context(), s.as(editor), f.ID, 1))
}

// Restriction 1.5.2: a cloud keeps an owner, also where all of them would go with
// a folder.
func TestDeleteFolder_KeepsOwners(t *testing.T) {
	s := newSite(t)
	_, err := s.DeleteFolder(t.Context(), s.owner, s.FolderID, 1)
	s.refuses("LAST_OWNER", err)
	f := s.newFolder("f")
	heir := s.newAccount("heir", f)
	s.give(CloudOwner, heir, s.cloud())
	_, err = s.DeleteFolder(t.Context(), s.owner, s.FolderID, 1)
	s.refuses("LAST_OWNER", err) // of the organization
	s.give(OrganizationOwner, heir, s.organization())
	stranger := s.newAccount("stranger", f, "editor")
	s.give("admin", stranger, s.cloud())
	_, err = s.DeleteFolder(t.Context(), s.as(stranger), s.FolderID, 1)
	s.refuses("PERMISSION_DENIED", err) // takes an owner's account away
	s.done(s.DeleteFolder(t.Context(), s.owner, s.FolderID, 1))
	s.owner = s.as(heir)
	_, err = s.DeleteFolder(t.Context(), s.owner, f.ID, 1)
	s.refuses("LAST_OWNER", err)
}

// What was decided when the deletion was asked for may not hold when it begins.
func TestDeleteFolder_WaitsForAnotherOwner(t *testing.T) {
	s := newSite(t)
	f := s.newFolder("f")
	heir, ann := s.newAccount("heir", f), s.newUser("ann")
	s.give(CloudOwner, heir, s.cloud())
	op, err := s.DeleteFolder(t.Context(), s.owner, f.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.done(s.UpdateBindings(t.Context(), s.owner, s.cloud(), []BindingDelta{{Remove: true, Binding: Binding{CloudOwner, s.root()}}}))
	s.clock.Add(int64(25 * time.Hour))
	s.renew()
	s.refuses("LAST_OWNER", unjoin(s.clean(t.Context())))
	if _, err := s.Account(t.Context(), s.owner, heir.ID); err != nil {
		t.Error(err)
	}
	s.done(s.UpdateBindings(t.Context(), s.as(heir), s.cloud(), []BindingDelta{{Binding: Binding{CloudOwner, ann}}}))
	s.pass(0)
	if op, err = s.Operation(t.Context(), s.owner, op.ID); err != nil || !op.Done {
		t.Error(op, err)
	}
}

// unjoin returns the only error of several.
func unjoin(err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) == 1 {
		return many.Unwrap()[0]
	}
	return err
}
