package catalogue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxCustomGrants is how many permissions all custom roles may have, summed up,
// for a schema that the engine takes: some 7 MB of text, compiled in half a
// second. Schema does not check it; whoever accepts custom roles does.
const MaxCustomGrants = 200_000

// head is the schema before the resources: subjects, and groups of them.
// Groups of the system are never stored, so that who is in them is asked of nobody.
const head = `definition iam.userAccount {}
definition iam.serviceAccount {}
definition iam.federatedUser {}
definition iam.system {}
definition iam.group {
	relation member: iam.userAccount | iam.serviceAccount | iam.federatedUser
}
definition iam.resource {
	relation parent: iam.resource
	relation user: iam.userAccount | iam.federatedUser
	relation account: iam.serviceAccount
`

// tail is what follows the resources: which operations there were on each.
const tail = `}
definition iam.operation {
	relation on: iam.resource
}
definition iam.record {}
definition iam.expiry {
	relation holds: iam.record
}
`

// holder is the type of every role's relation: one tuple is one access binding.
const holder = ": iam.userAccount | iam.serviceAccount | iam.federatedUser | iam.group#member | iam.system\n"

// A base is the part of a schema that custom roles do not change. Most
// permissions are held by the same roles as many others; they share a class, so
// that the text and what is compiled from it grow with the classes.
type base struct {
	relations string
	classes   []bits // the roles that hold it; as numbers of cat.roles
	names     string // the permissions of the classes, and of the roles
	classOf   []int  // permission -> its class, -1 = held by nobody
}

// newBase finds the classes of c's roles and permissions.
func newBase(c *Catalogue) (*base, error) {
	b := &base{classOf: make([]int, len(c.permissions))}
	class := map[string]int{}
	size := 0
	classFor := func(holders bits) int {
		key := holders.key()
		n, known := class[key]
		if !known {
			n = len(b.classes)
			class[key] = n
			b.classes = append(b.classes, holders)
			for i := range holders.all() {
				size += len(c.roles[i].ID) + len(rolePrefix) + len(" + ")
			}
		}
		return n
	}
	var relations, names strings.Builder
	roleClass := make([]int, len(c.roles))
	for i, r := range c.roles {
		relations.WriteString("\trelation " + RelationOf(r.ID) + holder)
		roleClass[i] = classFor(r.holders)
	}
	for i, holders := range c.holdersOf() {
		b.classOf[i] = -1
		if holders != nil {
			b.classOf[i] = classFor(holders)
		}
		if size > maxBase {
			return nil, fmt.Errorf("catalogue: more than %d bytes of schema: too many roles and permissions that are shared in too many ways", maxBase)
		}
	}
	for n, holders := range b.classes {
		writeClass(&names, c, n, holders)
	}
	for i, r := range c.roles {
		writeAlias(&names, r.ID, classPrefix, roleClass[i])
	}
	b.relations, b.names = relations.String(), names.String()
	return b, nil
}

// holdersOf returns who holds each permission, nil for nobody.
func (c *Catalogue) holdersOf() []bits {
	holders := make([]bits, len(c.permissions))
	for i, r := range c.roles {
		for _, p := range r.Permissions {
			v := c.indexOf[p]
			if holders[v] == nil {
				holders[v] = newBits(len(c.roles))
			}
			holders[v].add(i)
		}
	}
	return holders
}

// writeClass writes the permission of a class: whoever has one of its roles
// here, or the class above.
func writeClass(w *strings.Builder, c *Catalogue, n int, holders bits) {
	name := className(classPrefix, n)
	w.WriteString("\tpermission " + name + " = ")
	for i := range holders.all() {
		w.WriteString(RelationOf(c.roles[i].ID) + " + ")
	}
	w.WriteString("parent->" + name + "\n")
}

func writeAlias(w *strings.Builder, name, prefix string, class int) {
	w.WriteString("\tpermission " + NameOf(name) + " = " + className(prefix, class) + "\n")
}

func className(prefix string, n int) string { return prefix + "x" + strconv.Itoa(n) }

// Schema returns the text of the schema that says what c's roles and the custom
// ones grant; the same for the same catalogue and roles, in whatever order they are given.
// Each role has a relation (RelationOf) and a permission (NameOf), each permission one.
//
// A custom role whose id is not valid or means something else already is left
// out, and so grants nothing; of several with one id, the first counts.
func (c *Catalogue) Schema(custom []CustomRole) string {
	custom = c.fit(custom)
	var w strings.Builder
	w.Grow(len(head) + len(c.base.relations) + len(c.base.names) + 64*len(c.permissions) + 256*len(custom))
	w.WriteString(head)
	w.WriteString(c.base.relations)
	for _, r := range custom {
		w.WriteString("\trelation " + RelationOf(r.ID) + holder)
	}
	w.WriteString(c.base.names)
	for _, r := range custom {
		name := NameOf(r.ID)
		w.WriteString("\tpermission " + name + " = " + RelationOf(r.ID) + " + parent->" + name + "\n")
	}
	c.writePermissions(&w, custom)
	w.WriteString(tail)
	return w.String()
}

// fit returns the custom roles that can stand in a schema, sorted by id.
func (c *Catalogue) fit(custom []CustomRole) []CustomRole {
	sorted := slices.Clone(custom)
	slices.SortStableFunc(sorted, func(a, b CustomRole) int { return strings.Compare(a.ID, b.ID) })
	sorted = slices.CompactFunc(sorted, func(a, b CustomRole) bool { return a.ID == b.ID })
	return slices.DeleteFunc(sorted, func(r CustomRole) bool {
		return !ValidRoleID(r.ID) || c.roleOf[r.ID] != nil || c.HasPermission(r.ID)
	})
}

// A mix is what holds a permission: a class, and custom roles.
type mix struct {
	class int
	roles string // their numbers, as text
}

// writePermissions writes every named permission, and a class for each mix.
func (c *Catalogue) writePermissions(w *strings.Builder, custom []CustomRole) {
	holders := make([][]int, len(c.permissions)) // custom roles that have it, ascending
	for i, r := range custom {
		for _, p := range r.Permissions {
			v, known := c.indexOf[p]
			if known && (len(holders[v]) == 0 || holders[v][len(holders[v])-1] != i) {
				holders[v] = append(holders[v], i)
			}
		}
	}
	mixes := map[mix]int{}
	for v, p := range c.permissions {
		class := c.base.classOf[v]
		switch {
		case len(holders[v]) == 0 && class < 0:
			w.WriteString("\tpermission " + NameOf(p) + " = nil\n")
		case len(holders[v]) == 0:
			writeAlias(w, p, classPrefix, class)
		default:
			m := mix{class, fmt.Sprint(holders[v])}
			n, known := mixes[m]
			if !known {
				n = len(mixes)
				mixes[m] = n
				writeMix(w, n, class, custom, holders[v])
			}
			writeAlias(w, p, customPrefix, n)
		}
	}
}

func writeMix(w *strings.Builder, n, class int, custom []CustomRole, holders []int) {
	name := className(customPrefix, n)
	w.WriteString("\tpermission " + name + " = ")
	if class >= 0 {
		w.WriteString(className(classPrefix, class) + " + ")
	}
	for _, i := range holders {
		w.WriteString(RelationOf(custom[i].ID) + " + ")
	}
	w.WriteString("parent->" + name + "\n")
}
