package iam

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
)

// land is a random plot and the oracle that knows the same about it.
type land struct {
	*plot
	*oracle
	rand      *rand.Rand
	king      Subject // may change everything
	resources []Resource
	subjects  []Subject // that can ask
	grantees  []Subject // that roles can be granted to, the former among them
	groups    []string
	roles     []string // the custom ones last
	names     []string // permissions and roles to ask for
}

func newLand(t *testing.T, seed uint64) *land {
	t.Logf("seed %d", seed)
	l := &land{plot: newPlot(t, false), oracle: newOracle(catalogue.Shipped()), rand: rand.New(rand.NewPCG(seed, 1))}
	l.roles = []string{
		"auditor", "viewer", "editor", "admin", "iam.serviceAccounts.user", "iam.serviceAccounts.admin", "iam.serviceAccounts.keyAdmin",
		"iam.serviceAccounts.tokenCreator", "iam.editor", "iam.admin", "resource-manager.editor", "resource-manager.clouds.member", CloudOwner,
		"organization-manager.viewer", "compute.viewer", "compute.operator", "compute.editor", "compute.admin", "compute.images.user", "load-balancer.editor",
	}
	for range 10 {
		l.roles = append(l.roles, one(l.rand, l.catalogue.Roles()).ID)
	}
	l.plantHierarchy()
	l.plantSubjects()
	l.commit(false)
	for i := range 3 {
		op, err := l.CreateRole(t.Context(), l.as(l.king), "o0", fmt.Sprintf("custom%d", i), "", l.somePermissions())
		if err != nil {
			t.Fatal(err)
		}
		l.custom[op.Role.ID], l.roles = op.Role.Permissions, append(l.roles, op.Role.ID)
	}
	for range 40 {
		l.grantAnyhow()
	}
	l.commit(false)
	l.names = append(append(l.names, l.roles...), "iam.serviceAccounts.create", "iam.serviceAccounts.use", "iam.serviceAccounts.createToken",
		"iam.serviceAccounts.updateAccessBindings", "compute.instances.start", "compute.instances.get", "compute.images.use",
		"resource-manager.clouds.delete", "resource-manager.folders.get", "organization-manager.organizations.get")
	for range 10 {
		l.names = append(l.names, one(l.rand, l.catalogue.Permissions()))
	}
	return l
}

