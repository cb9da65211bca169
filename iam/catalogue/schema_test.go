package catalogue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/store"
)

func TestSchema_CompilesAndStaysSmall(t *testing.T) {
	text := Shipped().Schema(nil)
	if len(text) > 700_000 {
		t.Errorf("%d bytes", len(text))
	}
	compile(t, text, store.New(store.Options{}).Symbols())
}

func TestSchema_WithAThousandCustomRolesCompiles(t *testing.T) {
	text := Shipped().Schema(customRoles(rand.New(rand.NewPCG(1, 1)), 1000, 50))
	if len(text) > 3_000_000 {
		t.Errorf("%d bytes", len(text))
	}
	compile(t, text, store.New(store.Options{}).Symbols())
}

func TestSchema_WithAllThatCustomRolesMayHaveIsOneThatTheEngineTakes(t *testing.T) {
	const roles = 5000
	text := Shipped().Schema(customRoles(rand.New(rand.NewPCG(3, 3)), roles, MaxCustomGrants/roles))
	if len(text) > 8<<20 {
		t.Errorf("%d bytes", len(text))
	}
}

// customRoles returns n roles of random permissions of the shipped catalogue.
func customRoles(rng *rand.Rand, n, permissions int) []CustomRole {
	all := Shipped().Permissions()
	out := make([]CustomRole, n)
	for i := range out {
		out[i].ID = fmt.Sprintf("aje%017d", i)
		for range permissions {
			out[i].Permissions = append(out[i].Permissions, all[rng.IntN(len(all))])
		}
	}
	return out
}

func TestSchema_DoesNotDependOnTheOrderOfCustomRoles(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	custom := customRoles(rng, 20, 30)
	want := Shipped().Schema(custom)
	given := slices.Clone(custom)
	rng.Shuffle(len(custom), func(i, j int) { custom[i], custom[j] = custom[j], custom[i] })
	for i := range custom {
		custom[i].Permissions = slices.Clone(custom[i].Permissions)
		slices.Reverse(custom[i].Permissions)
	}
	if Shipped().Schema(custom) != want {
		t.Error("the schema depends on the order")
	}
	slices.SortFunc(custom, func(a, b CustomRole) int { return strings.Compare(a.ID, b.ID) })
	if custom[0].ID != given[0].ID {
		t.Error("roles were changed")
	}
}

func TestSchema_LeavesOutCustomRolesThatCannotBe(t *testing.T) {
	for _, id := range []string{"", "parent", "user", "nil", "relation", "r.admin", "c.x1", "k.x1", "Upper", "under_score", "a b", "x\npermission admin", "admin", "compute.editor", "compute.instances.get", "a.", "-a", strings.Repeat("a", MaxRoleID+1)} {
		custom := []CustomRole{{ID: id, Permissions: []string{"iam.serviceAccounts.createToken"}}}
		if Shipped().Schema(custom) != Shipped().Schema(nil) {
			t.Errorf("custom role %q changes the schema", id)
		}
	}
}

func TestSchema_CustomRoleGrantsItsPermissionsOnly(t *testing.T) {
	w := newWorld(t, Shipped().Schema([]CustomRole{
		{ID: "ops", Permissions: []string{"compute.instances.start", "compute.instances.stop", "no.such.permission"}},
		{ID: "acme.starter", Permissions: []string{"compute.instances.start", "organization-manager.organizations.create"}},
	}))
	w.write("iam.resource:compute.instance/i", "parent", "iam.resource:resource-manager.folder/f")
	w.bind("ops", "resource-manager.folder/f", "iam.userAccount:ann")
	w.bind("acme.starter", "compute.instance/i", "iam.userAccount:bob")
	for _, q := range []struct {
		name, on, who string
		want          bool
	}{
		{"compute.instances.start", "compute.instance/i", "ann", true},
		{"compute.instances.stop", "compute.instance/i", "ann", true},
		{"ops", "compute.instance/i", "ann", true},
		{"compute.instances.get", "compute.instance/i", "ann", false},
		{"acme.starter", "compute.instance/i", "ann", false},
		{"compute.instances.start", "compute.instance/i", "bob", true},
		{"compute.instances.start", "resource-manager.folder/f", "bob", false},
		{"compute.instances.stop", "compute.instance/i", "bob", false},
		{"organization-manager.organizations.create", "compute.instance/i", "bob", true},
		{"editor", "compute.instance/i", "bob", false},
	} {
		if got := w.allowed(q.name, q.on, "iam.userAccount:"+q.who); got != q.want {
			t.Errorf("%s: %s on %s: %v", q.who, q.name, q.on, got)
		}
	}
}

