package graph

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// model decides all questions about one subject at once from the written
// schema, by the well-founded semantics: what follows from the tuples is
// allowed, what could not follow even if every open contrary came true is
// denied, the rest depends on its own contrary.
type model struct {
	schema  *Schema
	tuples  []tuple.Tuple
	subject tuple.Subject
	objects []tuple.Object

	// reaches says whether a relation can grant the subject by its type. What
	// cannot is denied, also where it depends on its own contrary.
	reaches func(relation string) bool
}

// atoms holds "object#relation", "object-" with the place of an expression that
// stands right of an exclusion, or "!" and one of the former: its contrary.
type atoms map[string]bool

func atomOf(o tuple.Object, relation string) string { return o.String() + "#" + relation }

func minusOf(o tuple.Object, e *Exclusion) string { return fmt.Sprintf("%s-%p", o, e) }

// follows returns what follows when a contrary holds where against lacks it.
func (m *model) follows(against atoms) atoms {
	out := atoms{}
	for changed := true; changed; {
		changed = false
		m.each(func(o tuple.Object, r *Relation) {
			if name := atomOf(o, r.Name); !out[name] && m.relation(o, r, out, against) {
				out[name], changed = true, true
			}
			for _, e := range exclusions(r.Rewrite) {
				if name := minusOf(o, e); !out[name] && m.expr(o, e.Minus, out, against) {
					out[name], changed = true, true
				}
			}
		})
	}
	m.each(func(o tuple.Object, r *Relation) {
		if name := atomOf(o, r.Name); !against[name] {
			out["!"+name] = true
		}
	})
	return out
}

func (m *model) each(yield func(o tuple.Object, r *Relation)) {
	for _, o := range m.objects {
		for _, d := range m.schema.Definitions {
			for _, r := range d.Relations {
				if d.Name == o.Type {
					yield(o, r)
				}
			}
		}
	}
}

func exclusions(e Expr) []*Exclusion {
	var out []*Exclusion
	switch e := e.(type) {
	case *Union:
		for _, c := range e.Children {
			out = append(out, exclusions(c)...)
		}
	case *Intersection:
		for _, c := range e.Children {
			out = append(out, exclusions(c)...)
		}
	case *Exclusion:
		out = append(append(out, e), append(exclusions(e.Base), exclusions(e.Minus)...)...)
	}
	return out
}

func (m *model) relation(o tuple.Object, r *Relation, in, against atoms) bool {
	if m.subject.Relation == r.Name && m.subject.Object() == o {
		return true
	}
	if !m.reaches(r.Name) {
		return false
	}
	if r.Rewrite != nil {
		return m.expr(o, r.Rewrite, in, against)
	}
	for _, t := range m.tuples {
		switch s := t.Subject; {
		case t.Object != o || t.Relation != r.Name:
		case s == m.subject, s.IsWildcard() && s.Type == m.subject.Type && m.subject.Relation == "":
			return true
		case s.Relation != "" && in[atomOf(s.Object(), s.Relation)]:
			return true
		}
	}
	return false
}

func (m *model) expr(o tuple.Object, e Expr, in, against atoms) bool {
	switch e := e.(type) {
	case *Ref:
		return in[atomOf(o, e.Name)]
	case *Self:
		return m.subject == tuple.Subject{Type: o.Type, ID: o.ID}
	case *Union:
		for _, c := range e.Children {
			if m.expr(o, c, in, against) {
				return true
			}
		}
	case *Intersection:
		for _, c := range e.Children {
			if !m.expr(o, c, in, against) {
				return false
			}
		}
		return true
	case *Exclusion:
		return m.expr(o, e.Base, in, against) && !against[minusOf(o, e)]
	case *Arrow:
		some, all := false, true
		for _, t := range m.tuples {
			if t.Object != o || t.Relation != e.Tupleset {
				continue
			}
			target := atomOf(t.Subject.Object(), e.Target)
			if e.All {
				some, all = true, all && t.Subject.Type == "node" && !against["!"+target]
			} else if in[target] {
				return true
			}
		}
		return some && all
	}
	return false
}

// decide returns for each atom allowed, denied, or failed: neither.
func (m *model) decide(yield func(o tuple.Object, relation string, want level)) {
	certain, possible := atoms{}, m.follows(atoms{})
	for {
		next := m.follows(possible)
		if len(next) == len(certain) && same(next, certain) {
			break
		}
		certain = next
		possible = m.follows(certain)
	}
	m.each(func(o tuple.Object, r *Relation) {
		switch name := atomOf(o, r.Name); {
		case certain[name]:
			yield(o, r.Name, allowed)
		case possible[name]:
			yield(o, r.Name, failed)
		default:
			yield(o, r.Name, denied)
		}
	})
}

