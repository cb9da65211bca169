package graph

import "github.com/pemba-authz/pemba/tuple"

// CheckFilter reports whether f names only types and relations that the schema
// has: nil or an *UnknownError with a field under "filter".
func (g *Graph) CheckFilter(f tuple.Filter) error {
	if err := g.knows("filter", f.Type, f.Relation); err != nil {
		return err
	}
	if f.SubjectType == "" {
		return nil
	}
	relation := f.SubjectRelation
	if relation == tuple.Plain {
		relation = ""
	}
	return g.knows("filter.subject", f.SubjectType, relation)
}

func (g *Graph) knows(field, typ, relation string) error {
	t, ok := g.typeIndex[typ]
	if !ok {
		return &UnknownError{field + ".type", typ, g.typeHint(typ)}
	}
	if _, ok := g.types[t].relations[relation]; !ok && relation != "" {
		return &UnknownError{field + ".relation", relation, g.relationHint(t, relation)}
	}
	return nil
}

// Restrictions returns the kinds of subjects that a relation accepts in tuples;
// nil if there is no such relation. Read only.
func (g *Graph) Restrictions(typ, relation string) []TypeRestriction {
	t, ok := g.typeIndex[typ]
	if !ok {
		return nil
	}
	p, ok := g.types[t].relations[relation]
	if !ok {
		return nil
	}
	return g.programs[p].source.Types
}
