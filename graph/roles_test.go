package graph

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// roleWorld is a catalogue of roles in the form of the IAM layer's: a relation
// for each role, a permission for each set of roles, one tree of resources.
type roleWorld struct {
	random *rand.Rand
	roles  int
	grants map[string][]int    // permission -> roles
	parent map[string]string   // of a resource
	bound  map[string][]string // "resource role" -> subjects
	groups map[string][]string // group -> members, which may be groups
	users  []string
}

func newRoleWorld(seed uint64, roles, permissions int) *roleWorld {
	m := &roleWorld{
		random: rand.New(rand.NewPCG(seed, 1)), roles: roles, grants: map[string][]int{},
		parent: map[string]string{}, bound: map[string][]string{}, groups: map[string][]string{},
	}
	for i := range permissions {
		m.grants[fmt.Sprint("svc.p", i)] = m.some(roles, 1+m.random.IntN(roles/2))
	}
	for i := range 20 {
		m.users = append(m.users, fmt.Sprint("user:u", i), fmt.Sprint("bot:b", i))
	}
	for i := range 12 {
		for range 4 {
			m.groups[fmt.Sprint("g", i)] = append(m.groups[fmt.Sprint("g", i)], m.subject())
		}
		if next := i + 1; next < 12 && i%3 > 0 {
			m.groups[fmt.Sprint("g", i)] = append(m.groups[fmt.Sprint("g", i)], fmt.Sprintf("group:g%d#member", next))
		}
	}
	for i := range 40 {
		r := fmt.Sprint("r", i)
		if i > 0 {
			m.parent[r] = fmt.Sprint("r", (i-1)/3)
		}
		for range m.random.IntN(6) {
			key, who := fmt.Sprintf("%s %d", r, m.random.IntN(roles)), m.subject()
			if m.random.IntN(3) == 0 {
				who = fmt.Sprintf("group:g%d#member", m.random.IntN(12))
			}
			if !slices.Contains(m.bound[key], who) {
				m.bound[key] = append(m.bound[key], who)
			}
		}
	}
	return m
}

func (m *roleWorld) subject() string { return m.users[m.random.IntN(len(m.users))] }

func (m *roleWorld) some(of, n int) []int { return m.random.Perm(of)[:n] }

// permissions in a stable order.
func (m *roleWorld) permissions() []string {
	var out []string
	for i := range m.grants {
		out = append(out, i)
	}
	slices.Sort(out)
	return out
}