func one[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// somePermissions are such as owners have.
func (l *land) somePermissions() []string {
	owner, _ := l.catalogue.Role(OrganizationOwner)
	var out []string
	for range 1 + l.rand.IntN(8) {
		out = append(out, one(l.rand, owner.Permissions))
	}
	return append(out, "compute.instances.start")
}

func (l *land) add(r, parent Resource) Resource {
	l.resources = append(l.resources, r)
	if parent != (Resource{}) {
		l.parents[r] = parent
	}
	return r
}

func (l *land) plantHierarchy() {
	for o := range 2 {
		org := l.add(l.addOrganization(fmt.Sprintf("o%d", o)), Resource{})
		for c := range 1 + l.rand.IntN(2) {
			cloud := l.add(l.addCloud(fmt.Sprintf("c%d%d", o, c), org), org)
			for f := range 1 + l.rand.IntN(3) {
				folder := l.add(l.addFolder(fmt.Sprintf("f%d%d%d", o, c, f), cloud), cloud)
				for i := range l.rand.IntN(4) {
					vm := l.add(Resource{"compute.instance", fmt.Sprintf("vm%s-%d", folder.ID, i)}, folder)
					l.below(vm, folder)
					if l.rand.IntN(3) == 0 { // deeper than clouds usually are
						disk := l.add(Resource{"compute.disk", "disk" + vm.ID}, vm)
						l.below(disk, vm)
					}
				}
			}
		}
	}
}

func (l *land) plantSubjects() {
	var folders []Resource
	for _, r := range l.resources {
		if r.Kind == FolderKind {
			folders = append(folders, r)
		}
	}
	for i := range 6 {
		in := one(l.rand, folders)
		a := l.addAccount(fmt.Sprintf("sa%d", i), in)
		l.add(Resource{ServiceAccountKind, a.ID}, in)
		l.subjects = append(l.subjects, a)
	}
	l.king = l.subjects[0]
	for _, r := range l.resources {
		if role := ownerOf(r.Kind); role != "" {
			l.plot.grant(role, l.king, r)
			l.bindings[BindingAt{r, Binding{role, l.king}}] = true
		}
	}
	for i, u := range []User{
		{Type: UserAccount, Organizations: []string{"o0"}}, {Type: UserAccount, Organizations: []string{"o0", "o1"}}, {Type: UserAccount},
		{Type: FederatedUser, Organizations: []string{"o0"}, FederationID: "fed"}, {Type: FederatedUser, Organizations: []string{"o1"}, FederationID: "fed1"},
	} {
		u.ID = fmt.Sprintf("u%d", i)
		l.users[u.ID] = u
		l.subjects = append(l.subjects, l.addUser(u))
	}
	l.grantees = append(l.grantees, l.subjects...)
	for i := range 4 {
		id := fmt.Sprintf("g%d", i)
		l.members[id], l.groups = map[Subject]bool{}, append(l.groups, id)
		l.add(Resource{GroupKind, id}, Resource{OrganizationKind, fmt.Sprintf("o%d", i%2)})
		l.grantees = append(l.grantees, l.addGroup(id, Resource{OrganizationKind, fmt.Sprintf("o%d", i%2)}))
	}
	for _, id := range []string{AllUsers, AllAuthenticatedUsers, "group:organization:o0:users", "group:organization:o1:users", "group:federation:fed:users"} {
		l.grantees = append(l.grantees, Subject{System, id})
	}
	l.subjects = append(l.subjects, Subject{})
}

// change changes something at random, by the service where it has a say, and
// tells the oracle if that is done.
func (l *land) change() {
	switch l.rand.IntN(12) {
	case 0:
		l.changeRole()
	case 1, 2, 3:
		l.changeMember()
	case 4:
		l.setBindings()
	case 5, 6, 7:
		l.grantAnyhow()
		l.commit(false)
	default:
		l.updateBindings()
	}
}

// grantAnyhow grants what the service may refuse today, say because the role's
// kinds were others once.
func (l *land) grantAnyhow() {
	if b := l.someBinding(); !l.bindings[b] {
		l.plot.grant(b.RoleID, b.Subject, b.Resource)
		l.bindings[b] = true
	}
}

func (l *land) someBinding() BindingAt {
	return BindingAt{one(l.rand, l.resources), Binding{one(l.rand, l.roles), one(l.rand, l.grantees)}}
}

func (l *land) changeRole() {
	id := one(l.rand, l.roles[len(l.roles)-3:])
	u := RoleUpdate{ID: id, Permissions: l.somePermissions(), Fields: []string{FieldPermissions}}
	op, err := l.UpdateRole(l.t.Context(), l.as(l.king), u)
	if err != nil {
		l.t.Fatal(err)
	}
	l.custom[id] = op.Role.Permissions
}

func (l *land) changeMember() {
	group, who := one(l.rand, l.groups), one(l.rand, l.subjects[:len(l.subjects)-1])
	if l.members[group][who] = !l.members[group][who]; l.members[group][who] {
		l.updates = append(l.updates, authz.Update{Op: authz.Touch, Tuple: memberOf(group, who)})
	} else {
		l.updates = append(l.updates, deleted(memberOf(group, who)))
	}
	l.commit(false)
}

func (l *land) updateBindings() {
	b := l.someBinding()
	delta := BindingDelta{Binding: b.Binding}
	if old := l.sorted(); l.rand.IntN(3) == 0 {
		b = one(l.rand, old)
		delta = BindingDelta{true, b.Binding}
	}
	if delta.Binding.Subject == l.king {
		return
	}
	op, err := l.UpdateBindings(l.t.Context(), l.as(l.king), b.Resource, []BindingDelta{delta})
	l.tell(b.Resource, op, err)
}

func (l *land) setBindings() {
	on := one(l.rand, l.resources)
	var keep []Binding
	for _, b := range l.sorted() {
		if b.Resource == on && (b.Subject == l.king || l.rand.IntN(4) != 0) {
			keep = append(keep, b.Binding)
		}
	}
	op, err := l.SetBindings(l.t.Context(), l.as(l.king), on, append(keep, l.someBinding().Binding))
	l.tell(on, op, err)
}

// tell tells the oracle what an operation has done, if it was not refused for
// what random roles and subjects may be refused for.
func (l *land) tell(on Resource, op *Operation, err error) {
	l.t.Helper()
	if err != nil {
		if !slices.Contains([]string{"ROLE_NOT_FOR_KIND", "ROLE_NOT_FOUND", "SUBJECT_NOT_FOUND", "LAST_OWNER", "PERMISSION_DENIED", "INVALID_FIELD"}, reason(err)) {
			l.t.Fatal(err)
		}
		return
	}
	for _, d := range op.Deltas {
		if b := (BindingAt{on, d.Binding}); d.Remove {
			delete(l.bindings, b)
		} else {
			l.bindings[b] = true
		}
	}
}

func (l *land) sorted() []BindingAt {
	var out []BindingAt
	for b := range l.bindings {
		out = append(out, b)
	}
	slices.SortFunc(out, compareBindingsAt)
	return out
}

func compareBindingsAt(a, b BindingAt) int {
	return cmp.Or(cmp.Compare(a.Resource.String(), b.Resource.String()), compareBindings(a.Binding, b.Binding))
}

// someQuestion is about what somebody was granted, half of the time.
func (l *land) someQuestion() (who Subject, name string, on Resource) {
	who, name, on = one(l.rand, l.subjects), one(l.rand, l.names), one(l.rand, l.resources)
	if b := one(l.rand, l.sorted()); l.rand.IntN(2) == 0 {
		name = b.RoleID
		if r, ok := l.catalogue.Role(name); ok && len(r.Permissions) > 0 && l.rand.IntN(2) == 0 {
			name = one(l.rand, r.Permissions)
		}
		if b.Subject.Type != GroupSubject && b.Subject.Type != System {
			who = b.Subject
		}
	}
	return who, name, on
}

// ask asks one question in one of its forms, and compares.
func (l *land) ask() (allowed bool) {
	l.t.Helper()
	who, name, on := l.someQuestion()
	r := AuthorizeRequest{Permission: name, Path: []Resource{on}, Explain: l.rand.IntN(4) == 0, Consistency: latest}
	if who == (Subject{}) || l.rand.IntN(2) == 0 {
		r.Subject = who
	} else {
		r.Token = l.as(who).Token
	}
	for up := l.parents[on]; up != (Resource{}) && l.rand.IntN(2) == 0; up = l.parents[up] {
		r.Path = append(r.Path, up)
	}
	if l.rand.IntN(3) == 0 {
		r.Path = append([]Resource{{"compute.snapshot", "x"}}, r.Path...)
	}
	want := l.ways(who, name, on)
	got, err := l.Authorize(l.t.Context(), &r)
	if err != nil {
		l.t.Fatal(err)
	}
	if got.Allowed != (len(want) > 0) {
		l.t.Fatalf("%v %s %v: allowed %v, bindings that should allow %v", who, name, r.Path, got.Allowed, want)
	}
	if got.Binding != nil && !slices.Contains(want, *got.Binding) || r.Explain && got.Allowed && got.Binding == nil {
		l.t.Fatalf("%v %s %v: by %v, should be one of %v", who, name, r.Path, got.Binding, want)
	}
	return got.Allowed
}

// askWhy compares all that a list says with the oracle.
func (l *land) askWhy() {
	l.t.Helper()
	who, name, on := one(l.rand, l.subjects[:len(l.subjects)-1]), one(l.rand, l.names), one(l.rand, l.resources)
	why, err := l.Why(l.t.Context(), l.as(who), who, name, on)
	if err != nil {
		l.t.Fatal(err)
	}
	got, want := why.Ways, l.ways(who, name, on)
	slices.SortFunc(got, compareBindingsAt)
	slices.SortFunc(want, compareBindingsAt)
	if diff := gocmp.Diff(want, got); diff != "" {
		l.t.Fatalf("%v %s %v: %s", who, name, on, diff)
	}
	listed, _, err := l.Who(l.t.Context(), l.as(l.king), name, on, Page{Size: MaxPage})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, g := range l.grantees {
		should := false
		for b := range l.bindings {
			reached := b.Subject == g || b.Subject.Type == GroupSubject && l.members[b.Subject.ID][g]
			should = should || reached && l.isAtOrBelow(on, b.Resource) && l.gives(b.RoleID, name)
		}
		if slices.Contains(listed, g) != should {
			l.t.Fatalf("who has %s on %v: %v listed %v, should be %v", name, on, g, !should, should)
		}
	}
}

// Effective access is what a naive reading of the catalogue says, through
// hierarchies, groups, system groups and custom roles, and after changes of all
// of them.
func TestProperty_AccessIsThatOfTheOracle(t *testing.T) {
	worlds, rounds := uint64(4), 30
	if testing.Short() {
		worlds, rounds = 2, 15
	}
	start := rand.Uint64()
	for i := range worlds {
		l := newLand(t, start+i)
		allowed, denied := 0, 0
		for range rounds {
			l.change()
			for range 60 {
				if l.ask() {
					allowed++
				} else {
					denied++
				}
			}
			l.askWhy()
		}
		t.Logf("%d bindings, %d allowed, %d denied", len(l.bindings), allowed, denied)
		if allowed < 50 || denied < 50 {
			t.Error("too few of one kind to mean much")
		}
	}
}
