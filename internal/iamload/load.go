package iamload

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/tuple"
)

// Load is a population. It is immutable and safe for concurrent use.
type Load struct {
	plan   Plan
	custom []catalogue.CustomRole
	schema string
	kinds  []*catalogue.Kind // of resources in folders
	roles  []role            // the most common one first
	weight []float64         // of the roles up to each, of 1
}

type role struct {
	relation    string
	permissions []string // what it grants
	allowedOn   func(kind string) bool
}

// New returns the population of a plan, with the shipped catalogue.
func New(p Plan) *Load {
	l, c := &Load{plan: p.withDefaults()}, catalogue.Shipped()
	random := l.plan.draws('r', 0)
	for _, r := range c.Roles() {
		l.roles = append(l.roles, role{catalogue.RelationOf(r.ID), r.Permissions, r.AllowedOn})
	}
	for i := range l.plan.Custom {
		r := catalogue.CustomRole{ID: fmt.Sprintf("org%d.custom%d", i%l.plan.Organizations, i)}
		for range l.plan.CustomHolds {
			r.Permissions = append(r.Permissions, c.Permissions()[random.IntN(len(c.Permissions()))])
		}
		l.custom = append(l.custom, r)
		l.roles = append(l.roles, role{catalogue.RelationOf(r.ID), r.Permissions, func(string) bool { return true }})
	}
	l.rank(random)
	for _, k := range c.Kinds() {
		if slices.Contains(k.Parents, folderKind) {
			l.kinds = append(l.kinds, k)
		}
	}
	random.Shuffle(len(l.kinds), func(i, j int) { l.kinds[i], l.kinds[j] = l.kinds[j], l.kinds[i] })
	l.schema = c.Schema(l.custom)
	return l
}

// rank puts the roles in the order in which they are common: the primitive ones
// first, the others in any order.
func (l *Load) rank(random *rand.Rand) {
	random.Shuffle(len(l.roles), func(i, j int) { l.roles[i], l.roles[j] = l.roles[j], l.roles[i] })
	common := []string{"auditor", "admin", "editor", "viewer"}
	slices.SortStableFunc(l.roles, func(a, b role) int {
		at := func(r role) int { return slices.Index(common, strings.TrimPrefix(r.relation, "r.")) }
		return at(b) - at(a)
	})
	sum := 0.0
	for i := range l.roles {
		sum += math.Pow(float64(i+1), -l.plan.Skew)
		l.weight = append(l.weight, sum)
	}
	for i := range l.weight {
		l.weight[i] /= sum
	}
}

func (l *Load) drawRole(random *rand.Rand) *role {
	i, _ := slices.BinarySearch(l.weight, random.Float64())
	return &l.roles[min(i, len(l.roles)-1)]
}

// Schema returns the text of the schema.
func (l *Load) Schema() string { return l.schema }

const (
	resourceType = "iam.resource"
	groupType    = "iam.group"
	systemType   = "iam.system"

	organizationKind = "organization-manager.organization"
	cloudKind        = "resource-manager.cloud"
	folderKind       = "resource-manager.folder"
)

func resource(kind string, n int) tuple.Object {
	return tuple.Object{Type: resourceType, ID: kind + "/" + id(kind[0], n)}
}

// id makes twenty letters and digits, as ids of resources have.
func id(letter byte, n int) string {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	var text [20]byte
	text[0], text[1], text[2] = 'b', '1', letter
	for i, x := 3, uint64(n+1)*0x9e3779b97f4a7c15; i < len(text); i++ {
		if i == 15 {
			x = uint64(n)
		}
		text[i] = digits[x&31]
		x >>= 5
	}
	return string(text[:])
}

func (l *Load) organization(n int) tuple.Object { return resource(organizationKind, n) }
func (l *Load) cloud(n int) tuple.Object        { return resource(cloudKind, n) }
func (l *Load) folder(n int) tuple.Object       { return resource(folderKind, n) }

