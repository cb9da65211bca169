package catalogue

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestShipped_IsItsOwnSource(t *testing.T) {
	again, err := Parse(ShippedSource())
	if err != nil {
		t.Fatal(err)
	}
	ignore := cmpopts.IgnoreUnexported(Role{})
	c := Shipped()
	if diff := cmp.Diff(c.Roles(), again.Roles(), ignore); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(c.Kinds(), again.Kinds()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(c.Permissions(), again.Permissions()); diff != "" {
		t.Error(diff)
	}
	if c.Digest() != again.Digest() || len(c.Digest()) != 64 {
		t.Errorf("digests %s and %s", c.Digest(), again.Digest())
	}
	if c.Schema(nil) != again.Schema(nil) {
		t.Error("the schemas differ")
	}
}

func TestShipped_IsOfTheSizeThatIsSaid(t *testing.T) {
	c := Shipped()
	if n := len(c.Roles()); n < 600 {
		t.Errorf("%d roles", n)
	}
	if n := len(c.Permissions()); n < 2000 || n > 5000 {
		t.Errorf("%d permissions", n)
	}
	services := map[string]bool{}
	for _, p := range c.Permissions() {
		service, _, _ := strings.Cut(p, ".")
		services[service] = true
	}
	if len(services) < 70 {
		t.Errorf("%d services", len(services))
	}
	unknown := 0
	for _, r := range c.Roles() {
		if !r.Known {
			unknown++
		}
		if r.Known == (len(r.Permissions) == 0) {
			t.Errorf("%s: known %v, %d permissions", r.ID, r.Known, len(r.Permissions))
		}
	}
	if unknown > 20 {
		t.Errorf("%d roles of which nothing is known", unknown)
	}
}

// Every name that the schema declares is short enough and there once.
func TestShipped_NamesDoNotCollide(t *testing.T) {
	c := Shipped()
	seen := map[string]string{}
	declare := func(name, what string) {
		if other, twice := seen[name]; twice {
			t.Errorf("%s and %s are both called %s", what, other, name)
		}
		if len(name) > MaxName {
			t.Errorf("%s is called %s: %d bytes", what, name, len(name))
		}
		seen[name] = what
	}
	for _, name := range taken {
		declare(name, "a word of the schema")
	}
	for _, r := range c.Roles() {
		if strings.Contains(r.ID, "_") {
			t.Errorf("role %s", r.ID)
		}
		declare(NameOf(r.ID), "role "+r.ID)
		declare(RelationOf(r.ID), "bindings of "+r.ID)
	}
	for _, p := range c.Permissions() {
		if strings.Contains(p, "_") {
			t.Errorf("permission %s", p)
		}
		declare(NameOf(p), "permission "+p)
	}
}

func TestShipped_IsSorted(t *testing.T) {
	c := Shipped()
	if !slices.IsSorted(c.Permissions()) {
		t.Error("permissions")
	}
	if !slices.IsSortedFunc(c.Roles(), func(a, b *Role) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("roles")
	}
	if !slices.IsSortedFunc(c.Kinds(), func(a, b *Kind) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("kinds")
	}
	for _, r := range c.Roles() {
		if !slices.IsSorted(r.Permissions) || !slices.IsSorted(r.Kinds) {
			t.Errorf("role %s", r.ID)
		}
	}
}

// What the layer's own operations ask for, by kind or by name.
func TestShipped_HasWhatTheLayerAsksFor(t *testing.T) {
	c := Shipped()
	for _, k := range c.Kinds() {
		for _, a := range everyKind {
			if p := k.Permissions + "." + a; !c.HasPermission(p) {
				t.Errorf("%s is missing", p)
			}
		}
	}
	for prefix, actions := range map[string]string{
		"iam.serviceAccounts":                "get list listOperations create update delete use createToken suspend reactivate listAccessBindings updateAccessBindings",
		"iam.keys":                           "get list listOperations create update delete",
		"iam.apiKeys":                        "get list listOperations create update delete",
		"iam.accessKeys":                     "get list listOperations create update delete",
		"iam.roles":                          "get list create update delete",
		"iam.federatedCredentials":           "get list create delete",
		"iam.workloadIdentityFederations":    "get list create update delete use listAccessBindings updateAccessBindings",
		"iam.refreshTokens":                  "list revoke",
		"iam.quotas":                         "get",
		"resource-manager.clouds":            "get list listOperations create update delete listAccessBindings updateAccessBindings",
		"resource-manager.folders":           "get list listOperations create update delete listAccessBindings updateAccessBindings",
		"organization-manager.organizations": "get list listOperations update delete transfer listAccessBindings updateAccessBindings",
		"organization-manager.groups":        "get list listOperations create update delete listMembers updateMembers listAccessBindings updateAccessBindings",
		"organization-manager.users":         "get list create delete",
		"compute.instances":                  "get list create update delete start stop restart use listAccessBindings updateAccessBindings",
		"compute.instanceGroups":             "get list create update delete start stop restart use rollingRestart rollingRecreate listAccessBindings updateAccessBindings",
		"compute.images":                     "get list use",
		"kms.symmetricKeys":                  "get list create update delete encrypt decrypt",
	} {
		for a := range strings.FieldsSeq(actions) {
			if p := prefix + "." + a; !c.HasPermission(p) {
				t.Errorf("%s is missing", p)
			}
		}
	}
}

func TestShipped_HasTheKindsOfTheLayer(t *testing.T) {
	for id, parent := range map[string]string{
		"organization-manager.organization": "", "resource-manager.cloud": "organization-manager.organization", "resource-manager.folder": "resource-manager.cloud",
		"iam.serviceAccount": "resource-manager.folder", "iam.key": "iam.serviceAccount", "organization-manager.group": "organization-manager.organization",
		"organization-manager.federation": "organization-manager.organization", "compute.instance": "resource-manager.folder", "compute.instanceGroup": "resource-manager.folder",
		"kms.symmetricKey": "resource-manager.folder", "load-balancer.networkLoadBalancer": "resource-manager.folder", "alb.loadBalancer": "resource-manager.folder", "k8s.cluster": "resource-manager.folder",
	} {
		k, ok := Shipped().Kind(id)
		if !ok || strings.Join(k.Parents, " ") != parent {
			t.Errorf("%s: %+v", id, k)
		}
	}
}

// Inclusion is at least inclusion of permissions, along the whole catalogue.
func TestRoles_HaveWhatTheyInclude(t *testing.T) {
	for _, r := range Shipped().Roles() {
		for _, id := range r.Includes {
			for _, p := range role(t, id).Permissions {
				if !r.Has(p) {
					t.Errorf("%s includes %s but has not %s", r.ID, id, p)
				}
			}
		}
	}
}
