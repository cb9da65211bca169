package store

import (
	"fmt"

	"github.com/pemba-authz/pemba/tuple"
)

func (a *applier) precondition(g *generation, p *Precondition, i int) Outcome {
	var broken string
	switch p.Kind {
	case PreTuplesMatch:
		if !a.matches(g, p.Filter) {
			broken = "no tuple matches the filter"
		}
	case PreTuplesAbsent:
		if a.matches(g, p.Filter) {
			broken = "a tuple matches the filter"
		}
	case PreRecordUnchanged, PreRowUnchanged:
		if p.Since < a.state.horizon {
			return a.fail(CodeHorizon, i, fmt.Sprintf("revision %d lies below the horizon %d", p.Since, a.state.horizon))
		}
		if changed := g.lastChange(p); changed > p.Since {
			broken = fmt.Sprintf("changed at revision %d", changed)
		}
	}
	if broken != "" {
		return a.fail(CodePrecondition, i, broken)
	}
	return Outcome{}
}

// lastChange returns when the record or row that p names last changed, 0 if
// not above the horizon.
func (g *generation) lastChange(p *Precondition) uint64 {
	if p.Kind == PreRecordUnchanged {
		return g.records.changed(p.Record)
	}
	last := uint64(0)
	if obj := g.node(g.syms.Lookup(p.Object.Type), p.Object.ID); obj != 0 {
		f := tuple.Filter{Type: p.Object.Type, Relation: p.Relation}
		for id := range g.shapesOf(f) {
			if r := g.row(obj, id, forward); r != nil {
				last = max(last, r.changed)
			}
		}
	}
	return last
}

// shapesOf yields the shapes with stored tuples, past or present, that f's
// type and relation fields allow.
func (g *generation) shapesOf(f tuple.Filter) func(yield func(ShapeID) bool) {
	return func(yield func(ShapeID) bool) {
		y := g.syms
		typ, rel, styp, srel := y.Lookup(f.Type), y.Lookup(f.Relation), y.Lookup(f.SubjectType), y.Lookup(f.SubjectRelation)
		if typ == 0 || f.Relation != "" && rel == 0 || f.SubjectType != "" && styp == 0 ||
			f.SubjectRelation != "" && f.SubjectRelation != tuple.Plain && srel == 0 {
			return
		}
		for i := uint32(1); i <= g.shapes.len(); i++ {
			id := g.shapes.at(i).shape
			sh := y.Shape(id)
			if sh.Type != typ || rel != 0 && sh.Relation != rel || styp != 0 && sh.SubjectType != styp {
				continue
			}
			userset := sh.SubjectRelation != 0 && sh.SubjectRelation != SymWildcard
			if f.SubjectRelation == tuple.Plain && userset || srel != 0 && sh.SubjectRelation != srel {
				continue
			}
			if !yield(id) {
				return
			}
		}
	}
}

// matches reports whether f selects a live tuple that is not expired. With an
// object id it costs O(shapes) unless tuples that expire are all there is.
func (a *applier) matches(g *generation, f tuple.Filter) bool {
	obj, sub := Node(0), Node(0)
	if f.ID != "" {
		if obj = g.node(g.syms.Lookup(f.Type), f.ID); obj == 0 {
			return false
		}
	}
	if f.SubjectID != "" {
		if sub = g.node(g.syms.Lookup(f.SubjectType), f.SubjectID); sub == 0 {
			return false
		}
	}
	for id := range g.shapesOf(f) {
		if a.shapeMatches(g, id, obj, sub) {
			return true
		}
	}
	return false
}

func (a *applier) shapeMatches(g *generation, id ShapeID, obj, sub Node) bool {
	if obj != 0 && sub != 0 {
		f := g.fact(g.newest(obj, id, sub))
		return f != nil && f.deleted.Load() == 0 && !a.expired(f)
	}
	if sub != 0 {
		return a.anyLive(g, g.row(sub, id, reverse), reverse)
	}
	if obj != 0 {
		r := g.row(obj, id, forward)
		if r == nil || r.live == 0 {
			return false
		}
		return r.live > r.expiring || a.anyLive(g, r, forward)
	}
	return a.shapeHasLive(g, id)
}

// anyLive walks a row until it meets a live, unexpired fact.
func (a *applier) anyLive(g *generation, r *row, dir direction) bool {
	if r == nil {
		return false
	}
	for ref := r.head.Load(); ref != 0; {
		f := g.facts.at(ref)
		if f.deleted.Load() == 0 && !a.expired(f) {
			return true
		}
		ref = f.nextForward
		if dir == reverse {
			ref = f.nextReverse
		}
	}
	return false
}

// shapeHasLive decides by the counters, and reads the facts only when those
// that are left all expire.
func (a *applier) shapeHasLive(g *generation, id ShapeID) bool {
	expiring := false
	for i := uint32(1); i <= g.counts.len(); i++ {
		c := g.counts.at(i)
		if c.traits.Shape != id || c.live.Load() == 0 {
			continue
		}
		if !c.traits.Expiring {
			return true
		}
		expiring = true
	}
	for ref := g.facts.len(); expiring && ref > 0; ref-- {
		f := g.facts.at(ref)
		if f.shape == id && f.deleted.Load() == 0 && !a.expired(f) {
			return true
		}
	}
	return false
}

// countShape returns the number of live tuples of a class, expired ones
// included: they are stored, and a schema must still know them.
func (g *generation) countShape(e EmptyShape) int64 {
	y := g.syms
	if e.SubjectRelation != "" && y.Lookup(e.SubjectRelation) == 0 || e.Caveat != "" && y.Lookup(e.Caveat) == 0 {
		return 0
	}
	sh := Shape{y.Lookup(e.Type), y.Lookup(e.Relation), y.Lookup(e.SubjectType), y.Lookup(e.SubjectRelation)}
	if e.Wildcard {
		sh.SubjectRelation = SymWildcard
	}
	id := y.LookupShape(sh)
	caveat := y.Lookup(e.Caveat)
	n := int64(0)
	for i := uint32(1); id != 0 && i <= g.counts.len(); i++ {
		c := g.counts.at(i)
		if c.traits.Shape == id && (e.AnyCaveat || c.traits.Caveat == caveat) && (e.AnyExpiring || c.traits.Expiring == e.Expiring) {
			n += c.live.Load()
		}
	}
	return n
}