// kindOf returns the kind of the n-th resource: some are common.
func (l *Load) kindOf(n int) *catalogue.Kind {
	random := l.plan.draws('k', n)
	return l.kinds[random.IntN(1+random.IntN(len(l.kinds)))]
}

func (l *Load) resource(n int) tuple.Object { return resource(l.kindOf(n).ID, n) }

// Where things stand.
func (l *Load) cloudOf(folder int) int        { return folder % l.plan.Clouds }
func (l *Load) folderOf(resource int) int     { return resource % l.plan.Folders }
func (l *Load) organizationOf(folder int) int { return l.cloudOf(folder) % l.plan.Organizations }

// user returns the n-th user of an organization.
func (l *Load) user(organization, n int) tuple.Subject {
	all := organization + l.plan.Organizations*n
	switch n % 10 {
	case 0, 1, 2:
		return tuple.Subject{Type: "iam.serviceAccount", ID: id('s', all)}
	case 3:
		return tuple.Subject{Type: "iam.federatedUser", ID: id('f', all)}
	}
	return tuple.Subject{Type: "iam.userAccount", ID: id('u', all)}
}

// usersEach is how many users an organization has, groupsEach how many groups.
func (l *Load) usersEach() int  { return max(1, l.plan.Users/l.plan.Organizations) }
func (l *Load) groupsEach() int { return max(1, l.plan.Groups/l.plan.Organizations) }

func (l *Load) group(organization, n int) tuple.Object {
	return tuple.Object{Type: groupType, ID: id('g', organization+l.plan.Organizations*n)}
}

// members returns the numbers of the users in a group: two to a few hundred.
func (l *Load) members(organization, n int) []int {
	random := l.plan.draws('g', organization+l.plan.Organizations*n)
	var out []int
	for range 2 + int(10*random.ExpFloat64()*random.ExpFloat64()) {
		out = append(out, random.IntN(l.usersEach()))
	}
	return out
}

// everybody are the system groups of an organization's users: the first of nobody
// in particular, the last of users alone, not of service accounts.
func everybody(organization tuple.Object) []tuple.Subject {
	_, name, _ := strings.Cut(organization.ID, "/")
	return []tuple.Subject{
		{Type: systemType, ID: "allUsers"}, {Type: systemType, ID: "allAuthenticatedUsers"},
		{Type: systemType, ID: "group:organization:" + name + ":users"},
	}
}

// Tuples yields all tuples; a few come more than once.
func (l *Load) Tuples() iter.Seq[tuple.Tuple] {
	return func(yield func(tuple.Tuple) bool) {
		_ = l.places(yield) && l.memberships(yield) && l.bindings(yield)
	}
}

// places yields what stands where. It reports whether to go on, as the others.
func (l *Load) places(yield func(tuple.Tuple) bool) bool {
	put := func(child, parent tuple.Object) bool {
		return yield(tuple.Tuple{Object: child, Relation: "parent", Subject: tuple.Subject{Type: parent.Type, ID: parent.ID}})
	}
	for i := range l.plan.Clouds {
		if !put(l.cloud(i), l.organization(i%l.plan.Organizations)) {
			return false
		}
	}
	for i := range l.plan.Folders {
		if !put(l.folder(i), l.cloud(l.cloudOf(i))) {
			return false
		}
	}
	for i := range l.plan.Resources {
		if !put(l.resource(i), l.folder(l.folderOf(i))) {
			return false
		}
	}
	return true
}

func (l *Load) memberships(yield func(tuple.Tuple) bool) bool {
	for o := range l.plan.Organizations {
		for g := range l.groupsEach() {
			for _, u := range l.members(o, g) {
				if !yield(tuple.Tuple{Object: l.group(o, g), Relation: "member", Subject: l.user(o, u)}) {
					return false
				}
			}
		}
	}
	return true
}

func (l *Load) bindings(yield func(tuple.Tuple) bool) bool {
	for i := range l.plan.Bindings {
		b := l.binding(i)
		if !yield(tuple.Tuple{Object: b.on, Relation: b.role.relation, Subject: b.to}) {
			return false
		}
	}
	return true
}
