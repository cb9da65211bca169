package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/tuple"
)

// surely orders values by how surely a subject is allowed: what is open and
// what fails lie together between denied and allowed.
var surely = [...]int{Denied: 0, Conditional: 1, Failed: 1, Allowed: 2}

// said is what Diff says of one relation or permission.
type said struct{ gain, lose, named bool }

// claims collects what changes say of what both schemas have.
func claims(changes []graph.Change) map[kind]said {
	out := map[kind]said{}
	add := func(k kind, c graph.ChangeKind) {
		s := out[k]
		s.named = true
		s.gain = s.gain || c != graph.Narrowed
		s.lose = s.lose || c != graph.Widened
		out[k] = s
	}
	for _, c := range changes {
		if c.What == graph.DeclaredRelation || c.What == graph.DeclaredPermission {
			add(kind{c.Type, c.Name}, c.Kind)
		}
		for _, e := range c.Effects {
			add(kind{e.Type, e.Name}, e.Kind)
		}
	}
	return out
}

// broken says how two values contradict what is said of their atom, "" if they
// do not.
func (s said) broken(old, new Value) string {
	switch {
	case !s.named && old != new:
		return "it is not named"
	case !s.gain && surely[new] > surely[old]:
		return "nobody should gain it"
	case !s.lose && surely[new] < surely[old]:
		return "nobody should lose it"
	}
	return ""
}

// What Diff claims holds for random pairs of schemas on random tuples, those
// that only one of the schemas allows among them.
func TestDiff_ClaimsHold(t *testing.T) {
	count := map[string]int{}
	worlds(t, 1000, func(seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		kinds := random.Everything
		kinds.Knots = seed%4 == 0
		kinds.Unsettled = seed%2 == 0
		old := random.Schema(r, kinds)
		new := mutant(r, old)
		if r.IntN(2) == 0 {
			old, new = new, old
		}
		changes := graph.Diff(old, new)
		all := claims(changes)
		for range 3 {
			tuples := distinct(append(random.Tuples(r, old, 20, true), random.Tuples(r, new, 20, true)...))
			for range 3 {
				q := random.Asker(r, old)
				if !understands(new, &q) {
					continue
				}
				for a, v := range answersOf(t, old, new, tuples, &q) {
					s := all[kind{a.Object.Type, a.Relation}]
					if why := s.broken(v[0], v[1]); why != "" {
						t.Fatalf("seed %d: %s#%s is %v before and %v after, but %s\nold:\n%s\nnew:\n%s\ntuples: %v\nquestion: %+v\nchanges: %v", seed,
							a.Object, a.Relation, v[0], v[1], why, graph.Print(old), graph.Print(new), tuples, q, changes)
					}
					count[fmt.Sprintf("%+v differs=%v", s, v[0] != v[1])]++
				}
			}
		}
	})
	t.Log(count)
	for _, s := range []said{{gain: true, named: true}, {lose: true, named: true}, {gain: true, lose: true, named: true}} {
		if key := fmt.Sprintf("%+v differs=true", s); count[key] < 200 {
			t.Errorf("%d answers with %s", count[key], key)
		}
	}
}

// answersOf solves both worlds and returns the atoms that both have.
func answersOf(t *testing.T, old, new *graph.Schema, tuples []tuple.Tuple, q *graph.Question) map[Atom][2]Value {
	t.Helper()
	var tables [2]Table
	for i, s := range []*graph.Schema{old, new} {
		w, err := NewWorld(s, tuples)
		if err != nil {
			t.Fatal(err)
		}
		tables[i] = Solve(w, q)
	}
	out := map[Atom][2]Value{}
	for a, b := range tables[0] {
		if n, both := tables[1][a]; both {
			out[a] = [2]Value{b.Value(), n.Value()}
		}
	}
	return out
}

func distinct(tuples []tuple.Tuple) []tuple.Tuple {
	seen := map[tuple.Key]bool{}
	return slices.DeleteFunc(tuples, func(t tuple.Tuple) bool {
		had := seen[t.Key()]
		seen[t.Key()] = true
		return had
	})
}

// understands reports whether s has all that q names.
func understands(s *graph.Schema, q *graph.Question) bool {
	names := map[kind]bool{}
	for _, d := range s.Definitions {
		names[kind{d.Name, ""}] = true
		for _, r := range d.Relations {
			names[kind{d.Name, r.Name}] = true
		}
	}
	for _, sub := range q.Subjects {
		if !names[kind{sub.Type, sub.Relation}] {
			return false
		}
	}
	return names[kind{q.Object.Type, ""}]
}

// mutant changes a few places of s, so that it stays valid.
func mutant(r *rand.Rand, s *graph.Schema) *graph.Schema {
	for range 1 + r.IntN(3) {
		for {
			next := mutate(r, s)
			if _, err := graph.Validate(next); err == nil {
				s = next
				break
			}
		}
	}
	return s
}

func mutate(r *rand.Rand, s *graph.Schema) *graph.Schema {
	i := r.IntN(len(s.Definitions))
	d := s.Definitions[i]
	if len(d.Relations) == 0 {
		return s
	}
	j := r.IntN(len(d.Relations))
	changed := *d.Relations[j]
	switch n := r.IntN(100); {
	case n < 14: // arrows may lead to it all the same
		return withRelation(s, i, j, nil)
	case n < 16:
		return withDefinition(s, i, nil)
	case n < 22:
		return withMember(r, s, i)
	case n < 30 && len(s.Caveats) > 0:
		return withCaveat(r, s)
	case n < 34: // stored becomes computed, or the other way round
		if changed.Rewrite == nil {
			changed.Types, changed.Rewrite = nil, operand(r, d)
		} else {
			changed.Types, changed.Rewrite = restrictions(r, s), nil
		}
	case changed.Rewrite == nil:
		changed.Types = mutateTypes(r, s, changed.Types)
	default:
		changed.Rewrite = mutateExpr(r, d, changed.Rewrite)
	}
	return withRelation(s, i, j, &changed)
}

