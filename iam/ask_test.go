package iam

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/authz"
)

var latest = authz.Consistency{Level: authz.Latest}

// asks authorizes and returns "yes", "no" or the reason of an error.
func (w *town) asks(r AuthorizeRequest) string {
	w.t.Helper()
	r.Consistency = latest
	a, err := w.Authorize(w.t.Context(), &r)
	if err != nil {
		return reason(err)
	}
	return map[bool]string{true: "yes", false: "no"}[a.Allowed]
}

func TestAuthorize_PathsLeadUp(t *testing.T) {
	w := newTown(t, false)
	vm, disk := Resource{"compute.instance", "vm"}, Resource{"compute.disk", "unknown"}
	w.below(vm, w.folder)
	other := w.addFolder("other", w.cloud)
	w.grant("viewer", w.nobody, w.folder)
	w.commit(false)
	for _, c := range []struct {
		path []Resource
		want string
	}{
		{[]Resource{vm}, "yes"},
		{[]Resource{vm, w.folder}, "yes"},
		{[]Resource{vm, w.folder, w.cloud, w.org}, "yes"},
		{[]Resource{disk, w.folder}, "yes"},
		{[]Resource{disk, vm, w.folder}, "yes"},
		{[]Resource{disk, {"compute.snapshot", "x"}, w.folder, w.cloud}, "yes"},
		{[]Resource{disk, other}, "no"},
		{[]Resource{disk}, "no"},
		{[]Resource{w.cloud}, "no"},
		{[]Resource{vm, other}, "PATH_CONTRADICTS"},
		{[]Resource{other, w.folder}, "PATH_CONTRADICTS"},
		{[]Resource{vm, w.cloud}, "PATH_CONTRADICTS"},
		{[]Resource{vm, disk, w.folder}, "PATH_CONTRADICTS"},
		{[]Resource{vm, w.folder, w.cloud, w.org, w.org}, "PATH_CONTRADICTS"},
		{[]Resource{w.org, w.folder}, "PATH_CONTRADICTS"},
		{nil, "INVALID_FIELD"},
		{make([]Resource, maxPath+1), "INVALID_FIELD"},
		{[]Resource{{"resource-manager.folder", ""}}, "INVALID_FIELD"},
		{[]Resource{{"resource-manager.folder/folder", "x"}}, "INVALID_FIELD"},
		{[]Resource{{"resource-manager.folder", "a b"}}, "INVALID_FIELD"},
		{[]Resource{{"compute.dish", "d"}, w.folder}, "UNKNOWN_KIND"},
		{[]Resource{{"folder", "folder"}}, "UNKNOWN_KIND"},
	} {
		if got := w.asks(AuthorizeRequest{Subject: w.nobody, Permission: "compute.instances.get", Path: c.path}); got != c.want {
			t.Errorf("%v: %s, want %s", c.path, got, c.want)
		}
	}
}