// A role "has the role" of all that it includes, so that owning is asked as
// any permission is.
func TestSchema_RoleIsAskedLikeAPermission(t *testing.T) {
	w := newWorld(t, Shipped().Schema(nil))
	w.write("iam.resource:resource-manager.folder/f", "parent", "iam.resource:resource-manager.cloud/c")
	w.bind("resource-manager.clouds.owner", "resource-manager.cloud/c", "iam.userAccount:ann")
	w.bind("admin", "resource-manager.cloud/c", "iam.userAccount:bob")
	for _, q := range []struct {
		name, who string
		want      bool
	}{
		{"resource-manager.clouds.owner", "ann", true},
		{"admin", "ann", true},
		{"viewer", "ann", true},
		{"organization-manager.organizations.owner", "ann", false},
		{"resource-manager.clouds.owner", "bob", false},
		{"auditor", "bob", true},
		{"resource-manager.admin", "bob", false},
	} {
		if got := w.allowed(q.name, "resource-manager.folder/f", "iam.userAccount:"+q.who); got != q.want {
			t.Errorf("%s: %s: %v", q.who, q.name, got)
		}
	}
}

func TestSchema_TakesSystemAndPublicGroupsAsSubjects(t *testing.T) {
	w := newWorld(t, Shipped().Schema(nil))
	w.bind("compute.images.user", "resource-manager.folder/f", "iam.system:allAuthenticatedUsers")
	w.bind("viewer", "organization-manager.organization/o", "iam.system:group:organization:o:users")
	if !w.allowed("compute.images.use", "resource-manager.folder/f", "iam.userAccount:ann", "iam.system:allUsers", "iam.system:allAuthenticatedUsers") {
		t.Error("an authenticated caller may not use the image")
	}
	if w.allowed("compute.images.use", "resource-manager.folder/f", "iam.system:allUsers") {
		t.Error("anybody may use the image")
	}
	if !w.allowed("compute.instances.get", "organization-manager.organization/o", "iam.federatedUser:eve", "iam.system:group:organization:o:users") {
		t.Error("a user of the organization may not look")
	}
	if w.allowed("compute.instances.get", "organization-manager.organization/o", "iam.federatedUser:eve", "iam.system:group:organization:p:users") {
		t.Error("a user of another organization may look")
	}
}

// A binding is a role of some holder on some resource, of the reference.
type binding struct{ role, on, holder string }

// The engine and the catalogue say the same: a subject has a permission where it,
// or a group of it, has a role that grants it, there or above.
func TestSchema_AgreesWithTheCatalogue(t *testing.T) {
	const seed = 7
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	c := Shipped()
	custom := customRoles(rng, 40, 60)
	w := newWorld(t, c.Schema(custom))
	grants := map[string][]string{}
	var ids []string
	for _, r := range c.Roles() {
		grants[r.ID] = r.Permissions
		ids = append(ids, r.ID)
	}
	for _, r := range custom {
		grants[r.ID] = slices.Sorted(slices.Values(r.Permissions))
		ids = append(ids, r.ID)
	}
	path := []string{"organization-manager.organization/o", "resource-manager.cloud/c", "resource-manager.folder/f", "iam.serviceAccount/s"}
	for i, id := range path[1:] {
		w.write("iam.resource:"+id, "parent", "iam.resource:"+path[i])
	}
	w.write("iam.group:g", "member", "iam.userAccount:u0")
	holders := []string{"iam.userAccount:u0", "iam.userAccount:u1", "iam.group:g#member"}
	var bindings []binding
	for range 60 {
		b := binding{ids[rng.IntN(len(ids))], path[rng.IntN(len(path))], holders[rng.IntN(len(holders))]}
		bindings = append(bindings, b)
		w.bind(b.role, b.on, b.holder)
	}
	reference := func(permission string, level int, holders ...string) bool {
		return slices.ContainsFunc(bindings, func(b binding) bool {
			_, has := slices.BinarySearch(grants[b.role], permission)
			return has && slices.Contains(path[:level+1], b.on) && slices.Contains(holders, b.holder)
		})
	}
	counts := map[bool]int{}
	for _, p := range c.Permissions() {
		level := rng.IntN(len(path))
		for who, of := range map[string][]string{"iam.userAccount:u0": {holders[0], holders[2]}, "iam.userAccount:u1": holders[1:2]} {
			want := reference(p, level, of...)
			counts[want]++
			if got := w.allowed(p, path[level], who); got != want {
				t.Fatalf("%s: %s on %s: %v, want %v", who, p, path[level], got, want)
			}
		}
	}
	if counts[true] < 100 || counts[false] < 100 {
		t.Errorf("%d allowed, %d denied: too few of one kind to tell", counts[true], counts[false])
	}
}

func BenchmarkSchema(b *testing.B) {
	for _, n := range []int{0, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			custom := customRoles(rand.New(rand.NewPCG(1, 1)), n, 50)
			c := Shipped()
			b.ReportAllocs()
			for b.Loop() {
				c.Schema(custom)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(ShippedSource()); err != nil {
			b.Fatal(err)
		}
	}
}