func same(a, b atoms) bool {
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

// randomSchema makes a schema of one recursive type with relations r0.. and
// permissions p0.. that refer to each other in any way the language allows.
func randomSchema(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("use self\ndefinition user {}\ndefinition node {\nrelation r0: user | node\nrelation r1: user | user:* | node#r1 | node#p0\nrelation r2: node | node#p1 | node#r0\n")
	perms := 1 + r.IntN(5)
	names := []string{"r0", "r1", "r2"}
	for i := range max(2, perms) {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	for i := range max(2, perms) {
		fmt.Fprintf(&b, "permission p%d = %s\n", i, randomExpr(r, names, 3))
	}
	b.WriteString("}\n")
	return b.String()
}

func randomExpr(r *rand.Rand, names []string, depth int) string {
	name := func() string { return names[r.IntN(len(names))] }
	if depth == 0 || r.IntN(4) == 0 {
		switch r.IntN(8) {
		case 0, 1:
			return []string{"r0", "r2"}[r.IntN(2)] + "->" + name()
		case 2:
			return []string{"r0", "r2"}[r.IntN(2)] + ".all(" + name() + ")"
		case 3:
			return "self"
		default:
			return name()
		}
	}
	op := []string{" + ", " + ", " & ", " - "}[r.IntN(4)]
	out := "(" + randomExpr(r, names, depth-1) + op + randomExpr(r, names, depth-1)
	if op != " - " && r.IntN(3) == 0 {
		out += op + randomExpr(r, names, depth-1)
	}
	return out + ")"
}

func randomTuples(r *rand.Rand, nodes int) string {
	node := func() string { return fmt.Sprintf("node:n%d", r.IntN(nodes)) }
	var lines []string
	for range r.IntN(4 * nodes) {
		var b strings.Builder
		switch r.IntN(8) {
		case 0, 1:
			fmt.Fprintf(&b, "%s#r0@user:ann\n", node())
		case 2:
			fmt.Fprintf(&b, "%s#r0@%s\n", node(), node())
		case 3:
			fmt.Fprintf(&b, "%s#r1@%s#%s\n", node(), node(), []string{"r1", "p0"}[r.IntN(2)])
		case 4, 5:
			fmt.Fprintf(&b, "%s#r2@%s\n", node(), node())
		case 6:
			fmt.Fprintf(&b, "%s#r2@%s#%s\n", node(), node(), []string{"p1", "r0"}[r.IntN(2)])
		case 7:
			fmt.Fprintf(&b, "%s#r1@%s\n", node(), []string{"user:bob", "user:ann", "user:*"}[r.IntN(3)])
		}
		if !slices.Contains(lines, b.String()) {
			lines = append(lines, b.String())
		}
	}
	return strings.Join(lines, "")
}

// TestCheck_AgreesWithTheWellFoundedModel asks every question of many small
// worlds full of cycles, negative ones too.
func TestCheck_AgreesWithTheWellFoundedModel(t *testing.T) {
	sequential(t)
	worlds := 1500
	if testing.Short() || racing {
		worlds = 200
	}
	asked := map[level]int{}
	for seed := range worlds {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		schema, nodes := randomSchema(r), 2+r.IntN(4)
		text := randomTuples(r, nodes)
		w := newWorld(t, schema, text)
		m := &model{schema: w.graph.Schema(), tuples: parseTuples(t, text)}
		for i := range nodes {
			m.objects = append(m.objects, tuple.Object{Type: "node", ID: fmt.Sprintf("n%d", i)})
		}
		for _, s := range []tuple.Subject{{Type: "user", ID: "ann"}, {Type: "node", ID: "n0"}, {Type: "node", ID: "n1", Relation: "p0"}} {
			m.subject = s
			q, err := w.graph.Resolve(w.view(), &Question{Object: m.objects[0], Permission: "r0", Subjects: []tuple.Subject{s}})
			if err != nil {
				t.Fatal(err)
			}
			m.reaches = func(relation string) bool {
				p, kind := w.graph.types[w.graph.typeIndex["node"]].relations[relation], q.Subjects()[0].Type
				if u := q.Subjects()[0].Program; u >= 0 {
					kind = w.graph.usersetKind(u)
				}
				return hasBit(w.graph.rewriteRow(w.graph.programs[p].body), kind)
			}
			m.decide(func(o tuple.Object, relation string, want level) {
				asked[want]++
				a, err := w.ask(&Question{Object: o, Permission: relation, Subjects: []tuple.Subject{s}})
				var cycle *NegativeCycleError
				got := map[Decision]level{Denied: denied, Allowed: allowed}[a.Decision]
				if errors.As(err, &cycle) {
					got = failed
				} else if err != nil {
					t.Fatal(err)
				}
				if got != want {
					t.Errorf("seed %d: %s#%s@%s: got %d, want %d\n%s%s", seed, o, relation, s, got, want, schema, text)
				}
			})
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("denied %d, allowed %d, negative cycles %d", asked[denied], asked[allowed], asked[failed])
}
