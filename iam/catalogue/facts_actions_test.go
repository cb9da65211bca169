package catalogue

import (
	"slices"
	"strings"
	"testing"
)

// A need is a row of "what roles do I need": the permissions that the action
// asks for, and the least roles that suffice.
type need struct {
	row    string
	asks   string
	enough string // each alone grants all of it
	not    string // each lacks at least one
}

// Section 1.4. Rows 1 and 2 ask for no role. Row 10 asks for a role, not for a
// permission: see TestFacts15_2.
var facts14 = []need{
	{"3 view a service account", "iam.serviceAccounts.get iam.serviceAccounts.list iam.serviceAccounts.listOperations",
		"iam.serviceAccounts.user viewer", "iam.serviceAccounts.tokenCreator compute.editor resource-manager.admin"},
	{"4 view a cloud", "resource-manager.clouds.get resource-manager.clouds.list", "iam.auditor auditor resource-manager.viewer", "iam.serviceAccounts.user compute.viewer"},
	{"4 view a folder", "resource-manager.folders.get resource-manager.folders.list", "iam.auditor auditor resource-manager.viewer", "iam.serviceAccounts.user compute.viewer"},
	{"6 create a service account", "iam.serviceAccounts.create", "iam.serviceAccounts.admin iam.editor editor", "iam.serviceAccounts.user iam.serviceAccounts.keyAdmin viewer compute.admin"},
	{"7 update or delete a service account", "iam.serviceAccounts.update iam.serviceAccounts.delete", "editor iam.editor iam.serviceAccounts.admin", "viewer iam.serviceAccounts.user iam.serviceAccounts.tokenCreator iam.serviceAccounts.keyAdmin"},
	{"8 create and delete static keys", "iam.accessKeys.create iam.accessKeys.delete", "iam.serviceAccounts.accessKeyAdmin iam.serviceAccounts.keyAdmin iam.serviceAccounts.admin editor", "iam.serviceAccounts.apiKeyAdmin iam.serviceAccounts.authorizedKeyAdmin iam.serviceAccounts.user viewer"},
	{"8 create and delete API keys", "iam.apiKeys.create iam.apiKeys.delete", "iam.serviceAccounts.apiKeyAdmin iam.serviceAccounts.keyAdmin iam.serviceAccounts.admin editor", "iam.serviceAccounts.accessKeyAdmin iam.serviceAccounts.authorizedKeyAdmin iam.serviceAccounts.user viewer"},
	{"8 create and delete authorized keys", "iam.keys.create iam.keys.delete", "iam.serviceAccounts.authorizedKeyAdmin iam.serviceAccounts.keyAdmin iam.serviceAccounts.admin editor", "iam.serviceAccounts.accessKeyAdmin iam.serviceAccounts.apiKeyAdmin iam.serviceAccounts.user viewer"},
	{"9 add a user to the cloud", "resource-manager.clouds.updateAccessBindings", "admin resource-manager.admin", "editor resource-manager.editor compute.admin"},
	{"11 grant and revoke roles", "compute.instances.updateAccessBindings compute.instances.listAccessBindings", "admin compute.admin", "editor compute.editor viewer iam.serviceAccounts.admin"},
	{"11 view roles", "compute.instances.listAccessBindings", "admin compute.viewer viewer", "compute.auditor iam.auditor"},
	{"12 token of a service account", "iam.serviceAccounts.createToken", "iam.serviceAccounts.tokenCreator iam.serviceAccounts.admin iam.admin admin", "editor iam.editor viewer iam.serviceAccounts.user iam.serviceAccounts.keyAdmin"},

	{"resource manager: create a cloud", "resource-manager.clouds.create", "resource-manager.editor editor", "resource-manager.viewer viewer iam.editor"},
	{"resource manager: update a cloud or folder", "resource-manager.clouds.update resource-manager.folders.update", "resource-manager.editor editor", "resource-manager.viewer viewer iam.editor"},
	{"resource manager: create and delete a folder", "resource-manager.folders.create resource-manager.folders.delete", "resource-manager.editor editor iam.editor", "resource-manager.viewer viewer"},
	{"resource manager: delete a cloud", "resource-manager.clouds.delete", "resource-manager.clouds.owner organization-manager.organizations.owner", "admin resource-manager.admin organization-manager.admin iam.admin resource-manager.clouds.member"},
	{"resource manager: list bindings", "resource-manager.clouds.listAccessBindings resource-manager.folders.listAccessBindings", "resource-manager.viewer viewer resource-manager.auditor", "resource-manager.clouds.member"},
	{"resource manager: change bindings", "resource-manager.clouds.updateAccessBindings resource-manager.folders.updateAccessBindings", "resource-manager.admin admin", "resource-manager.editor editor"},
	{"compute: view", "compute.instances.get compute.instances.getSerialPortOutput compute.instances.listAccessBindings compute.instanceGroups.get", "compute.viewer viewer", "compute.auditor auditor"},
	{"compute: start, stop, restart", "compute.instances.start compute.instances.stop compute.instances.restart compute.instanceGroups.start compute.instanceGroups.stop compute.instanceGroups.rollingRestart compute.instanceGroups.rollingRecreate", "compute.operator compute.editor editor", "compute.viewer viewer"},
	{"compute: create, change, delete", "compute.instances.create compute.instances.update compute.instances.delete", "compute.editor editor", "compute.operator compute.osAdminLogin"},
	{"compute: a public address", "vpc.addresses.createExternal", "vpc.publicAdmin vpc.admin", "compute.editor compute.admin vpc.user vpc.privateAdmin"},
}

