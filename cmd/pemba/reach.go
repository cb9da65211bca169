package main

import (
	"fmt"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// row is one relation or permission of one object.
type row struct {
	object tuple.Object
	name   string
}

// reach collects the subjects written in the relations that lead to a
// permission, without judging whether they suffice for it: that is for a check
// to say. What an exclusion takes away is not followed.
type reach struct {
	world *world
	seen  map[row]bool
	via   map[tuple.Subject]map[string]bool // subject -> "<object#relation>"
}

// relation follows a relation or permission that must exist.
func (r *reach) relation(o tuple.Object, name string) error {
	rel := r.find(o.Type, name)
	if rel == nil {
		return fmt.Errorf("type %q has no relation or permission %q", o.Type, name)
	}
	r.follow(o, rel)
	return nil
}

func (r *reach) find(typ, name string) *graph.Relation {
	for _, d := range r.world.graph.Schema().Definitions {
		if d.Name != typ {
			continue
		}
		for _, rel := range d.Relations {
			if rel.Name == name {
				return rel
			}
		}
	}
	return nil
}

func (r *reach) follow(o tuple.Object, rel *graph.Relation) {
	at := row{o, rel.Name}
	if r.seen[at] {
		return
	}
	r.seen[at] = true
	if rel.IsPermission() {
		r.expr(o, rel, rel.Rewrite)
		return
	}
	for t := range r.world.tuples(o, rel.Name) {
		r.add(t.Subject, at)
		if t.Subject.Relation != "" {
			r.maybe(t.Subject.Object(), t.Subject.Relation)
		}
	}
}

// maybe follows a relation that the object's type need not have.
func (r *reach) maybe(o tuple.Object, name string) {
	if rel := r.find(o.Type, name); rel != nil {
		r.follow(o, rel)
	}
}

func (r *reach) add(s tuple.Subject, at row) {
	if r.via[s] == nil {
		r.via[s] = make(map[string]bool)
	}
	r.via[s]["<"+at.object.String()+"#"+at.name+">"] = true
}

func (r *reach) expr(o tuple.Object, in *graph.Relation, e graph.Expr) {
	switch e := e.(type) {
	case *graph.Ref:
		r.maybe(o, e.Name)
	case *graph.Arrow:
		for t := range r.world.tuples(o, e.Tupleset) {
			r.maybe(t.Subject.Object(), e.Target)
		}
	case *graph.Self:
		r.add(tuple.Subject{Type: o.Type, ID: o.ID}, row{o, in.Name})
	case *graph.Union:
		r.exprs(o, in, e.Children)
	case *graph.Intersection:
		r.exprs(o, in, e.Children)
	case *graph.Exclusion:
		r.expr(o, in, e.Base)
	}
}

func (r *reach) exprs(o tuple.Object, in *graph.Relation, es []graph.Expr) {
	for _, e := range es {
		r.expr(o, in, e)
	}
}
