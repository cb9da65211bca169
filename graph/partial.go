package graph

import (
	"slices"
	"strings"
)

// maxIncluded bounds what partials add to definitions and to other partials:
// relations, kinds of subjects and parts of expressions together.
const maxIncluded = 200_000

// expand sets the Relations of all partials and definitions of a parsed
// schema. What cannot be included is left out; Validate reports it.
func expand(s *Schema) *SchemaError {
	x := &partialSpreader{partials: map[string]*Partial{}, state: map[*Partial]int{}}
	for _, p := range s.Partials {
		if x.partials[p.Name] == nil {
			x.partials[p.Name] = p
		}
	}
	for _, p := range s.Partials {
		x.partial(p)
	}
	for _, d := range s.Definitions {
		d.Relations = x.relations(d.Members)
		if !slices.ContainsFunc(d.Members, func(m Member) bool { return m.Spread != nil }) {
			d.Members = nil
		}
	}
	return x.err
}

type partialSpreader struct {
	partials map[string]*Partial
	state    map[*Partial]int // 0 = not looked at, inExpansion, or done
	included int
	err      *SchemaError
}

const (
	inExpansion = 1
	expanded    = 2
)

func (x *partialSpreader) partial(p *Partial) {
	if x.state[p] != 0 {
		return
	}
	x.state[p] = inExpansion
	p.Relations = x.relations(p.Members)
	if !slices.ContainsFunc(p.Members, func(m Member) bool { return m.Spread != nil }) {
		p.Members = nil
	}
	x.state[p] = expanded
}

// relations returns what members are, spreads replaced by what they include.
func (x *partialSpreader) relations(members []Member) []*Relation {
	var all []*Relation
	for _, m := range members {
		if m.Relation != nil {
			all = append(all, m.Relation)
			continue
		}
		p := x.partials[m.Spread.Partial]
		if p == nil {
			continue
		}
		x.partial(p)
		if x.state[p] == inExpansion || x.err != nil {
			continue
		}
		for _, r := range p.Relations {
			x.included += r.size()
		}
		if x.included > maxIncluded {
			x.err = errorAt(m.Spread.Pos, m.Spread.Partial, "the partials up to here include too much, more than %d relations, types and parts of expressions", maxIncluded)
			return nil
		}
		all = append(all, p.Relations...)
	}
	return all
}

// size counts the parts of r.
func (r *Relation) size() int {
	return 1 + len(r.Types) + len(r.Expected) + exprSize(r.Rewrite)
}

func exprSize(e Expr) int {
	n := 1
	switch e := e.(type) {
	case nil:
		return 0
	case *Union:
		for _, c := range e.Children {
			n += exprSize(c)
		}
	case *Intersection:
		for _, c := range e.Children {
			n += exprSize(c)
		}
	case *Exclusion:
		n += exprSize(e.Base) + exprSize(e.Minus)
	}
	return n
}

// declarePartials collects the partials and checks what spreads name.
func (v *validator) declarePartials() {
	for _, p := range v.schema.Partials {
		v.checkName(p.Name, p.Pos, "partial")
		if first := v.partials[p.Name]; first != nil {
			v.report(errorAt(p.Pos, p.Name, "a partial of this name is on line %d already", first.Pos.Line), nil)
			continue
		}
		v.partials[p.Name] = p
	}
	for _, p := range v.schema.Partials {
		v.spreads((*Definition)(p))
		v.duplicates((*Definition)(p))
	}
	for _, d := range v.schema.Definitions {
		v.spreads(d)
	}
	v.partialCycles()
}

// spreads checks that what d spreads are partials.
func (v *validator) spreads(d *Definition) {
	for _, m := range d.Members {
		if m.Spread == nil || len(v.errs) >= maxErrors {
			continue
		}
		name := m.Spread.Partial
		if p := v.partials[name]; p != nil {
			v.spread[p] = true
			continue
		}
		err := errorAt(m.Spread.Pos, name, "no such partial")
		switch {
		case slices.ContainsFunc(v.schema.Definitions, func(d *Definition) bool { return d.Name == name }):
			err.Hint = "it is a definition, only partials can be included"
		case slices.ContainsFunc(v.schema.Caveats, func(c *Caveat) bool { return c.Name == name }):
			err.Hint = "it is a caveat, only partials can be included"
		}
		v.report(err, keysOf(v.partials))
	}
}

// duplicates reports names that d has twice. What a partial itself has twice is
// not told again where it is included.
func (v *validator) duplicates(d *Definition) {
	first := map[string]*Relation{}
	for _, m := range d.written() {
		told := false
		for _, r := range v.included(m) {
			switch prev := first[r.Name]; {
			case prev == nil:
				first[r.Name] = r
			case v.twice[r] || told:
			case m.Spread == nil:
				v.report(errorAt(r.Pos, r.Name, "%s has a relation or permission of this name on line %d already", d.Name, prev.Pos.Line), nil)
				v.twice[r] = true
			default:
				v.report(errorAt(m.Spread.Pos, m.Spread.Partial, "includes %q of line %d, but %s has a relation or permission of this name on line %d already",
					r.Name, r.Pos.Line, d.Name, prev.Pos.Line), nil)
				v.twice[r], told = true, true
			}
		}
	}
}

// included returns the relations that m stands for.
func (v *validator) included(m Member) []*Relation {
	if m.Relation != nil {
		return []*Relation{m.Relation}
	}
	if p := v.partials[m.Spread.Partial]; p != nil {
		return p.Relations
	}
	return nil
}

// partialCycles reports each spread that closes a cycle of partials, once.
func (v *validator) partialCycles() {
	state := map[*Partial]int{}
	var way []string
	var visit func(p *Partial)
	visit = func(p *Partial) {
		state[p] = inExpansion
		way = append(way, p.Name)
		for _, m := range p.Members {
			if m.Spread == nil || len(v.errs) >= maxErrors {
				continue
			}
			next := v.partials[m.Spread.Partial]
			switch {
			case next == nil || state[next] == expanded:
			case state[next] == inExpansion:
				cycle := append(slices.Clone(way[slices.Index(way, next.Name):]), next.Name)
				v.report(errorAt(m.Spread.Pos, next.Name, "partials include each other in a circle: %s", circle(cycle)), nil)
			default:
				visit(next)
			}
		}
		way = way[:len(way)-1]
		state[p] = expanded
	}
	for _, p := range v.schema.Partials {
		if state[p] == 0 && v.partials[p.Name] == p {
			visit(p)
		}
	}
}

// circle shortens the names of a cycle to what a reader takes in.
func circle(names []string) string {
	const most = 8
	if n := len(names); n > most {
		names = append(append(slices.Clone(names[:most-2]), "..."), names[n-1])
	}
	return strings.Join(names, " -> ")
}
