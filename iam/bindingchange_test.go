package iam

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/authz"
)

// town is a plot with one organization, and who may do what in it.
type town struct {
	*plot
	org, cloud, folder Resource
	sa                 Resource // a service account as a resource

	boss   Subject // owner of the organization
	lord   Subject // owner of the cloud
	admin  Subject // admin of the folder
	editor Subject // editor of the folder
	nobody Subject // without any role
	ann    Subject // a user of the organization
	group  Subject
}

func newTown(t testing.TB, strict bool) *town {
	t.Helper()
	p := newPlot(t, strict)
	w := &town{plot: p}
	w.org = p.addOrganization("org")
	w.cloud = p.addCloud("cloud", w.org)
	w.folder = p.addFolder("folder", w.cloud)
	for name, to := range map[string]*Subject{"boss": &w.boss, "lord": &w.lord, "admin": &w.admin, "editor": &w.editor, "nobody": &w.nobody} {
		*to = p.addAccount(name, w.folder)
	}
	w.sa = Resource{ServiceAccountKind, "nobody"}
	w.ann = p.addUser(User{ID: "ann", Type: UserAccount, Organizations: []string{"org"}})
	w.group = p.addGroup("crew", w.org)
	p.grant(OrganizationOwner, w.boss, w.org)
	p.grant(CloudOwner, w.lord, w.cloud)
	p.grant("admin", w.admin, w.folder)
	p.grant("editor", w.editor, w.folder)
	p.commit(false)
	return w
}

// update changes bindings; "-" in front of a role removes.
func (w *town) update(by Subject, on Resource, deltas ...BindingDelta) error {
	w.t.Helper()
	_, err := w.UpdateBindings(w.t.Context(), w.as(by), on, deltas)
	return err
}

func plus(role string, who Subject) BindingDelta  { return BindingDelta{Binding: Binding{role, who}} }
func minus(role string, who Subject) BindingDelta { return BindingDelta{true, Binding{role, who}} }

// can asks whether a subject has a permission or role on a resource.
func (w *town) can(who Subject, name string, on Resource) bool {
	w.t.Helper()
	a, err := w.Authorize(w.t.Context(), &AuthorizeRequest{Subject: who, Permission: name, Path: []Resource{on}, Consistency: authz.Consistency{Level: authz.Latest}})
	if err != nil {
		w.t.Fatal(err)
	}
	return a.Allowed
}