// The table of 1.4, row by row: who has just the role may do it, who has another
// may not. Every other role that may is in the catalogue's own tests.
func TestAuthorize_TableOfRoles(t *testing.T) {
	w := newTown(t, false)
	for _, row := range []struct {
		row        string
		role       string
		on         Resource
		permission string
		not        string // a role with which it may not be done
	}{
		{"3 view service account", "iam.serviceAccounts.user", w.sa, "iam.serviceAccounts.get", "compute.viewer"},
		{"3 view service account", "viewer", w.sa, "iam.serviceAccounts.listOperations", "compute.viewer"},
		{"4 view folder", "iam.auditor", w.folder, "resource-manager.folders.get", "compute.images.user"},
		{"4 view cloud", "iam.auditor", w.cloud, "resource-manager.clouds.get", "compute.images.user"},
		{"5 view any resource", "viewer", w.folder, "compute.instances.get", "iam.viewer"},
		{"6 create service account", "iam.serviceAccounts.admin", w.folder, "iam.serviceAccounts.create", "iam.serviceAccounts.keyAdmin"},
		{"7 update service account", "editor", w.sa, "iam.serviceAccounts.update", "viewer"},
		{"7 delete service account", "editor", w.sa, "iam.serviceAccounts.delete", "iam.serviceAccounts.tokenCreator"},
		{"8 create static key", "iam.serviceAccounts.accessKeyAdmin", w.sa, "iam.accessKeys.create", "iam.serviceAccounts.apiKeyAdmin"},
		{"8 create API key", "iam.serviceAccounts.apiKeyAdmin", w.sa, "iam.apiKeys.create", "iam.serviceAccounts.authorizedKeyAdmin"},
		{"8 create authorized key", "iam.serviceAccounts.authorizedKeyAdmin", w.sa, "iam.keys.create", "iam.serviceAccounts.accessKeyAdmin"},
		{"8 delete any key", "iam.serviceAccounts.keyAdmin", w.sa, "iam.keys.delete", "viewer"},
		{"9 add a user to the cloud", "admin", w.cloud, "resource-manager.clouds.updateAccessBindings", "editor"},
		{"10 make an owner of the cloud", CloudOwner, w.cloud, CloudOwner, "admin"},
		{"11 grant roles", "admin", w.sa, "iam.serviceAccounts.updateAccessBindings", "editor"},
		{"12 token for an account", "iam.serviceAccounts.tokenCreator", w.sa, "iam.serviceAccounts.createToken", "iam.serviceAccounts.user"},
	} {
		may, mayNot := w.addAccount("may", w.folder), w.addAccount("may-not", w.folder)
		w.grant(row.role, may, row.on)
		w.grant(row.not, mayNot, row.on)
		w.commit(false)
		if !w.can(may, row.permission, row.on) {
			t.Errorf("row %s: %s may not", row.row, row.role)
		}
		if w.can(mayNot, row.permission, row.on) {
			t.Errorf("row %s: %s may", row.row, row.not)
		}
		w.updates = append(w.updates, deleted(BindingAt{row.on, Binding{row.role, may}}.tuple()), deleted(BindingAt{row.on, Binding{row.not, mayNot}}.tuple()))
		w.commit(false)
		if w.can(may, row.permission, row.on) {
			t.Errorf("row %s: may without the role", row.row)
		}
	}
}