// schema writes the catalogue. Every other permission is another name for a class
// of permissions, as large catalogues have them.
func (m *roleWorld) schema() string {
	var b strings.Builder
	b.WriteString("definition user {}\ndefinition bot {}\ndefinition group { relation member: user | bot | group#member }\n")
	b.WriteString("definition iam.resource {\nrelation parent: iam.resource\n")
	for i := range m.roles {
		fmt.Fprintf(&b, "relation r.x%d: user | bot | user:* | group#member\n", i)
	}
	for n, name := range m.permissions() {
		class := name
		if n%2 == 0 {
			class = "class." + strings.TrimPrefix(name, "svc.")
			fmt.Fprintf(&b, "permission %s = %s\n", name, class)
		}
		fmt.Fprintf(&b, "permission %s = parent->%s", class, class)
		for _, i := range m.grants[name] {
			fmt.Fprintf(&b, " + r.x%d", i)
		}
		b.WriteString("\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func (m *roleWorld) tuples() string {
	var b strings.Builder
	for child, parent := range m.parent {
		fmt.Fprintf(&b, "iam.resource:%s#parent@iam.resource:%s\n", child, parent)
	}
	for group, members := range m.groups {
		for _, who := range slices.Compact(slices.Sorted(slices.Values(members))) {
			fmt.Fprintf(&b, "group:%s#member@%s\n", group, who)
		}
	}
	for key, whos := range m.bound {
		resource, role, _ := strings.Cut(key, " ")
		for _, who := range whos {
			fmt.Fprintf(&b, "iam.resource:%s#r.x%s@%s\n", resource, role, who)
		}
	}
	return b.String()
}

// may is what the words say: a role of the permission is bound to the subject or
// a group of it, on the resource or above.
func (m *roleWorld) may(who, permission, resource string) bool {
	for r := resource; r != ""; r = m.parent[r] {
		for _, role := range m.grants[permission] {
			for _, bound := range m.bound[fmt.Sprintf("%s %d", r, role)] {
				if m.isIn(who, bound) {
					return true
				}
			}
		}
	}
	return false
}

func (m *roleWorld) isIn(who, bound string) bool {
	group, isGroup := strings.CutSuffix(strings.TrimPrefix(bound, "group:"), "#member")
	return who == bound || isGroup && slices.ContainsFunc(m.groups[group], func(member string) bool { return m.isIn(who, member) })
}

func TestRoles_AgreeWithTheirMeaning(t *testing.T) {
	first := uint64(time.Now().UnixNano())
	for seed := first; seed < first+3; seed++ {
		m := newRoleWorld(seed, 40+int(seed%3)*80, 24)
		w := newWorld(t, m.schema(), m.tuples())
		w.now = noon
		if len(w.graph.shapeAt) == 0 {
			t.Fatal("no search has many roles")
		}
		for _, permission := range m.permissions() {
			for i := range 40 {
				m.compare(w, permission, fmt.Sprint("r", i), m.subject())
			}
			m.compareLists(w, permission, fmt.Sprint("r", m.random.IntN(40)), m.subject())
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// compare asks by a search and, because of a contextual tuple that changes
// nothing, by the walk; and what explains the answer.
func (m *roleWorld) compare(w *world, permission, resource, who string) {
	w.t.Helper()
	want := m.may(who, permission, resource)
	q := w.question(fmt.Sprintf("iam.resource:%s#%s@%s", resource, permission, who))
	searched, err := w.ask(q)
	if err != nil || (searched.Decision == Allowed) != want {
		w.t.Errorf("%s %s %s: searched %v, %v; want %v", who, permission, resource, searched.Decision, err, want)
	}
	explained, err := w.graph.Explain(context.Background(), w.view(), q)
	if err != nil || explained.Decision != searched.Decision {
		w.t.Errorf("%s %s %s: explained %v, %v", who, permission, resource, explained, err)
	}
	q.Contextual = parseTuples(w.t, "group:other#member@user:other")
	walked, err := w.ask(q)
	if err != nil || walked.Decision != searched.Decision {
		w.t.Errorf("%s %s %s: walked %v, %v", who, permission, resource, walked.Decision, err)
	}
}

func (m *roleWorld) compareLists(w *world, permission, resource, who string) {
	w.t.Helper()
	var resources, subjects []string
	for i := range 40 {
		if r := fmt.Sprint("r", i); m.may(who, permission, r) {
			resources = append(resources, r)
		}
	}
	for _, u := range m.users {
		if id, isUser := strings.CutPrefix(u, "user:"); isUser && m.may(u, permission, resource) {
			subjects = append(subjects, id)
		}
	}
	for text, want := range map[string][]string{
		fmt.Sprintf("iam.resource:?#%s@%s", permission, who):           resources,
		fmt.Sprintf("iam.resource:%s#%s@user:?", resource, permission): subjects,
	} {
		got, _, err := w.listing(text)
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			w.t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
}

// Permissions that come down to the same relations on the same way share a
// search; what they lead to may differ, and then they do not.
func TestSearches_OnlyAlikeOnesAreShared(t *testing.T) {
	w := newWorld(t, `definition user {}
		definition folder {
			relation parent: folder
			relation a: user
			relation b: user
			permission one = a + parent->one
			permission two = parent->two + a
			permission alias = two
			permission three = a + parent->b
			permission four = a + parent->five
			permission five = a + parent->four
			permission once = a + parent->a
		}`, `
		folder:c#parent@folder:p
		folder:d#parent@folder:c
		folder:p#a@user:ann
		folder:p#b@user:bob`)
	of := func(name string) int32 { return w.graph.programs[w.graph.types[1].relations[name]].search }
	for _, same := range []string{"two", "alias", "four", "five"} {
		if of(same) != of("one") {
			t.Errorf("%s has a search of its own", same)
		}
	}
	for _, other := range []string{"three", "once", "a", "b"} {
		if of(other) == of("one") {
			t.Errorf("%s shares its search", other)
		}
	}
	w.expect(`
		folder:d#one@user:ann = allowed
		folder:d#alias@user:ann = allowed
		folder:d#four@user:ann = allowed
		folder:d#once@user:ann = denied
		folder:c#once@user:ann = allowed
		folder:c#three@user:ann = denied
		folder:c#three@user:bob = allowed
		folder:c#one@user:bob = denied`)
}
