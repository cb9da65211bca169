// Package random makes schemas, tuples and questions for tests. Everything
// comes from one *rand.Rand, so that a seed repeats a run.
package random

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/pemba-authz/pemba/graph"
)

// Kinds are the parts of a schema that a test may want to do without.
type Kinds struct {
	Negation  bool // "-" and .all()
	Unsettled bool // recursion through negation, which may have no answer
	Traits    bool // caveats and expiry
	Knots     bool // few types that lead to each other in many ways
}

// Everything is the whole language.
var Everything = Kinds{Negation: true, Unsettled: true, Traits: true}

var (
	typeNames       = []string{"user", "group", "folder", "doc", "site"}
	relationNames   = []string{"member", "parent", "viewer", "owner", "banned"}
	permissionNames = []string{"view", "edit", "admin", "share"}
)

// caveats fail on division by zero and on absent keys.
const caveats = `
caveat old_enough(age int, limit int) { age >= limit }
caveat in_region(region string, regions list<string>) { region in regions }
caveat quota(used int, seats int) { used / seats < 2 }
caveat tagged(tags map<string>, key string) { tags[key] == "yes" }
`

type maker struct {
	*rand.Rand
	kinds   Kinds
	schema  *graph.Schema
	members map[string]map[string]*graph.Relation // of each type
}

func (m *maker) chance(percent int) bool { return m.IntN(100) < percent }

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// some returns between low and high elements of all, in their order.
func some[T any](r *rand.Rand, all []T, low, high int) []T {
	n := low + r.IntN(high-low+1)
	at := r.Perm(len(all))[:min(n, len(all))]
	slices.Sort(at)
	var out []T
	for _, i := range at {
		out = append(out, all[i])
	}
	return out
}

// Schema makes a valid schema of two to five definitions.
func Schema(r *rand.Rand, kinds Kinds) *graph.Schema {
	for {
		m := &maker{Rand: r, kinds: kinds, members: map[string]map[string]*graph.Relation{}}
		s := m.make()
		warnings, err := graph.Validate(s)
		if err != nil {
			panic(fmt.Sprintf("random schema: %v\n%s", err, graph.Print(s)))
		}
		if len(warnings) == 0 || kinds.Unsettled && m.chance(50) {
			return s
		}
	}
}

func (m *maker) make() *graph.Schema {
	m.schema = &graph.Schema{Uses: []graph.Use{{Flag: "expiration"}, {Flag: "self"}}}
	if m.kinds.Traits {
		parsed, err := graph.Parse(caveats)
		if err != nil {
			panic(err)
		}
		m.schema.Caveats = some(m.Rand, parsed.Caveats, 1, 2)
	}
	most := 4
	if m.kinds.Knots {
		most = 1
	}
	for i, name := range append([]string{"user"}, some(m.Rand, typeNames[1:], 1, most)...) {
		m.declare(name, i == 0)
	}
	for _, d := range m.schema.Definitions {
		for _, rel := range d.Relations {
			if rel.Rewrite == nil {
				m.restrict(rel)
			}
		}
	}
	for _, d := range m.schema.Definitions {
		for _, rel := range d.Relations {
			if rel.Rewrite != nil {
				rel.Rewrite = m.expr(d, 0)
			}
		}
	}
	return m.schema
}

// declare adds a definition with the names of its members. Users seldom have any.
func (m *maker) declare(name string, bare bool) {
	d := &graph.Definition{Name: name}
	m.members[name] = map[string]*graph.Relation{}
	if !bare || m.chance(25) {
		for _, n := range some(m.Rand, relationNames, 2, 4) {
			d.Relations = append(d.Relations, &graph.Relation{Name: n})
		}
		for _, n := range some(m.Rand, permissionNames, 1, 4) {
			d.Relations = append(d.Relations, &graph.Relation{Name: n, Rewrite: &graph.Nil{}})
		}
	}
	for _, rel := range d.Relations {
		m.members[name][rel.Name] = rel
	}
	m.schema.Definitions = append(m.schema.Definitions, d)
}

// restrict gives rel one to four kinds of subjects. Parents are objects, so
// that there are arrows to follow.
func (m *maker) restrict(rel *graph.Relation) {
	seen := map[string]bool{}
	for range 1 + m.IntN(4) {
		t := m.restriction(rel)
		if !seen[t.String()] {
			seen[t.String()] = true
			rel.Types = append(rel.Types, t)
		}
	}
}

func (m *maker) restriction(rel *graph.Relation) graph.TypeRestriction {
	d := pick(m.Rand, m.schema.Definitions)
	users, usersets := 50, 60
	if m.kinds.Knots {
		users, usersets = 20, 85
	}
	if rel.Name != "parent" && m.chance(users) {
		d = m.schema.Definitions[0]
	}
	t := graph.TypeRestriction{Type: d.Name}
	switch {
	case rel.Name == "parent":
		if len(d.Relations) > 0 && m.chance(10) {
			t.Relation = pick(m.Rand, d.Relations).Name
		}
	case len(d.Relations) > 0 && m.chance(usersets):
		t.Relation = pick(m.Rand, d.Relations).Name
	case m.chance(20):
		t.Wildcard = true
	}
	if m.kinds.Traits && m.chance(35) {
		t.Caveat = pick(m.Rand, m.schema.Caveats).Name
	}
	if m.kinds.Traits && m.chance(15) {
		t.Expiration = true
	}
	return t
}

func (m *maker) expr(d *graph.Definition, depth int) graph.Expr {
	if depth >= 3 || m.chance(25+15*depth) {
		return m.leaf(d)
	}
	first, second := m.expr(d, depth+1), m.expr(d, depth+1)
	switch n := m.IntN(100); {
	case n < 25:
		return &graph.Intersection{Children: []graph.Expr{first, second}}
	case n < 45 && m.kinds.Negation:
		return &graph.Exclusion{Base: first, Minus: second}
	case n < 60:
		return &graph.Union{Children: []graph.Expr{first, second, m.expr(d, depth+1)}}
	}
	return &graph.Union{Children: []graph.Expr{first, second}}
}

func (m *maker) leaf(d *graph.Definition) graph.Expr {
	switch n := m.IntN(100); {
	case n < 3:
		return &graph.Nil{}
	case n < 8:
		return &graph.Self{}
	case n < 45:
		if a := m.arrow(d); a != nil {
			return a
		}
	}
	return &graph.Ref{Name: pick(m.Rand, d.Relations).Name}
}

// arrow returns an arrow of d, nil if none of its relations leads anywhere.
func (m *maker) arrow(d *graph.Definition) graph.Expr {
	var all []*graph.Arrow
	for _, ts := range d.Relations {
		if ts.Rewrite != nil || slices.ContainsFunc(ts.Types, func(t graph.TypeRestriction) bool { return t.Wildcard }) {
			continue
		}
		for _, t := range ts.Types {
			for name := range m.members[t.Type] {
				all = append(all, &graph.Arrow{Tupleset: ts.Name, Target: name})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b *graph.Arrow) int { return compareText(a.String(), b.String()) })
	a := pick(m.Rand, all)
	a.All = m.kinds.Negation && m.chance(25)
	a.Any = !a.All && m.chance(20)
	return a
}
