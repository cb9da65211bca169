package iam

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhy_NamesEveryBinding(t *testing.T) {
	w := newTown(t, false)
	crew := w.addGroup("viewers", w.org, w.nobody)
	w.grant("compute.viewer", crew, w.cloud)
	w.grant("editor", w.nobody, w.folder)
	w.grant("iam.viewer", w.nobody, w.folder) // does not give it
	w.grant("auditor", Subject{System, AllAuthenticatedUsers}, w.org)
	w.commit(false)
	why, err := w.Why(t.Context(), w.as(w.admin), w.nobody, "compute.instances.get", w.folder)
	if err != nil {
		t.Fatal(err)
	}
	want := &Reasons{Allowed: true, Path: []Resource{w.folder, w.cloud, w.org}, Token: why.Token, Ways: []BindingAt{
		{w.folder, Binding{"editor", w.nobody}}, {w.cloud, Binding{"compute.viewer", crew}}, {w.org, Binding{"auditor", Subject{System, AllAuthenticatedUsers}}},
	}}
	if diff := cmp.Diff(want, why); diff != "" {
		t.Error(diff)
	}
	if why, err := w.Why(t.Context(), w.as(w.nobody), w.nobody, "admin", w.folder); err != nil || why.Allowed || why.Ways != nil {
		t.Error(why, err)
	}
}

func TestWhy_OthersRightsTakeAPermission(t *testing.T) {
	w := newTown(t, false)
	_, err := w.Why(t.Context(), w.as(w.nobody), w.editor, "viewer", w.folder)
	w.refused(err, "PERMISSION_DENIED")
	_, _, err = w.What(t.Context(), w.as(w.nobody), w.editor, w.folder, Page{})
	w.refused(err, "PERMISSION_DENIED")
	_, _, err = w.Who(t.Context(), w.as(w.nobody), "viewer", w.folder, Page{})
	w.refused(err, "PERMISSION_DENIED")
	_, _, err = w.SubjectBindings(t.Context(), w.as(w.lord), "editor", "org", Page{})
	w.refused(err, "PERMISSION_DENIED")
	_, err = w.Why(t.Context(), w.as(w.nobody), w.nobody, "viewer", w.folder)
	w.refused(err, "")
	all, _, err := w.What(t.Context(), w.as(w.nobody), w.editor, Resource{}, Page{})
	if err != nil || len(all) != 0 {
		t.Error(all, err)
	}
}

func TestWho_ListsWhoeverHasIt(t *testing.T) {
	w := newTown(t, false)
	crew := w.addGroup("viewers", w.org, w.nobody)
	w.grant("compute.viewer", crew, w.cloud)
	w.commit(false)
	who, _, err := w.Who(t.Context(), w.as(w.admin), "compute.instances.get", w.folder, Page{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Subject{w.admin, w.boss, w.editor, w.lord, w.nobody, crew}
	slices.SortFunc(want[:5], func(a, b Subject) int { return compareBindings(Binding{"", a}, Binding{"", b}) })
	if diff := cmp.Diff(want, who); diff != "" {
		t.Error(diff)
	}
}

func TestSubjectBindings_OfOneOrganization(t *testing.T) {
	w := newTown(t, false)
	other := w.addOrganization("other")
	crew := w.addGroup("viewers", w.org, w.ann)
	w.addUser(User{ID: "ann", Type: UserAccount, Organizations: []string{"org", "other"}})
	w.grant("viewer", crew, w.cloud)
	w.grant("editor", w.ann, w.folder)
	w.grant("admin", w.ann, other)
	w.grant("compute.images.user", Subject{System, AllUsers}, other)
	w.commit(false)
	got, _, err := w.SubjectBindings(t.Context(), w.as(w.boss), "ann", "org", Page{})
	if err != nil {
		t.Fatal(err)
	}
	want := []BindingAt{{w.cloud, Binding{"viewer", crew}}, {w.folder, Binding{"editor", w.ann}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	own, _, err := w.What(t.Context(), w.as(w.ann), w.ann, Resource{}, Page{})
	if err != nil || len(own) != 3 {
		t.Error(own, err)
	}
	seen, _, err := w.What(t.Context(), w.as(w.boss), w.ann, Resource{}, Page{})
	if err != nil || len(seen) != 2 {
		t.Error(seen, err)
	}
	_, _, err = w.SubjectBindings(t.Context(), w.as(w.boss), "unknown", "org", Page{})
	w.refused(err, "SUBJECT_NOT_FOUND")
}
