package catalogue

import (
	"slices"
	"strings"
	"testing"
)

// A fact is what the vendor's documents say of a role: what it includes, what
// it grants, and what it must not.
type fact struct {
	role     string
	includes string // all direct ones, sorted
	has      string
	hasNot   string
}

// The rows of section 1.3 of the facts, in their order.
var facts13 = []fact{
	{"auditor", "",
		"compute.instances.get compute.instances.list compute.instances.listOperations iam.keys.list resource-manager.folders.get",
		"storage.objects.get compute.instances.getSerialPortOutput lockbox.payloads.get logging.records.read compute.instances.create"},
	{"viewer", "auditor",
		"storage.objects.get compute.instances.getSerialPortOutput logging.records.read iam.serviceAccounts.get",
		"compute.instances.create iam.serviceAccounts.update iam.serviceAccounts.use kms.symmetricKeys.decrypt lockbox.payloads.get"},
	{"editor", "viewer",
		"compute.instances.create compute.instances.update compute.instances.delete compute.instances.use resource-manager.folders.create kms.symmetricKeys.update iam.serviceAccounts.use",
		"iam.serviceAccounts.updateAccessBindings resource-manager.clouds.updateAccessBindings compute.instances.updateAccessBindings organization-manager.groups.updateMembers iam.roles.create " +
			"organization-manager.organizations.transfer organization-manager.organizations.delete resource-manager.clouds.delete " +
			"kms.symmetricKeys.delete kms.asymmetricEncryptionKeys.delete kms.asymmetricSignatureKeys.delete iam.serviceAccounts.createToken"},
	{"admin", "editor",
		"compute.instances.updateAccessBindings resource-manager.clouds.updateAccessBindings organization-manager.organizations.updateAccessBindings kms.symmetricKeys.delete iam.serviceAccounts.createToken iam.roles.create",
		"organization-manager.organizations.transfer organization-manager.organizations.delete resource-manager.clouds.delete"},
	{"iam.serviceAccounts.user", "",
		"iam.serviceAccounts.get iam.serviceAccounts.list iam.serviceAccounts.use",
		"iam.serviceAccounts.create iam.serviceAccounts.update iam.serviceAccounts.delete iam.serviceAccounts.createToken iam.serviceAccounts.updateAccessBindings iam.keys.create"},
	{"iam.serviceAccounts.admin", "iam.serviceAccounts.keyAdmin iam.serviceAccounts.tokenCreator",
		"iam.serviceAccounts.get iam.serviceAccounts.list iam.serviceAccounts.create iam.serviceAccounts.use iam.serviceAccounts.update iam.serviceAccounts.delete iam.serviceAccounts.listAccessBindings iam.serviceAccounts.updateAccessBindings iam.serviceAccounts.createToken iam.keys.create iam.apiKeys.create iam.accessKeys.create resource-manager.folders.get",
		"resource-manager.folders.update resource-manager.folders.updateAccessBindings compute.instances.updateAccessBindings"},
	{"iam.serviceAccounts.accessKeyAdmin", "",
		"iam.accessKeys.list iam.accessKeys.get iam.accessKeys.create iam.accessKeys.update iam.accessKeys.delete",
		"iam.keys.create iam.apiKeys.create iam.serviceAccounts.update iam.serviceAccounts.createToken"},
	{"iam.serviceAccounts.apiKeyAdmin", "",
		"iam.apiKeys.list iam.apiKeys.get iam.apiKeys.create iam.apiKeys.update iam.apiKeys.delete",
		"iam.keys.create iam.accessKeys.create iam.serviceAccounts.update iam.serviceAccounts.createToken"},
	{"iam.serviceAccounts.authorizedKeyAdmin", "",
		"iam.keys.get iam.keys.create iam.keys.update iam.keys.delete",
		"iam.apiKeys.create iam.accessKeys.create iam.serviceAccounts.update iam.serviceAccounts.createToken"},
	{"iam.serviceAccounts.keyAdmin", "iam.serviceAccounts.accessKeyAdmin iam.serviceAccounts.apiKeyAdmin iam.serviceAccounts.authorizedKeyAdmin",
		"iam.keys.create iam.apiKeys.create iam.accessKeys.create iam.keys.delete iam.apiKeys.delete iam.accessKeys.delete",
		"iam.serviceAccounts.update iam.serviceAccounts.delete iam.serviceAccounts.createToken iam.serviceAccounts.updateAccessBindings"},
	{"iam.serviceAccounts.tokenCreator", "",
		"iam.serviceAccounts.createToken",
		"iam.serviceAccounts.updateAccessBindings iam.serviceAccounts.delete iam.serviceAccounts.update iam.keys.create"},
	{"iam.serviceAccounts.federatedCredentialViewer", "",
		"iam.federatedCredentials.list iam.federatedCredentials.get",
		"iam.federatedCredentials.create iam.federatedCredentials.delete"},
	{"iam.serviceAccounts.federatedCredentialEditor", "iam.serviceAccounts.federatedCredentialViewer",
		"iam.federatedCredentials.list iam.federatedCredentials.create iam.federatedCredentials.delete",
		"iam.workloadIdentityFederations.use iam.serviceAccounts.update"},
	{"iam.workloadIdentityFederations.auditor", "",
		"iam.workloadIdentityFederations.get iam.workloadIdentityFederations.list",
		"iam.workloadIdentityFederations.update iam.workloadIdentityFederations.use"},
	{"iam.workloadIdentityFederations.viewer", "iam.workloadIdentityFederations.auditor",
		"iam.workloadIdentityFederations.get",
		"iam.workloadIdentityFederations.update iam.workloadIdentityFederations.use"},
	{"iam.workloadIdentityFederations.user", "",
		"iam.workloadIdentityFederations.use",
		"iam.workloadIdentityFederations.update iam.workloadIdentityFederations.delete"},
	{"iam.workloadIdentityFederations.editor", "iam.workloadIdentityFederations.viewer",
		"iam.workloadIdentityFederations.create iam.workloadIdentityFederations.update iam.workloadIdentityFederations.delete",
		"iam.workloadIdentityFederations.use iam.workloadIdentityFederations.updateAccessBindings"},
	{"iam.workloadIdentityFederations.admin", "iam.workloadIdentityFederations.editor iam.workloadIdentityFederations.user",
		"iam.workloadIdentityFederations.delete iam.workloadIdentityFederations.use iam.workloadIdentityFederations.updateAccessBindings",
		"iam.serviceAccounts.update"},
	{"iam.userAccounts.refreshTokenViewer", "", "iam.refreshTokens.list", "iam.refreshTokens.revoke"},
	{"iam.userAccounts.refreshTokenRevoker", "", "iam.refreshTokens.revoke", "iam.serviceAccounts.update"},
	{"iam.auditor", "",
		"iam.serviceAccounts.get iam.serviceAccounts.list iam.serviceAccounts.listAccessBindings iam.keys.list iam.apiKeys.list iam.accessKeys.list iam.serviceAccounts.listOperations iam.quotas.get resource-manager.clouds.get resource-manager.folders.get",
		"iam.serviceAccounts.use iam.serviceAccounts.update resource-manager.folders.update compute.instances.get"},
	{"iam.viewer", "iam.auditor",
		"iam.serviceAccounts.get iam.keys.get iam.quotas.get",
		"iam.serviceAccounts.use iam.serviceAccounts.update iam.refreshTokens.list"},
	{"iam.editor", "iam.serviceAccounts.federatedCredentialEditor iam.userAccounts.refreshTokenRevoker iam.userAccounts.refreshTokenViewer iam.viewer",
		"iam.serviceAccounts.create iam.serviceAccounts.use iam.serviceAccounts.update iam.serviceAccounts.delete iam.keys.create iam.apiKeys.create iam.accessKeys.create resource-manager.folders.create resource-manager.folders.update resource-manager.folders.delete",
		"iam.serviceAccounts.updateAccessBindings resource-manager.folders.updateAccessBindings iam.serviceAccounts.createToken resource-manager.clouds.update"},
	{"iam.admin", "iam.editor iam.serviceAccounts.admin iam.serviceAccounts.user iam.workloadIdentityFederations.admin",
		"iam.serviceAccounts.updateAccessBindings iam.serviceAccounts.createToken organization-manager.federations.get",
		"compute.instances.create resource-manager.clouds.delete organization-manager.federations.update"},
	{"resource-manager.admin", "resource-manager.editor", "resource-manager.clouds.updateAccessBindings resource-manager.folders.updateAccessBindings", "resource-manager.clouds.delete"},
	{"organization-manager.admin", "", "organization-manager.organizations.updateAccessBindings organization-manager.users.create organization-manager.groups.updateMembers", "organization-manager.organizations.delete organization-manager.organizations.transfer"},
	{"resource-manager.clouds.owner", "admin resource-manager.admin resource-manager.clouds.member", "resource-manager.clouds.delete resource-manager.clouds.updateAccessBindings compute.instances.create", "organization-manager.organizations.delete organization-manager.organizations.transfer"},
	{"organization-manager.organizations.owner", "organization-manager.admin", "organization-manager.organizations.delete organization-manager.organizations.transfer resource-manager.clouds.delete resource-manager.clouds.create", ""},
	{"compute.editor", "",
		"compute.instances.create compute.instances.update compute.instances.start compute.instances.restart compute.instances.stop compute.instances.delete compute.instanceGroups.create",
		"iam.serviceAccounts.use compute.instances.updateAccessBindings"},
	{"load-balancer.editor", "load-balancer.privateAdmin",
		"load-balancer.networkLoadBalancers.create load-balancer.networkLoadBalancers.createExternal load-balancer.targetGroups.use vpc.subnets.use",
		"vpc.addresses.createExternal load-balancer.networkLoadBalancers.updateAccessBindings"},
	{"alb.editor", "alb.user load-balancer.privateAdmin vpc.user",
		"alb.loadBalancers.create alb.targetGroups.update load-balancer.networkLoadBalancers.create vpc.networks.use",
		"vpc.addresses.createExternal load-balancer.networkLoadBalancers.createExternal alb.loadBalancers.updateAccessBindings"},
}

