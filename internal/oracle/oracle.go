// Package oracle decides questions in the most naive way there is: a fixpoint
// over every relation of every object, read straight from the schema as it is
// written. It is what the walk is compared with.
package oracle

import (
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// Value is what a subject set has of a relation. The values form a chain:
// union is the maximum, intersection the minimum.
type Value uint8

const (
	Denied Value = iota
	Conditional
	Failed // a caveat failed, or the answer depends on its own contrary
	Allowed
)

func (v Value) String() string {
	return [...]string{"denied", "conditional", "error", "allowed"}[v]
}

// not is the contrary of one value.
var not = [...]Value{Denied: Allowed, Conditional: Conditional, Failed: Failed, Allowed: Denied}

// Bounds enclose a value: Low <= value <= High.
type Bounds struct{ Low, High Value }

// Value is the value if the bounds agree, else Failed.
func (b Bounds) Value() Value {
	if b.Low == b.High {
		return b.Low
	}
	return Failed
}

func exactly(v Value) Bounds       { return Bounds{v, v} }
func union(a, b Bounds) Bounds     { return Bounds{max(a.Low, b.Low), max(a.High, b.High)} }
func intersect(a, b Bounds) Bounds { return Bounds{min(a.Low, b.Low), min(a.High, b.High)} }

// negate encloses the contraries of all values that b encloses.
func negate(b Bounds) Bounds {
	out := exactly(not[b.Low])
	for v := b.Low; v <= b.High; v++ {
		out = Bounds{min(out.Low, not[v]), max(out.High, not[v])}
	}
	return out
}

// Atom is one relation or permission of one object.
type Atom struct {
	Object   tuple.Object
	Relation string
}

// Table says what a subject set has of every atom.
type Table map[Atom]Bounds

// Solve decides every relation of every object that w or q names, for q's
// subjects, context, contextual tuples and time. It is the well-founded model:
// what is read behind a negation (right of "-", in .all()) comes from the
// table, which begins as "anything that the types admit" and is narrowed until
// nothing changes. Bounds that stay apart belong to atoms that depend on their
// own contrary.
func Solve(w *World, q *graph.Question) Table {
	s := see(w, q)
	s.table = Table{}
	for _, a := range s.atoms {
		s.table[a] = Bounds{Denied, s.admits(w.Schema, a)}
	}
	for {
		narrowed := s.leastFixpoint()
		changed := false
		for _, a := range s.atoms {
			changed = changed || narrowed[a] != s.table[a]
		}
		if !changed {
			return narrowed
		}
		s.table = narrowed
	}
}

// leastFixpoint raises all atoms from "denied" until every rewrite is
// satisfied.
func (s *sight) leastFixpoint() Table {
	t := Table{}
	for _, a := range s.atoms {
		t[a] = exactly(Denied)
	}
	for changed := true; changed; {
		changed = false
		for _, a := range s.atoms {
			if v := s.atom(t, a); v != t[a] {
				t[a], changed = v, true
			}
		}
	}
	return t
}

func (s *sight) atom(t Table, a Atom) Bounds {
	r := s.relations[a.Object.Type][a.Relation]
	switch {
	case s.subjects[tuple.Subject{Type: a.Object.Type, ID: a.Object.ID, Relation: a.Relation}]:
		return exactly(Allowed) // a userset is a member of itself
	case r.Rewrite != nil:
		return s.eval(t, a, r.Rewrite)
	}
	return s.direct(t, a)
}

func (s *sight) eval(t Table, a Atom, e graph.Expr) Bounds {
	switch e := e.(type) {
	case *graph.Ref:
		return t[Atom{a.Object, e.Name}]
	case *graph.Arrow:
		return s.arrow(t, a, e)
	case *graph.Self:
		if s.subjects[tuple.Subject{Type: a.Object.Type, ID: a.Object.ID}] {
			return exactly(Allowed)
		}
	case *graph.This:
		return s.direct(t, a)
	case *graph.Union:
		out := exactly(Denied)
		for _, c := range e.Children {
			out = union(out, s.eval(t, a, c))
		}
		return out
	case *graph.Intersection:
		out := exactly(Allowed)
		for _, c := range e.Children {
			out = intersect(out, s.eval(t, a, c))
		}
		return out
	case *graph.Exclusion:
		return intersect(s.eval(t, a, e.Base), negate(s.eval(s.table, a, e.Minus)))
	}
	return exactly(Denied) // nil
}

// direct decides the tuples of a.
func (s *sight) direct(t Table, a Atom) Bounds {
	out := exactly(Denied)
	for _, f := range s.facts[a] {
		switch {
		case s.subjects[f.subject], f.subject.IsWildcard() && s.types[f.subject.Type]:
			out = union(out, exactly(f.value))
		case f.subject.Relation != "":
			members := t[Atom{f.subject.Object(), f.subject.Relation}]
			out = union(out, intersect(exactly(f.value), members))
		}
	}
	return out
}

// arrow goes by the objects of the tupleset's subjects. A type without the
// target grants nobody.
func (s *sight) arrow(t Table, a Atom, e *graph.Arrow) Bounds {
	some, all := exactly(Denied), exactly(Denied)
	for i, f := range s.facts[Atom{a.Object, e.Tupleset}] {
		target := Atom{f.subject.Object(), e.Target}
		some = union(some, intersect(exactly(f.value), t[target]))
		if i == 0 {
			all = exactly(Allowed)
		}
		all = intersect(all, intersect(exactly(f.value), s.table[target]))
	}
	if e.All {
		return all
	}
	return some
}
