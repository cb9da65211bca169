package oracle

import (
	"slices"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// kind is a relation or permission of a type.
type kind struct{ typ, relation string }

// admits returns the most that a can be by the types of the schema alone: no
// tuples lead from its kind to a subject of another. So a cycle that nothing
// can come of is denied, not undecided.
func (s *sight) admits(schema *graph.Schema, a Atom) Value {
	if s.admitted == nil {
		s.admitted = map[kind]bool{}
		for sub := range s.subjects {
			s.admitted[kind{sub.Type, sub.Relation}] = true
		}
		for changed := true; changed; {
			changed = false
			for _, d := range schema.Definitions {
				for _, r := range d.Relations {
					if k := (kind{d.Name, r.Name}); !s.admitted[k] && s.leads(d.Name, r, r.Rewrite) {
						s.admitted[k], changed = true, true
					}
				}
			}
		}
	}
	if s.admitted[kind{a.Object.Type, a.Relation}] {
		return Allowed
	}
	return Denied
}

// leads reports whether some part of e, or of the relation itself, leads to an
// admitted kind. A plain subject is the kind without a relation.
func (s *sight) leads(typ string, r *graph.Relation, e graph.Expr) bool {
	part := func(e graph.Expr) bool { return s.leads(typ, r, e) }
	switch e := e.(type) {
	case *graph.Ref:
		return s.admitted[kind{typ, e.Name}]
	case *graph.Arrow:
		return slices.ContainsFunc(s.relations[typ][e.Tupleset].Types, func(t graph.TypeRestriction) bool {
			return s.relations[t.Type][e.Target] != nil && s.admitted[kind{t.Type, e.Target}]
		})
	case *graph.Self:
		return s.admitted[kind{typ, ""}]
	case *graph.Union:
		return slices.ContainsFunc(e.Children, part)
	case *graph.Intersection:
		return slices.ContainsFunc(e.Children, part)
	case *graph.Exclusion:
		return part(e.Base)
	case *graph.Nil:
		return false
	}
	return slices.ContainsFunc(r.Types, func(t graph.TypeRestriction) bool { return s.admitted[kind{t.Type, t.Relation}] })
}

// Objects returns the objects of a type on which the subjects have a relation,
// with their values, by asking for each of them.
func (t Table) Objects(typ, relation string) map[tuple.Object]Value {
	out := map[tuple.Object]Value{}
	for a, b := range t {
		if a.Object.Type == typ && a.Relation == relation && b.Value() != Denied {
			out[a.Object] = b.Value()
		}
	}
	return out
}