func TestFacts13_EachRole(t *testing.T) {
	for _, f := range facts13 {
		t.Run(f.role, func(t *testing.T) {
			r := role(t, f.role)
			got := slices.Sorted(slices.Values(r.Includes))
			if f.includes != "" && !slices.Equal(got, strings.Fields(f.includes)) {
				t.Errorf("includes %v, want %s", got, f.includes)
			}
			if !r.Known {
				t.Error("its content is not known")
			}
			expect(t, r, f.has, f.hasNot)
		})
	}
}

// expect compares what a role grants with lists of permissions that exist.
func expect(t *testing.T, r *Role, has, hasNot string) {
	t.Helper()
	for _, p := range strings.Fields(has) {
		if !r.Has(p) {
			t.Errorf("%s has not %s", r.ID, p)
		}
	}
	for _, p := range strings.Fields(hasNot) {
		if !Shipped().HasPermission(p) {
			t.Errorf("there is no permission %s", p)
		}
		if r.Has(p) {
			t.Errorf("%s has %s", r.ID, p)
		}
	}
}

// The auditor sees nothing of what services hold: no permission of its is above
// the tier, whatever the service.
func TestFacts13_AuditorHasTheFirstTierOnly(t *testing.T) {
	v := tableOf(t)
	for _, p := range role(t, "auditor").Permissions {
		if v.tiers[v.index[p]] != audit {
			t.Errorf("auditor has %s", p)
		}
	}
}

func tableOf(t testing.TB) *verbs {
	t.Helper()
	rows, err := cut(ShippedSource())
	if err != nil {
		t.Fatal(err)
	}
	v, err := newVerbs(rows["verbs"])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// "Except" in the texts of editor and admin is what is absent from them: of all
// permissions, these are the ones.
func TestFacts15_4_ExclusionsAreAbsentPermissions(t *testing.T) {
	var got []string
	for _, p := range Shipped().Permissions() {
		if !role(t, "admin").Has(p) {
			got = append(got, p)
		}
	}
	want := []string{
		"marketplace.publishers.own",
		"organization-manager.organizations.create", "organization-manager.organizations.delete", "organization-manager.organizations.transfer",
		"resource-manager.clouds.bindBillingAccount", "resource-manager.clouds.delete",
	}
	if !slices.Equal(got, want) {
		t.Errorf("admin has not %v, want %v", got, want)
	}
	for _, p := range role(t, "editor").Permissions {
		if strings.HasSuffix(p, ".updateAccessBindings") || strings.HasPrefix(p, "kms.") && strings.HasSuffix(p, ".delete") {
			t.Errorf("editor has %s", p)
		}
	}
}