// reason returns what an error is about, "" for none.
func reason(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (w *town) refused(err error, want string) {
	w.t.Helper()
	if got := reason(err); got != want {
		w.t.Errorf("%v: reason %q, want %q", err, got, want)
	}
}

func TestUpdateBindings_GrantsAndRevokes(t *testing.T) {
	w := newTown(t, false)
	if w.can(w.nobody, "compute.instances.get", w.folder) {
		t.Error("allowed before")
	}
	op, err := w.UpdateBindings(t.Context(), w.as(w.admin), w.folder, []BindingDelta{plus("viewer", w.nobody), plus("viewer", w.nobody), minus("editor", w.nobody)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]BindingDelta{plus("viewer", w.nobody)}, op.Deltas); diff != "" || !op.Done || op.Resource != w.folder {
		t.Errorf("operation %+v %s", op, diff)
	}
	if !w.can(w.nobody, "compute.instances.get", w.folder) || w.can(w.nobody, "compute.instances.get", w.cloud) {
		t.Error("the binding does not count as it should")
	}
	w.refused(w.update(w.admin, w.folder, minus("viewer", w.nobody)), "")
	if w.can(w.nobody, "compute.instances.get", w.folder) {
		t.Error("allowed after it was revoked")
	}
}

// Rows 1.4/9 and 1.4/11, and restriction 1.5.1: who may grant roles where.
func TestUpdateBindings_Row11WhoMayAssignRoles(t *testing.T) {
	w := newTown(t, false)
	for _, role := range []string{"admin", "iam.admin", "resource-manager.admin", "organization-manager.admin"} {
		who := w.addAccount("may-"+role, w.folder)
		w.grant(role, who, w.cloud)
		w.commit(false)
		for _, on := range []Resource{w.cloud, w.folder, w.sa} {
			w.refused(w.update(who, on, plus("viewer", w.ann)), "")
		}
		w.refused(w.update(who, w.org, plus("viewer", w.ann)), "PERMISSION_DENIED")
	}
	w.refused(w.update(w.lord, w.cloud, plus("viewer", w.ann)), "")
	w.refused(w.update(w.boss, w.org, plus("viewer", w.ann)), "")
	for _, role := range []string{"editor", "viewer", "auditor", "iam.editor", "iam.viewer", "compute.admin", "iam.serviceAccounts.tokenCreator", "resource-manager.editor"} {
		who := w.addAccount("mayNot-"+role, w.folder)
		w.grant(role, who, w.org)
		w.commit(false)
		for _, on := range []Resource{w.org, w.cloud, w.folder, w.sa} {
			w.refused(w.update(who, on, plus("viewer", w.ann)), "PERMISSION_DENIED")
		}
	}
}

// Restriction 1.5.1, service pages: service admins for resources of theirs.
func TestUpdateBindings_ServiceAdminsForTheirKinds(t *testing.T) {
	w := newTown(t, false)
	vm := Resource{"compute.instance", "vm"}
	w.below(vm, w.folder)
	computer, accounter, grouper := w.addAccount("computer", w.folder), w.addAccount("accounter", w.folder), w.addAccount("grouper", w.folder)
	w.grant("compute.admin", computer, w.folder)
	w.grant("iam.serviceAccounts.admin", accounter, w.folder)
	w.grant("organization-manager.groups.admin", grouper, w.org)
	w.commit(false)
	crew := Resource{GroupKind, "crew"}
	w.refused(w.update(computer, vm, plus("viewer", w.ann)), "")
	w.refused(w.update(computer, w.sa, plus("viewer", w.ann)), "PERMISSION_DENIED")
	w.refused(w.update(accounter, w.sa, plus("viewer", w.ann)), "")
	w.refused(w.update(accounter, vm, plus("viewer", w.ann)), "PERMISSION_DENIED")
	w.refused(w.update(grouper, crew, plus("viewer", w.ann)), "")
	w.refused(w.update(grouper, w.folder, plus("viewer", w.ann)), "PERMISSION_DENIED")
}

// Contradiction (a) of 1.5: bindings may be listed by who may read.
func TestBindings_AreReadByAuditors(t *testing.T) {
	w := newTown(t, false)
	got, next, err := w.Bindings(t.Context(), w.as(w.editor), w.folder, Page{})
	want := []Binding{{"admin", w.admin}, {"editor", w.editor}}
	if err != nil || next != "" {
		t.Fatal(next, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, _, err = w.Bindings(t.Context(), w.as(w.nobody), w.folder, Page{})
	w.refused(err, "PERMISSION_DENIED")
	_, _, err = w.Bindings(t.Context(), &Call{}, w.folder, Page{})
	w.refused(err, "NO_TOKEN")
	_, _, err = w.Bindings(t.Context(), w.as(w.editor), Resource{FolderKind, "other"}, Page{})
	w.refused(err, "RESOURCE_NOT_FOUND")
}

func TestBindings_ComeInPages(t *testing.T) {
	w := newTown(t, false)
	for i := range 5 {
		w.grant("viewer", w.addAccount(fmt.Sprintf("more%d", i), w.folder), w.folder)
	}
	w.commit(false)
	var all []Binding
	for p := (Page{Size: 3}); ; {
		part, next, err := w.Bindings(t.Context(), w.as(w.editor), w.folder, p)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, part...); next == "" {
			break
		}
		p.Token = next
	}
	if len(all) != 7 || !slices.IsSortedFunc(all, compareBindings) {
		t.Errorf("%d bindings: %v", len(all), all)
	}
}

func TestBindings_RefuseForgedPageTokens(t *testing.T) {
	w := newTown(t, false)
	call := w.as(w.boss)
	_, next, err := w.Bindings(t.Context(), call, w.folder, Page{Size: 1})
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	w.grant("viewer", w.ann, w.cloud)
	w.commit(false)
	_, _, err = w.Bindings(t.Context(), call, w.cloud, Page{Size: 1, Token: next}) // of another list
	w.refused(err, "INVALID_FIELD")
	for i := range next {
		forged := []byte(next)
		forged[i] ^= 1
		_, _, err = w.Bindings(t.Context(), call, w.folder, Page{Size: 1, Token: string(forged)})
		w.refused(err, "INVALID_FIELD")
	}
	_, _, err = w.Bindings(t.Context(), w.as(w.nobody), w.folder, Page{Size: 1, Token: next}) // by another caller
	w.refused(err, "PERMISSION_DENIED")
}

func TestUpdateBindings_FederationsAreOfOneOrganization(t *testing.T) {
	w := newTown(t, false)
	fed := Subject{System, "group:federation:fed:users"}
	w.refused(w.update(w.admin, w.folder, plus("viewer", fed)), "SUBJECT_NOT_FOUND")
	w.records = append(w.records, authz.RecordUpdate{Key: federationKey("fed"), Value: []byte("other")})
	w.commit(false)
	w.refused(w.update(w.admin, w.folder, plus("viewer", fed)), "SUBJECT_NOT_FOUND")
	w.records = append(w.records, authz.RecordUpdate{Key: federationKey("fed"), Value: []byte("org")})
	joe := w.addUser(User{ID: "joe", Type: FederatedUser, FederationID: "fed", Organizations: []string{"org"}})
	w.commit(false)
	w.refused(w.update(w.admin, w.folder, plus("viewer", fed)), "")
	if !w.can(joe, "compute.instances.get", w.folder) || w.can(w.ann, "compute.instances.get", w.folder) {
		t.Error("the federation's users do not have what it has")
	}
}

func TestSetBindings_LeavesNoOthers(t *testing.T) {
	w := newTown(t, false)
	want := []Binding{{"admin", w.admin}, {"viewer", w.ann}}
	op, err := w.SetBindings(t.Context(), w.as(w.admin), w.folder, []Binding{want[1], want[0], want[1]})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]BindingDelta{plus("viewer", w.ann), minus("editor", w.editor)}, op.Deltas); diff != "" {
		t.Error(diff)
	}
	got, _, err := w.Bindings(t.Context(), w.as(w.admin), w.folder, Page{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSetBindings_ThousandOnAResource(t *testing.T) {
	w := newTown(t, false)
	var all []Binding
	for i := range MaxBindings + 1 {
		all = append(all, Binding{"viewer", w.addAccount(fmt.Sprintf("many%d", i), w.folder)})
		if i%500 == 0 {
			w.commit(false)
		}
	}
	w.commit(false)
	_, err := w.SetBindings(t.Context(), w.as(w.lord), w.folder, all)
	w.refused(err, "TOO_MANY_BINDINGS")
	if _, err := w.SetBindings(t.Context(), w.as(w.lord), w.folder, all[:MaxBindings]); err != nil {
		t.Fatal(err)
	}
	w.refused(w.update(w.lord, w.folder, plus("viewer", all[MaxBindings].Subject)), "TOO_MANY_BINDINGS")
	w.refused(w.update(w.lord, w.folder, plus("viewer", all[MaxBindings].Subject), minus("viewer", all[0].Subject)), "")
	for i := range MaxBindings {
		all[i].RoleID = "auditor"
	}
	op, err := w.SetBindings(t.Context(), w.as(w.lord), w.folder, all[:MaxBindings])
	if err != nil || len(op.Deltas) != 2*MaxBindings {
		t.Fatal(err)
	}
}

// Restriction 1.5.8: roles are for certain kinds of resources.
func TestUpdateBindings_RolesAreForKinds(t *testing.T) {
	w := newTown(t, false)
	w.refused(w.update(w.lord, w.folder, plus(CloudOwner, w.ann)), "ROLE_NOT_FOR_KIND")
	w.refused(w.update(w.lord, w.folder, plus("resource-manager.clouds.member", w.ann)), "ROLE_NOT_FOR_KIND")
	w.refused(w.update(w.lord, w.cloud, plus("resource-manager.clouds.member", w.ann)), "")
	w.refused(w.update(w.lord, w.cloud, plus("iam.userAccounts.refreshTokenViewer", w.ann)), "ROLE_NOT_FOR_KIND")
	w.refused(w.update(w.boss, w.org, plus("iam.userAccounts.refreshTokenViewer", w.ann)), "")
}

func TestUpdateBindings_RolesAndSubjectsMustBeThere(t *testing.T) {
	w := newTown(t, false)
	other := w.addOrganization("other")
	theirs := w.addFolder("theirs", w.addCloud("their-cloud", other))
	strangers := []Subject{
		w.addAccount("stranger", theirs), w.addUser(User{ID: "bob", Type: UserAccount, Organizations: []string{"other"}}), w.addGroup("gang", other),
		{System, "group:organization:other:users"}, {ServiceAccount, "missing"}, {UserAccount, "admin"}, {FederatedUser, "ann"}, {GroupSubject, "nope"},
	}
	w.commit(false)
	for _, s := range strangers {
		w.refused(w.update(w.admin, w.folder, plus("viewer", s)), "SUBJECT_NOT_FOUND")
		_, err := w.SetBindings(t.Context(), w.as(w.admin), w.folder, []Binding{{"viewer", s}})
		w.refused(err, "SUBJECT_NOT_FOUND")
	}
	for _, s := range []Subject{w.ann, w.nobody, w.group, {System, AllUsers}, {System, AllAuthenticatedUsers}, {System, "group:organization:org:users"}} {
		w.refused(w.update(w.admin, w.folder, plus("viewer", s)), "")
	}
	w.refused(w.update(w.admin, w.folder, plus("viewers", w.ann)), "ROLE_NOT_FOUND")
	w.refused(w.update(w.admin, w.folder, plus("", w.ann)), "INVALID_FIELD")
	w.refused(w.update(w.admin, w.folder, plus("viewer", Subject{"person", "ann"})), "INVALID_FIELD")
	w.refused(w.update(w.admin, w.folder, plus("viewer", Subject{System, "everybody"})), "INVALID_FIELD")
	w.refused(w.update(w.admin, w.folder), "INVALID_FIELD")
	w.refused(w.update(w.admin, Resource{"compute.instance", "gone"}, plus("viewer", w.ann)), "RESOURCE_NOT_FOUND")
	w.refused(w.update(w.admin, Resource{"no.kind", "gone"}, plus("viewer", w.ann)), "INVALID_FIELD")
}

// Whatever has made a role go: its bindings can be removed.
func TestUpdateBindings_RemoveWhatHasLostItsRole(t *testing.T) {
	w := newTown(t, false)
	const role = "access-transparency.billingProvider"
	w.grant(role, w.nobody, w.folder)
	w.commit(false)
	w.records = append(w.records, authz.RecordUpdate{Key: catalogueKey, Value: zip(without(role + "\t"))})
	w.commit(true)
	w.refused(w.update(w.admin, w.folder, plus(role, w.ann)), "ROLE_NOT_FOUND")
	w.refused(w.update(w.admin, w.folder, minus(role, w.ann)), "ROLE_NOT_FOUND")
	w.refused(w.update(w.editor, w.folder, minus(role, w.nobody)), "PERMISSION_DENIED")
	w.refused(w.update(w.admin, w.folder, minus(role, w.nobody)), "")
	bindings, _, err := w.Bindings(t.Context(), w.as(w.admin), w.folder, Page{})
	if err != nil || slices.Contains(bindings, Binding{role, w.nobody}) {
		t.Error(bindings, err)
	}
}

// Two changes at once may leave more than there may be: then it can become less.
func TestUpdateBindings_TooManyCanBecomeLess(t *testing.T) {
	w := newTown(t, false)
	for i := range MaxBindings + 1 { // and those of the town
		w.grant("viewer", w.addUser(User{ID: fmt.Sprint("user", i), Type: UserAccount, Organizations: []string{"org"}}), w.folder)
		if i == MaxBindings/2 {
			w.commit(false)
		}
	}
	w.commit(false)
	w.refused(w.update(w.admin, w.folder, plus("viewer", w.ann)), "TOO_MANY_BINDINGS")
	w.refused(w.update(w.admin, w.folder, minus("viewer", Subject{UserAccount, "user0"})), "")
}
