package iam

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Restriction 1.5.5: a group of instances runs as one account of its folder, which
// whoever names it may use, and which cannot be deleted meanwhile.
func TestRegister_RunsAsAnAccount(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.folder())
	g := Resource{"compute.instanceGroup", "group1"}
	editor := s.newAccount("editor", s.folder(), "compute.editor")
	_, err := s.Register(t.Context(), s.as(editor), g, s.folder(), a.ID)
	if e := s.refuses("PERMISSION_DENIED", err); e.Metadata["permission"] != "iam.serviceAccounts.use" {
		t.Error(e)
	}
	s.give("iam.serviceAccounts.user", editor, Resource{ServiceAccountKind, a.ID})
	s.done(s.Register(t.Context(), s.as(editor), g, s.folder(), a.ID))
	got, err := s.Resource(t.Context(), s.as(editor), g)
	if diff := cmp.Diff(&Registered{g, s.folder(), a.ID}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	_, err = s.DeleteAccount(t.Context(), s.owner, a.ID)
	if e := s.refuses("ACCOUNT_IN_USE", err); e.Metadata["resource"] != g.String() {
		t.Error(e)
	}
	b := s.newAccount("b", s.folder())
	_, err = s.SetResourceAccount(t.Context(), s.as(editor), g, b.ID)
	s.refuses("PERMISSION_DENIED", err)
	s.done(s.SetResourceAccount(t.Context(), s.owner, g, b.ID))
	s.done(s.DeleteAccount(t.Context(), s.owner, a.ID))
	s.done(s.Unregister(t.Context(), s.as(editor), g))
	s.done(s.DeleteAccount(t.Context(), s.owner, b.ID))
}

// Restriction 1.5.5: account and group in the same folder.
func TestRegister_RefusesAnAccountOfAnotherFolder(t *testing.T) {
	s := newSite(t)
	a := s.newAccount("a", s.newFolder("f"))
	g := Resource{"compute.instanceGroup", "group1"}
	_, err := s.Register(t.Context(), s.owner, g, s.folder(), a.ID)
	s.refuses("OTHER_FOLDER", err)
	_, err = s.Register(t.Context(), s.owner, g, s.folder(), "none")
	s.refuses("RESOURCE_NOT_FOUND", err)
}

func TestRegister_NeedsToCreateThere(t *testing.T) {
	s := newSite(t)
	vm := Resource{"compute.instance", "vm1"}
	viewer, other := s.newAccount("viewer", s.folder(), "compute.viewer"), s.newAccount("other", s.folder(), "kms.admin")
	for _, who := range []Subject{viewer, other} {
		_, err := s.Register(t.Context(), s.as(who), vm, s.folder(), "")
		if e := s.refuses("PERMISSION_DENIED", err); e.Metadata["permission"] != "compute.instances.create" {
			t.Error(e)
		}
	}
	s.done(s.Register(t.Context(), s.owner, vm, s.folder(), ""))
	_, err := s.Register(t.Context(), s.owner, vm, s.newFolder("f"), "")
	s.refuses("RESOURCE_EXISTS", err)
	_, err = s.Unregister(t.Context(), s.as(viewer), vm)
	s.refuses("PERMISSION_DENIED", err)
	_, err = s.Resource(t.Context(), s.as(other), vm)
	s.refuses("PERMISSION_DENIED", err)
	if l, _, err := s.Resources(t.Context(), s.as(viewer), s.folder(), "compute.instance", Page{}); err != nil || len(l) != 1 || l[0].Resource != vm {
		t.Error(l, err)
	}
	_, _, err = s.Resources(t.Context(), s.as(other), s.folder(), "compute.instance", Page{})
	s.refuses("PERMISSION_DENIED", err)
	if !s.can(viewer, "compute.instances.get", vm) {
		t.Error("a role of the folder does not reach it")
	}
}

func TestRegister_RefusesWhatIsNoServicesResource(t *testing.T) {
	s := newSite(t)
	for r, parent := range map[Resource]Resource{
		{FolderKind, "x"}: s.cloud(), {ServiceAccountKind, "x"}: s.folder(), {KeyKind, "x"}: {ServiceAccountKind, s.AccountID}, {GroupKind, "x"}: s.organization(),
		{"none.such", "x"}: s.folder(), {"compute.instance", ""}: s.folder(), {"compute.instance", "a/b"}: s.folder(), {"compute.instance", "x"}: s.cloud(),
	} {
		_, err := s.Register(t.Context(), s.owner, r, parent, "")
		s.refuses("INVALID_FIELD", err)
	}
	_, err := s.Register(t.Context(), s.owner, Resource{"compute.instance", "x"}, Resource{FolderKind, "none"}, "")
	s.refuses("RESOURCE_NOT_FOUND", err)
}

// A resource with an id that there was before begins without bindings.
func TestUnregister_TakesItsBindings(t *testing.T) {
	s := newSite(t)
	vm, ann := Resource{"compute.instance", "vm1"}, s.newUser("ann")
	s.done(s.Register(t.Context(), s.owner, vm, s.folder(), ""))
	s.give("compute.viewer", ann, vm)
	s.done(s.Unregister(t.Context(), s.owner, vm))
	// A binding that was being added meanwhile.
	c := s.work(t.Context(), s.now())
	c.add(roleTuple("compute.viewer", vm, ann))
	if _, err := s.layer.Commit(t.Context(), janitor, c.write); err != nil {
		t.Fatal(err)
	}
	s.done(s.Register(t.Context(), s.owner, vm, s.folder(), ""))
	if s.can(ann, "compute.instances.get", vm) {
		t.Error("allowed by a binding on the resource before")
	}
}