func TestFacts14_EachAction(t *testing.T) {
	for _, n := range facts14 {
		t.Run(n.row, func(t *testing.T) {
			asks := strings.Fields(n.asks)
			for _, id := range strings.Fields(n.enough) {
				for _, p := range asks {
					if !role(t, id).Has(p) {
						t.Errorf("%s has not %s", id, p)
					}
				}
			}
			for _, id := range strings.Fields(n.not) {
				r := role(t, id)
				if !slices.ContainsFunc(asks, func(p string) bool { return !r.Has(p) }) {
					t.Errorf("%s has all of %s", id, n.asks)
				}
			}
		})
	}
}

func TestFacts14_5_ViewerViewsEveryKind(t *testing.T) {
	for _, k := range Shipped().Kinds() {
		expect(t, role(t, "viewer"), k.Permissions+".get "+k.Permissions+".list", k.Permissions+".create "+k.Permissions+".delete")
	}
}

// assigners may change the bindings of every kind of resource, wherever they have the role.
var assigners = strings.Fields("admin iam.admin resource-manager.admin organization-manager.admin resource-manager.clouds.owner organization-manager.organizations.owner")

func TestFacts15_1_WhoMayAssignRoles(t *testing.T) {
	own := map[string]string{"compute.admin": "compute", "iam.serviceAccounts.admin": "iam.serviceAccounts", "organization-manager.groups.admin": "organization-manager.groups"}
	for _, k := range Shipped().Kinds() {
		p := k.Permissions + ".updateAccessBindings"
		for _, id := range assigners {
			expect(t, role(t, id), p+" "+k.Permissions+".listAccessBindings", "")
		}
		for id, scope := range own {
			if has := role(t, id).Has(p); has != strings.HasPrefix(p, scope+".") {
				t.Errorf("%s has %s: %v", id, p, has)
			}
		}
		for _, id := range strings.Fields("auditor viewer editor iam.editor compute.editor resource-manager.editor organization-manager.editor") {
			expect(t, role(t, id), "", p)
		}
	}
}

// Who owns is a question about the role itself, which no other role answers.
func TestFacts15_2_OnlyOwnersOwn(t *testing.T) {
	owners := []string{"organization-manager.organizations.owner", "resource-manager.clouds.owner"}
	for _, r := range Shipped().Roles() {
		if r.Owner != slices.Contains(owners, r.ID) {
			t.Errorf("%s: owner %v", r.ID, r.Owner)
		}
		for _, o := range owners {
			if r.ID != o && includes(t, r, o) {
				t.Errorf("%s includes %s", r.ID, o)
			}
		}
	}
}

// Section 1.5.5: who names the account of an instance group needs the right to
// use it, which the right to make groups does not bring.
func TestFacts15_5_GroupAndItsAccountAreApart(t *testing.T) {
	for _, id := range strings.Fields("compute.editor compute.admin load-balancer.editor alb.editor vpc.user") {
		expect(t, role(t, id), "", "iam.serviceAccounts.use")
	}
}

func TestFacts15_7_KeysStandInTheirAccount(t *testing.T) {
	for _, id := range strings.Fields("iam.key iam.apiKey iam.accessKey iam.federatedCredential") {
		k, ok := Shipped().Kind(id)
		if !ok || !slices.Equal(k.Parents, []string{"iam.serviceAccount"}) {
			t.Errorf("%s: %+v", id, k)
		}
	}
}

func TestFacts15_8_KindsOfEachRole(t *testing.T) {
	const o, c, f = "organization-manager.organization", "resource-manager.cloud", "resource-manager.folder"
	for _, row := range []struct{ role, on, not string }{
		{"resource-manager.clouds.owner", c, o + " " + f + " compute.instance"},
		{"resource-manager.clouds.member", c, o + " " + f},
		{"organization-manager.organizations.owner", o, c + " " + f},
		{"iam.userAccounts.refreshTokenViewer", o, c + " " + f + " iam.serviceAccount"},
		{"iam.userAccounts.refreshTokenRevoker", o, c + " " + f + " iam.serviceAccount"},
		{"vpc.publicAdmin", c + " " + f, o + " vpc.network"},
		{"alb.user", f, o + " " + c + " alb.loadBalancer"},
		{"iam.serviceAccounts.tokenCreator", o + " " + c + " " + f + " iam.serviceAccount", "compute.instance iam.key"},
		{"iam.workloadIdentityFederations.user", o + " " + c + " " + f + " iam.workloadIdentityFederation", "iam.serviceAccount"},
		{"organization-manager.groups.admin", o + " organization-manager.group", c + " " + f},
		{"compute.editor", o + " " + c + " " + f + " compute.instance compute.instanceGroup compute.disk", "vpc.network iam.serviceAccount"},
		{"kms.keys.encrypterDecrypter", o + " " + c + " " + f + " kms.symmetricKey", "lockbox.secret"},
		{"vpc.user", o + " " + c + " " + f + " vpc.network vpc.subnet", "compute.instance"},
		{"load-balancer.editor", o + " " + c + " " + f, "load-balancer.networkLoadBalancer"},
		{"billing.accounts.viewer", "billing.account", o + " " + c},
		{"admin", o + " " + c + " " + f + " compute.instance iam.serviceAccount kms.symmetricKey organization-manager.group", ""},
	} {
		r := role(t, row.role)
		for _, k := range strings.Fields(row.on) {
			if !r.AllowedOn(k) {
				t.Errorf("%s may not be assigned on %s", row.role, k)
			}
		}
		for _, k := range strings.Fields(row.not) {
			if _, known := Shipped().Kind(k); !known || r.AllowedOn(k) {
				t.Errorf("%s may be assigned on %s (known: %v)", row.role, k, known)
			}
		}
	}
}