// withMember adds a permission, and refers to it from another one, perhaps in
// place of an equal part.
func withMember(r *rand.Rand, s *graph.Schema, i int) *graph.Schema {
	d := *s.Definitions[i]
	d.Relations = slices.Clone(d.Relations)
	part := &graph.Relation{Name: "part", Rewrite: operand(r, &d)}
	j := r.IntN(len(d.Relations))
	if user := *d.Relations[j]; user.Rewrite != nil {
		if r.IntN(2) == 0 {
			part.Rewrite, user.Rewrite = user.Rewrite, &graph.Ref{Name: "part"}
		} else {
			user.Rewrite = combined(r, user.Rewrite, &graph.Ref{Name: "part"})
		}
		d.Relations[j] = &user
	}
	d.Relations = append(d.Relations, part)
	return withDefinition(s, i, &d)
}

func withCaveat(r *rand.Rand, s *graph.Schema) *graph.Schema {
	n := *s
	n.Caveats = slices.Clone(s.Caveats)
	k := r.IntN(len(n.Caveats))
	c := *n.Caveats[k]
	c.Body = "!(" + c.Body + ")"
	if r.IntN(2) == 0 {
		c.Body = c.Body[1:]
	}
	n.Caveats[k] = &c
	n.Order = nil
	return &n
}

func restrictions(r *rand.Rand, s *graph.Schema) []graph.TypeRestriction {
	var out []graph.TypeRestriction
	for range 1 + r.IntN(2) {
		d := s.Definitions[r.IntN(len(s.Definitions))]
		t := graph.TypeRestriction{Type: d.Name}
		switch n := r.IntN(10); {
		case n < 4 && len(d.Relations) > 0:
			t.Relation = d.Relations[r.IntN(len(d.Relations))].Name
		case n < 5:
			t.Wildcard = true
		}
		if len(s.Caveats) > 0 && r.IntN(5) == 0 {
			t.Caveat = s.Caveats[r.IntN(len(s.Caveats))].Name
		}
		out = append(out, t)
	}
	return out
}

func mutateTypes(r *rand.Rand, s *graph.Schema, types []graph.TypeRestriction) []graph.TypeRestriction {
	out := slices.Clone(types)
	if len(out) > 1 && r.IntN(2) == 0 {
		k := r.IntN(len(out))
		out = slices.Delete(out, k, k+1)
	}
	if len(out) == len(types) || r.IntN(3) == 0 {
		out = append(out, restrictions(r, s)...)
	}
	return out
}

// operand returns a reference, an arrow, nil or self.
func operand(r *rand.Rand, d *graph.Definition) graph.Expr {
	name := d.Relations[r.IntN(len(d.Relations))]
	switch n := r.IntN(20); {
	case n == 0:
		return &graph.Nil{}
	case n == 1:
		return &graph.Self{}
	case n < 8 && name.Rewrite == nil:
		targets := []string{"view", "edit", "admin", "member", "viewer", "part"}
		return &graph.Arrow{Tupleset: name.Name, Target: targets[r.IntN(len(targets))], All: r.IntN(3) == 0}
	}
	return &graph.Ref{Name: name.Name}
}

func combined(r *rand.Rand, a, b graph.Expr) graph.Expr {
	switch r.IntN(4) {
	case 0:
		return &graph.Intersection{Children: []graph.Expr{a, b}}
	case 1:
		return &graph.Exclusion{Base: a, Minus: b}
	case 2:
		return &graph.Union{Children: []graph.Expr{b, a, b}}
	}
	return &graph.Union{Children: []graph.Expr{a, b}}
}

// mutateExpr changes one place of e.
func mutateExpr(r *rand.Rand, d *graph.Definition, e graph.Expr) graph.Expr {
	if r.IntN(3) > 0 {
		switch e := e.(type) {
		case *graph.Union:
			return &graph.Union{Children: mutateChild(r, d, e.Children)}
		case *graph.Intersection:
			return &graph.Intersection{Children: mutateChild(r, d, e.Children)}
		case *graph.Exclusion:
			if r.IntN(2) == 0 {
				return &graph.Exclusion{Base: e.Base, Minus: mutateExpr(r, d, e.Minus)}
			}
			return &graph.Exclusion{Base: mutateExpr(r, d, e.Base), Minus: e.Minus}
		}
	}
	smaller := smallerExprs(e)
	switch n := r.IntN(10); {
	case n < 3 && len(smaller) > 0:
		return smaller[r.IntN(len(smaller))]
	case n < 4:
		return operand(r, d)
	case n < 5:
		if x, ok := e.(*graph.Exclusion); ok {
			if y, ok := x.Base.(*graph.Exclusion); ok { // a - b - c as a - (b + c)
				return &graph.Exclusion{Base: y.Base, Minus: &graph.Union{Children: []graph.Expr{y.Minus, x.Minus}}}
			}
		}
	}
	return combined(r, e, operand(r, d))
}

func mutateChild(r *rand.Rand, d *graph.Definition, children []graph.Expr) []graph.Expr {
	out := slices.Clone(children)
	k := r.IntN(len(out))
	out[k] = mutateExpr(r, d, out[k])
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
