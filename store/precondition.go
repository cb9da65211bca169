package store

import (
	"bytes"
	"fmt"

	"github.com/pemba-authz/pemba/tuple"
)

// preconditions decides them in order, each filter once.
func (a *applier) preconditions(g *generation, ps []Precondition) Outcome {
	asked := map[tuple.Filter]bool{}
	for i := range ps {
		p, broken := &ps[i], ""
		switch p.Kind {
		case PreTuplesMatch, PreTuplesAbsent:
			matches, known := asked[p.Filter]
			if !known {
				matches = a.matches(g, p.Filter)
				asked[p.Filter] = matches
			}
			if matches && p.Kind == PreTuplesAbsent {
				broken = "a tuple matches the filter"
			} else if !matches && p.Kind == PreTuplesMatch {
				broken = "no tuple matches the filter"
			}
		case PreRecordUnchanged, PreRowUnchanged:
			if p.Since < a.state.horizon {
				return a.fail(CodeHorizon, i, fmt.Sprintf("revision %d lies below the horizon %d", p.Since, a.state.horizon))
			}
			if changed := g.lastChange(p); changed > p.Since {
				broken = fmt.Sprintf("changed at revision %d", changed)
			}
		case PreRecordEquals:
			broken = a.unlike(g, p)
		}
		if broken != "" {
			return a.fail(CodePrecondition, i, broken)
		}
	}
	return Outcome{}
}

// unlike says how the record that p names differs from p's value, "" if it
// does not. It must not quote either: records may hold secrets.
func (a *applier) unlike(g *generation, p *Precondition) string {
	switch r := g.records.at(p.Record, a.rev); {
	case r == nil && p.Value == nil:
		return ""
	case r == nil:
		return "there is no such record"
	case p.Value == nil:
		return fmt.Sprintf("the record is there since revision %d", r.created)
	case !bytes.Equal(r.value, p.Value):
		return fmt.Sprintf("the record has another value since revision %d", r.created)
	}
	return ""
}

// lastChange returns when the record or row that p names last changed, 0 if
// not above the horizon.
func (g *generation) lastChange(p *Precondition) uint64 {
	if p.Kind == PreRecordUnchanged {
		return g.records.changed(p.Record)
	}
	last := uint64(0)
	if obj := g.node(g.syms.Lookup(p.Object.Type), p.Object.ID); obj != 0 {
		for id := range g.rowsOf(obj, forward, tuple.Filter{Type: p.Object.Type, Relation: p.Relation}) {
			c, _ := g.countersOfRow(obj, keyOf(id, forward))
			last = max(last, c.changed)
		}
	}
	return last
}

// shapeFilter is a filter's type and relation fields by their ids, 0 = any.
type shapeFilter struct {
	typ, relation, subjectType, subjectRelation Sym
	noUsersets                                  bool
}

// shapeFilter returns that of f; ok = false if some name of it is not known, so
// that no tuple is selected.
func (g *generation) shapeFilter(f tuple.Filter) (s shapeFilter, ok bool) {
	y := g.syms
	s = shapeFilter{y.Lookup(f.Type), y.Lookup(f.Relation), y.Lookup(f.SubjectType), y.Lookup(f.SubjectRelation), f.SubjectRelation == tuple.Plain}
	return s, s.typ != 0 && (f.Relation == "" || s.relation != 0) && (f.SubjectType == "" || s.subjectType != 0) &&
		(f.SubjectRelation == "" || s.noUsersets || s.subjectRelation != 0)
}

func (s *shapeFilter) selects(sh Shape) bool {
	isUserset := sh.SubjectRelation != 0 && sh.SubjectRelation != SymWildcard
	return sh.Type == s.typ && (s.relation == 0 || sh.Relation == s.relation) && (s.subjectType == 0 || sh.SubjectType == s.subjectType) &&
		!(s.noUsersets && isUserset) && (s.subjectRelation == 0 || sh.SubjectRelation == s.subjectRelation)
}

// shapesOf yields the shapes with stored tuples, past or present, that f's
// type and relation fields allow.
func (g *generation) shapesOf(f tuple.Filter) func(yield func(ShapeID) bool) {
	return func(yield func(ShapeID) bool) {
		s, ok := g.shapeFilter(f)
		if !ok {
			return
		}
		for i := uint32(1); i <= g.shapes.len(); i++ {
			if id := g.shapes.at(i).shape; s.selects(g.syms.Shape(id)) && !yield(id) {
				return
			}
		}
	}
}

// rowsOf yields those of shapesOf of which a node has rows: of a node there are
// few, however many relations a schema has. Writer only.
func (g *generation) rowsOf(n Node, dir direction, f tuple.Filter) func(yield func(ShapeID) bool) {
	return func(yield func(ShapeID) bool) {
		s, ok := g.shapeFilter(f)
		if !ok {
			return
		}
		p, at := g.nodes.at(n)
		more := true
		p.rows(at, func(key rowKey, _ *uint64) {
			if more && key.dir() == dir && s.selects(g.syms.Shape(key.shape())) {
				more = yield(key.shape())
			}
		})
	}
}

