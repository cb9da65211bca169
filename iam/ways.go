package iam

import (
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/tuple"
)

// way is a binding that counts for a subject on a resource, and the tuples that
// make it count: while they are there, it does.
type way struct {
	BindingAt
	keys []tuple.Key
}

// membership is who a subject is, by the tuple that says so; nil for the subject
// itself and for what its record implies.
type membership map[tuple.Subject]*tuple.Key

// memberships returns a subject, the groups that it is in and the system groups.
func (s *Service) memberships(v *authz.LayerView, who Subject) (membership, error) {
	t := who.tuple()
	m := membership{t: nil, everybody: nil}
	if who == (Subject{System, AllUsers}) {
		return m, nil
	}
	implied, err := s.implied(v, who)
	if err != nil {
		return nil, err
	}
	for _, i := range implied {
		m[i] = nil
	}
	for g := range v.Tuples(tuple.Filter{Type: groupType, Relation: memberRelation, SubjectType: t.Type, SubjectID: t.ID, SubjectRelation: plain(t)}) {
		k := g.Key()
		m[Subject{GroupSubject, g.Object.ID}.tuple()] = &k
	}
	return m, nil
}

func plain(t tuple.Subject) string {
	if t.Relation == "" {
		return tuple.Plain
	}
	return t.Relation
}

// ways returns what is granted to any of m on the resources of a path, nearest first.
func (m membership) ways(v *authz.LayerView, path []Resource) []way {
	var out []way
	var above []tuple.Key
	for i, on := range path {
		if i > 0 {
			above = append(above, path[i-1].below(on).Key())
		}
		for _, b := range bindingsOn(v, on) {
			group, ok := m[b.Subject.tuple()]
			if !ok {
				continue
			}
			at := BindingAt{on, b}
			keys := append(above[:len(above):len(above)], at.tuple().Key())
			if group != nil {
				keys = append(keys, *group)
			}
			out = append(out, way{at, keys})
		}
	}
	return out
}
