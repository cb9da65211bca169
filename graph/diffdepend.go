package graph

import (
	"cmp"
	"slices"
	"strings"
)

// listener is a member whose answers follow those of another one, the other way
// round if negative. An arrow listens to its targets and is listened to by the
// members that it stands in.
type listener struct {
	to       member
	negative bool
}

// seed is where a change is felt, and how.
type seed struct {
	at  member
	way direction
}

// listen notes what m follows through an operand of its expression on the new
// side.
func (d *differ) listen(m member, e Expr, negative bool) {
	switch e := e.(type) {
	case *Ref:
		if at := (member{m.typ, e.Name}); d.common(at) {
			d.listeners[at] = append(d.listeners[at], listener{m, negative})
		}
	case *Arrow:
		arrow := member{m.typ, e.String()}
		if e.Any { // the same as "->"
			arrow.name = (&Arrow{Tupleset: e.Tupleset, Target: e.Target}).String()
		}
		if len(d.listeners[arrow]) == 0 {
			d.arrow(arrow, e)
		}
		d.listeners[arrow] = append(d.listeners[arrow], listener{m, negative})
	}
}

// arrow notes what an arrow follows: its targets; what its left side accepts;
// and whether the types of the left side have the target at all.
func (d *differ) arrow(arrow member, e *Arrow) {
	left := member{arrow.typ, e.Tupleset}
	if !d.common(left) {
		return // the arrow is on one side only, and compared as such
	}
	kinds := d.kindsOf(d.old.relation(left), d.new.relation(left))
	if way := d.throughKinds(kinds, e); way != 0 {
		d.seeds[left] = append(d.seeds[left], seed{arrow, way})
	}
	for _, t := range kinds.recaveated {
		if d.new.rels[t.Type][e.Target] != nil || d.old.rels[t.Type][e.Target] != nil {
			d.fromCaveat(t.Caveat, arrow)
		}
	}
	seen := map[string]bool{}
	for _, t := range d.new.relation(left).Types {
		target := member{t.Type, e.Target}
		if seen[t.Type] || t.Wildcard {
			continue
		}
		seen[t.Type] = true
		was, is := d.old.relation(target) != nil, d.new.relation(target) != nil
		switch {
		case was && is:
			d.listeners[target] = append(d.listeners[target], listener{to: arrow})
		case is && d.old.defs[t.Type] != nil:
			d.seeds[target] = append(d.seeds[target], seed{arrow, wider})
		case was:
			d.seeds[target] = append(d.seeds[target], seed{arrow, narrower})
		}
	}
}

// throughKinds says how an arrow changes with what its left side accepts. More
// objects to ask can only add subjects to "->", and where a type lacks the
// target they do not even that; in .all() they may go either way.
func (d *differ) throughKinds(k kindChange, e *Arrow) direction {
	var way direction
	for _, t := range k.added {
		if e.All || d.new.rels[t.Type][e.Target] != nil {
			way |= wider
		}
	}
	for _, t := range k.removed {
		if e.All || d.old.rels[t.Type][e.Target] != nil {
			way |= narrower
		}
	}
	if e.All && way != 0 {
		return either
	}
	return way
}

// listenToKinds notes what m follows through its tuples: the usersets that it
// accepts before and after, and caveats.
func (d *differ) listenToKinds(m member, is *Relation, k kindChange, negative bool) {
	added := map[string]bool{}
	for _, t := range k.added {
		added[t.String()] = true
	}
	seen := map[member]bool{}
	for _, t := range is.Types {
		at := member{t.Type, t.Relation}
		if t.Relation == "" || added[t.String()] || seen[at] || !d.common(at) {
			continue
		}
		seen[at] = true
		d.listeners[at] = append(d.listeners[at], listener{m, negative})
	}
	for _, t := range k.recaveated {
		d.fromCaveat(t.Caveat, m)
	}
}

// fromCaveat notes that a caveat that has changed is felt at m.
func (d *differ) fromCaveat(name string, m member) {
	from := beginning{"", name}
	d.seeds[from] = append(d.seeds[from], seed{m, either})
}

// spread works out the effects of c, and with recursion its kind.
//
// Every direction that arrives at a member is passed on to its listeners, so
// that at the end a member that has one bit depends, in the new schema, only on
// members and sides of exclusions that go the same way or stay. Then the bodies
// are monotone in what changes, and so are their fixpoints, also the bounds of
// the well-founded ones: each step of either iteration keeps the order.
func (d *differ) spread(c *Change) {
	from := member{c.Type, c.Name}
	if c.What == DeclaredDefinition {
		return
	}
	ways := map[member]direction{}
	var work []member
	feel := func(at member, way direction) {
		if ways[at]|way != ways[at] {
			ways[at] |= way
			work = append(work, at)
		}
	}
	for _, s := range d.seeds[from] {
		feel(s.at, s.way)
	}
	for len(work) > 0 {
		at := work[len(work)-1]
		work = work[:len(work)-1]
		if d.effects += 1 + len(d.listeners[at]); d.effects > mostEffects {
			c.Cut = true
			break
		}
		for _, l := range d.listeners[at] {
			feel(l.to, ways[at].signed(l.negative))
		}
	}
	if c.Cut {
		ways[from] = either
	}
	if c.Kind != Added && c.Kind != Removed && c.Kind != kindOf(ways[from]) {
		c.Kind = Changed
		if !c.Cut {
			c.Text += "; it is decided through itself, so that on other objects it may go the other way"
		}
	}
	if c.Cut {
		return
	}
	for at, way := range ways {
		if at != from && d.common(at) {
			c.Effects = append(c.Effects, Effect{at.typ, at.name, kindOf(way)})
		}
	}
	slices.SortFunc(c.Effects, func(a, b Effect) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
}

func kindOf(way direction) ChangeKind {
	switch way {
	case wider:
		return Widened
	case narrower:
		return Narrowed
	}
	return Changed
}

// mostVisits bounds the work of all calls of settled.
const mostVisits = 1 << 20

// settled reports whether none of the targets of an arrow of m's type, written
// "left->target", is decided through m on either side.
func (d *differ) settled(m member, arrow string) bool {
	left, target, _ := strings.Cut(arrow, "->")
	for _, s := range []*side{d.old, d.new} {
		seen := map[member]bool{}
		var work []member
		look := func(at member) {
			if s.relation(at) != nil && !seen[at] {
				seen[at] = true
				work = append(work, at)
			}
		}
		s.through(m.typ, &Arrow{Tupleset: left, Target: target}, look)
		for len(work) > 0 {
			at := work[len(work)-1]
			work = work[:len(work)-1]
			if d.visits++; at == m || d.visits > mostVisits {
				return false
			}
			r := s.relation(at)
			for _, t := range r.Types {
				look(member{t.Type, t.Relation})
			}
			for _, e := range operands(r.Rewrite) {
				s.through(at.typ, e, look)
			}
		}
	}
	return true
}

// through calls look with the members that an operand leads to.
func (s *side) through(typ string, e Expr, look func(member)) {
	switch e := e.(type) {
	case *Ref:
		look(member{typ, e.Name})
	case *Arrow:
		if left := s.relation(member{typ, e.Tupleset}); left != nil {
			for _, t := range left.Types {
				look(member{t.Type, e.Target})
			}
		}
	}
}