// matches reports whether f selects a live tuple that is not expired. A whole key
// is looked up; else it costs the rows of the object or subject that f names, or
// the shapes, unless tuples that expire are all there is.
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
	switch {
	case obj != 0 && sub != 0 && f.Relation != "" && f.SubjectRelation != "":
		id := g.shapeOfKey(f)
		return id != 0 && a.tupleMatches(g, obj, id, sub)
	case obj != 0:
		for id := range g.rowsOf(obj, forward, f) {
			if sub == 0 && a.anyLive(g, obj, keyOf(id, forward)) || sub != 0 && a.tupleMatches(g, obj, id, sub) {
				return true
			}
		}
	case sub != 0:
		for id := range g.rowsOf(sub, reverse, f) {
			if a.anyLive(g, sub, keyOf(id, reverse)) {
				return true
			}
		}
	default:
		for id := range g.shapesOf(f) {
			if a.shapeHasLive(g, id) {
				return true
			}
		}
	}
	return false
}

// shapeOfKey returns the only shape that tuples can have of which f has all
// fields, 0 if there is none.
func (g *generation) shapeOfKey(f tuple.Filter) ShapeID {
	s, ok := g.shapeFilter(f)
	if !ok {
		return 0
	}
	sh := Shape{s.typ, s.relation, s.subjectType, s.subjectRelation}
	if s.noUsersets {
		if sh.SubjectRelation = 0; f.SubjectID == tuple.Wildcard {
			sh.SubjectRelation = SymWildcard
		}
	}
	return g.syms.LookupShape(sh)
}

func (a *applier) tupleMatches(g *generation, obj Node, id ShapeID, sub Node) bool {
	f := g.fact(g.newest(obj, id, sub))
	return f != nil && g.deleted(f) == 0 && !a.expired(g, f)
}

// anyLive decides by a row's counters, and walks it only when all that is left
// in it expires, and some of the shape's tuples have not.
func (a *applier) anyLive(g *generation, n Node, key rowKey) bool {
	c, r := g.countersOfRow(n, key)
	if c.live > c.expiring {
		return true
	}
	if c.live == 0 || !a.mayLast(g, key.shape()) {
		return false
	}
	for i := range r.n {
		if f := g.facts.at(r.at(i).ref()); g.deleted(f) == 0 && !a.expired(g, f) {
			return true
		}
	}
	return false
}

// mayLast reports whether some expiring tuple of a shape may not have expired.
func (a *applier) mayLast(g *generation, id ShapeID) bool {
	for i := uint32(1); i <= g.traits.len(); i++ {
		if c := g.traits.at(i); c.traits.Shape == id && c.live.Load() > 0 && c.latest > a.state.time {
			return true
		}
	}
	return false
}

// shapeHasLive decides by the counters, and reads the facts only when all that
// are left expire, and some may not have.
func (a *applier) shapeHasLive(g *generation, id ShapeID) bool {
	for i := uint32(1); i <= g.traits.len(); i++ {
		if c := g.traits.at(i); c.traits.Shape == id && c.live.Load() > 0 && !c.traits.Expiring {
			return true
		}
	}
	if !a.mayLast(g, id) {
		return false
	}
	for ref := g.facts.len(); ref > 0; ref-- {
		f := g.facts.at(ref)
		if f.shape == id && g.deleted(f) == 0 && !a.expired(g, f) {
			return true
		}
	}
	return false
}

// class is an EmptyShape by its ids.
type class struct {
	EmptyShape
	shape  ShapeID // 0 = no tuple has ever had it
	caveat Sym
}

func (g *generation) class(e EmptyShape) class {
	y := g.syms
	if e.SubjectRelation != "" && y.Lookup(e.SubjectRelation) == 0 || !e.AnyCaveat && e.Caveat != "" && y.Lookup(e.Caveat) == 0 {
		return class{} // an unknown name must not look like none
	}
	sh := Shape{y.Lookup(e.Type), y.Lookup(e.Relation), y.Lookup(e.SubjectType), y.Lookup(e.SubjectRelation)}
	if e.Wildcard {
		sh.SubjectRelation = SymWildcard
	}
	return class{e, y.LookupShape(sh), y.Lookup(e.Caveat)}
}

func (c *class) has(t ShapeTraits) bool {
	return t.Shape == c.shape && (c.AnyCaveat || t.Caveat == c.caveat) && (c.AnyExpiring || t.Expiring == c.Expiring)
}

// countClass returns the number of live tuples of a class, expired ones
// included: they are stored, and a schema must still know them.
func (g *generation) countClass(c class) int64 {
	n := int64(0)
	for i := uint32(1); c.shape != 0 && i <= g.traits.len(); i++ {
		if t := g.traits.at(i); c.has(t.traits) {
			n += t.live.Load()
		}
	}
	return n
}