// What is not in the catalogue is no permission, though the schema may have it.
func TestAuthorize_KnowsPermissionsAndRolesOnly(t *testing.T) {
	w := newTown(t, false)
	for name, want := range map[string]string{
		"compute.instances.get": "yes", "viewer": "yes", "editor": "yes", "admin": "no", "resource-manager.clouds.owner": "no",
		"": "UNKNOWN_PERMISSION", "parent": "UNKNOWN_PERMISSION", "user": "UNKNOWN_PERMISSION", "r.editor": "UNKNOWN_PERMISSION",
		"compute.instances.fly": "UNKNOWN_PERMISSION", "resource_manager.clouds.owner": "UNKNOWN_PERMISSION",
	} {
		if got := w.asks(AuthorizeRequest{Subject: w.editor, Permission: name, Path: []Resource{w.folder}}); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestAuthorize_WhoIsNotWellIsNotDenied(t *testing.T) {
	w := newTown(t, false)
	call := w.as(w.editor)
	ask := func(want string) {
		t.Helper()
		for _, r := range []AuthorizeRequest{{Subject: w.editor}, {Token: call.Token}} {
			r.Permission, r.Path = "compute.instances.get", []Resource{w.folder}
			if got := w.asks(r); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
	ask("yes")
	ask("yes") // as remembered
	w.put(offKey("editor"), off{Suspended: true})
	w.commit(false)
	ask("ACCOUNT_SUSPENDED")
	w.put(offKey("editor"), off{ExpiresAt: 5})
	w.commit(false)
	ask("ACCOUNT_EXPIRED")
	w.records = append(w.records, dropped(offKey("editor")))
	w.commit(false)
	ask("yes")
	w.records = append(w.records, dropped(accountKey("editor")))
	w.commit(false)
	ask("ACCOUNT_DELETED")
	for _, r := range []AuthorizeRequest{{Subject: Subject{UserAccount, "x"}}, {Subject: Subject{FederatedUser, "ann"}}, {Subject: w.group}, {Subject: w.admin, Token: call.Token}, {Token: "t1.x.y"}} {
		r.Permission, r.Path = "compute.instances.get", []Resource{w.folder}
		if got := w.asks(r); got == "yes" || got == "no" {
			t.Errorf("%+v: %s", r.Subject, got)
		}
	}
}

func TestAuthorize_RevokedTokenIsForgotten(t *testing.T) {
	w := newTown(t, false)
	r := AuthorizeRequest{Token: w.as(w.editor).Token, Permission: "viewer", Path: []Resource{w.folder}}
	if got := w.asks(r); got != "yes" {
		t.Fatal(got)
	}
	c, err := w.Authenticate(t.Context(), r.Token, latest)
	if err != nil {
		t.Fatal(err)
	}
	w.put(revokedKey(c.TokenID), struct{}{})
	w.commit(false)
	if got := w.asks(r); got != "TOKEN_REVOKED" {
		t.Error(got)
	}
}

// Public groups of 1.1: with and without authentication.
func TestAuthorize_PublicGroups(t *testing.T) {
	w := newTown(t, false)
	open := w.addFolder("open", w.cloud)
	w.grant("compute.images.user", Subject{System, AllAuthenticatedUsers}, w.folder)
	w.grant("compute.images.user", Subject{System, AllUsers}, open)
	w.commit(false)
	ask := func(who Subject, on Resource) string {
		return w.asks(AuthorizeRequest{Subject: who, Permission: "compute.images.use", Path: []Resource{on}})
	}
	for _, who := range []Subject{w.nobody, w.ann} {
		if a, b := ask(who, w.folder), ask(who, open); a != "yes" || b != "yes" {
			t.Error(who, a, b)
		}
	}
	if a, b := ask(Subject{}, w.folder), ask(Subject{}, open); a != "no" || b != "yes" {
		t.Error("anonymous", a, b)
	}
}

func TestAuthorize_ExplainsByWhichBinding(t *testing.T) {
	w := newTown(t, false)
	crew := w.addGroup("viewers", w.org, w.nobody)
	w.grant("compute.viewer", crew, w.cloud)
	vm := Resource{"compute.instance", "vm"}
	w.below(vm, w.folder)
	w.commit(false)
	for _, c := range []struct {
		path, whole []Resource
	}{
		{[]Resource{vm}, []Resource{vm, w.folder, w.cloud, w.org}},
		{[]Resource{{"compute.disk", "d"}, w.folder}, []Resource{{"compute.disk", "d"}, w.folder, w.cloud, w.org}},
	} {
		a, err := w.Authorize(t.Context(), &AuthorizeRequest{Subject: w.nobody, Permission: "compute.instances.get", Path: c.path, Explain: true, Consistency: latest})
		if err != nil || !a.Allowed {
			t.Fatal(a, err)
		}
		if diff := cmp.Diff(&BindingAt{w.cloud, Binding{"compute.viewer", crew}}, a.Binding) + cmp.Diff(c.whole, a.Path); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBulkAuthorize_AnswersAtOneView(t *testing.T) {
	w := newTown(t, false)
	r := BulkRequest{Subject: w.editor, Permissions: []string{"compute.instances.get", "iam.serviceAccounts.updateAccessBindings"}, Paths: [][]Resource{{w.folder}, {w.cloud}}, Consistency: latest}
	indexes := func(f BulkFilter) (out []string) {
		t.Helper()
		r.Filter = f
		a, err := w.BulkAuthorize(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range a.Results {
			out = append(out, fmt.Sprint(x.Index, x.Allowed))
		}
		return out
	}
	if diff := cmp.Diff([]string{"0 true", "1 false", "2 false", "3 false"}, indexes(AllResults)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1 false", "2 false", "3 false"}, indexes(AllFailed)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1 false"}, indexes(FirstFailed)); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []BulkRequest{
		{}, {Actions: make([]Action, MaxActions+1)}, {Permissions: make([]string, 40), Paths: make([][]Resource, 40)},
		{Permissions: []string{"viewer"}, Paths: [][]Resource{{w.folder}}, Actions: []Action{{"viewer", []Resource{w.folder}}}},
	} {
		bad.Subject, bad.Consistency = w.editor, latest
		_, err := w.BulkAuthorize(t.Context(), &bad)
		w.refused(err, "INVALID_FIELD")
	}
	_, err := w.BulkAuthorize(t.Context(), &BulkRequest{Subject: w.editor, Consistency: latest, Actions: []Action{{"viewer", []Resource{w.folder}}, {"flyer", []Resource{w.folder}}}})
	w.refused(err, "UNKNOWN_PERMISSION")
}
