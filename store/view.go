package store

import (
	"errors"
	"fmt"
	"iter"
	"runtime"

	"github.com/pemba-authz/pemba/tuple"
)

var (
	// ErrHorizon is returned for a revision that is not readable any more.
	ErrHorizon = errors.New("revision lies below the horizon")
	// ErrFuture is returned for a revision that is not applied yet.
	ErrFuture = errors.New("revision is not applied yet")
)

// TenantError says that there is no tenant of that name.
type TenantError struct{ Tenant string }

func (e *TenantError) Error() string { return fmt.Sprintf("no tenant %q", e.Tenant) }

// View is all of one tenant that is readable at one revision. It never
// changes. It is a small value: copy it, share it between goroutines, drop it
// when done. A view keeps what it reads in memory for as long as it is held.
//
// Nodes, facts and iterators of a view go with views of the same generation.
type View struct {
	g           *generation
	rev         uint64
	limit       uint32 // the newest fact that may be visible
	horizon     uint64 // when the view was taken
	time        int64
	tenant      string
	incarnation uint64
}

// View returns the tenant as it was at rev; 0 means the newest revision. The
// error is a *TenantError, ErrFuture or ErrHorizon.
func (s *Store) View(tenant string, rev uint64) (View, error) {
	for {
		st := s.state.Load()
		at := rev
		if at == 0 {
			at = st.revision
		}
		if at > st.revision {
			return View{}, fmt.Errorf("%w: %d, applied is %d", ErrFuture, at, st.revision)
		}
		sp := st.space(tenant)
		if sp == nil {
			return View{}, &TenantError{tenant}
		}
		g := sp.gen.Load()
		floor := max(st.horizon, g.floor)
		if limit, ok := g.limit(at); ok && at >= floor {
			return View{g: g, rev: at, limit: limit, horizon: floor, time: st.time, tenant: tenant, incarnation: sp.info.Incarnation}, nil
		} else if rev != 0 {
			return View{}, fmt.Errorf("%w: %d, the oldest is %d", ErrHorizon, rev, floor)
		}
		// The entry that is being applied has moved the horizon up to itself;
		// it is published at once.
		runtime.Gosched()
	}
}

// Revision returns the revision that the view shows.
func (v View) Revision() uint64 { return v.rev }

// Newest returns the number of the newest tuple version that the view may show. Of views
// of one generation, those with the same show the same tuples but for what has been
// deleted; a later one shows all that is named at an earlier one.
func (v *View) Newest() uint32 { return v.limit }

// Time returns the newest applied command's time, Unix nanoseconds, as it was
// when the view was taken.
func (v View) Time() int64 { return v.time }

// Tenant returns the tenant's name.
func (v View) Tenant() string { return v.tenant }

// Incarnation returns the tenant's incarnation.
func (v View) Incarnation() uint64 { return v.incarnation }

// Symbols returns the store's table of names.
func (v View) Symbols() *Symbols { return v.g.syms }

// Generation returns a number, unique in the process, within which nodes are
// comparable.
func (v View) Generation() uint64 { return v.g.id }

// Node returns the node of an object or subject, 0 if no tuple names it. It
// never interns. Node(typ, "*") is what wildcard tuples name.
func (v View) Node(typ Sym, id string) Node { return v.g.node(typ, id) }

// NodeName returns type and id of a node of this generation.
func (v View) NodeName(n Node) (typ Sym, id string) {
	return v.g.nodeName(n)
}

// Fact is a stored tuple by its ids. Whether it has expired is the caller's
// to decide: it has when its time is at or after Expires.
type Fact struct {
	Object, Subject Node
	Shape           ShapeID
	Caveat          CaveatRef // 0 = none
	Expires         int64     // Unix nanoseconds, 0 = never
}

// Find returns the tuple (object, relation and kind of subject by shape,
// subject) if it is there. O(1).
func (v View) Find(object Node, shape ShapeID, subject Node) (fact Fact, ok bool) {
	fact, ok, _ = v.g.seen(object, shape, subject, v.limit, v.rev)
	return fact, ok
}

// FindCounted is Find, and says how many versions later than the view it had
// to pass: work that grows with what others write.
func (v View) FindCounted(object Node, shape ShapeID, subject Node) (fact Fact, ok bool, skipped int) {
	return v.g.seen(object, shape, subject, v.limit, v.rev)
}

// seen is FindCounted. The methods of View that a walk calls are small enough to
// be inlined, because passing a view would cost as much as what they do.
func (g *generation) seen(object Node, shape ShapeID, subject Node, limit uint32, rev uint64) (fact Fact, ok bool, skipped int) {
	ref, x, skipped := g.find(object, shape, subject, limit, rev)
	if ref == 0 {
		return Fact{}, false, skipped
	}
	fact.Object, fact.Subject, fact.Shape = object, subject, shape
	if x != &noExtra {
		fact.Caveat, fact.Expires = x.caveat, x.expires
	}
	return fact, true, skipped
}

func (g *generation) value(f *fact) Fact {
	x := g.extra(f)
	return Fact{f.object, f.subject, f.shape, x.caveat, x.expires}
}

// MayHave reports whether Forward(object, shape) may have facts, for a little
// less than looking; false is certain.
func (v View) MayHave(object Node, shape ShapeID) bool { return v.g.mayHave(object, shape, forward) }

// ShapeMask says which shapes something may have facts of; a shape that it
// lacks is certain. Masks are united by "|".
type ShapeMask uint64

// Has reports whether m may have facts of that shape.
func (m ShapeMask) Has(shape ShapeID) bool { return m&(1<<(shape&63)) != 0 }

// SubjectMask returns the shapes in which subject may occur as the subject.
func (v *View) SubjectMask(subject Node) ShapeMask { return v.g.mask(subject, reverse) }

// Caveat returns the caveat's name and its stored context, a canonical JSON
// object or "".
func (v View) Caveat(ref CaveatRef) (name Sym, context string) {
	return v.g.caveat(ref)
}

// Iter steps through the facts of a row:
//
//	for it := v.Forward(o, shape); it.Next(); {
//		f := it.Fact()
//	}
type Iter struct {
	g       *generation
	rev     uint64
	row     postings // the first row.n of them are to come
	cur     posting
	limit   uint32
	node    Node
	key     rowKey
	skipped uint32
}

// Forward returns the facts of object whose relation and kind of subject are
// shape's, newest first.
func (v View) Forward(object Node, shape ShapeID) Iter {
	return v.iter(object, keyOf(shape, forward))
}

// Reverse returns the facts of that shape whose subject is the given one,
// newest first.
func (v View) Reverse(subject Node, shape ShapeID) Iter {
	return v.iter(subject, keyOf(shape, reverse))
}

// PlainObjects appends to out the objects that Reverse(subject, shape) leads to,
// newest first. If there are more than most, or the view does not show all of them,
// or one has a caveat or an expiry, ok is false: then what has been appended means
// nothing, and Reverse tells.
func (v *View) PlainObjects(subject Node, shape ShapeID, most int, out []Node) (all []Node, ok bool) {
	p, at := v.g.nodes.at(subject)
	value := p.value(at, keyOf(shape, reverse))
	switch {
	case value == 0:
		return out, true
	case value < isList:
		y := posting(value)
		return append(out, y.node()), !y.isMarked() && y.ref() <= v.limit
	case value >= isBlock:
		return out, false
	}
	list := uint32(value)
	n := listHead(load(&p.body[list])).len()
	if n > most {
		return out, false
	}
	for postings := p.body[list+1:][:n]; len(postings) > 0; {
		y := posting(load(&postings[len(postings)-1]))
		if y.isMarked() || y.ref() > v.limit {
			return out, false
		}
		out, postings = append(out, y.node()), postings[:len(postings)-1]
	}
	return out, true
}

func (v View) iter(n Node, key rowKey) Iter { return v.g.iter(n, key, v.limit, v.rev) }

func (g *generation) iter(n Node, key rowKey, limit uint32, rev uint64) (it Iter) {
	if n == 0 {
		return it
	}
	it.g, it.rev, it.limit, it.node, it.key = g, rev, limit, n, key
	p, at := g.nodes.at(n)
	if v := p.value(at, key); v-1 < isList-1 {
		it.row.one, it.row.n = v, 1
	} else if v != 0 {
		it.row = g.postings(p, v)
	}
	return it
}

// Next steps to the next fact and reports whether there is one.
func (it *Iter) Next() bool {
	found, _ := it.NextWithin(int(^uint(0) >> 1))
	return found
}

// NextWithin is Next for those who may give up on the way: it passes at most
// most versions that the view does not show. Where it has found nothing, more
// says that there is more to look at.
func (it *Iter) NextWithin(most int) (found, more bool) {
	for ; it.row.n > 0 && most > 0; most-- {
		it.row.n--
		it.cur = it.row.at(it.row.n)
		if it.cur.ref() <= it.limit && (!it.cur.isMarked() || !it.g.endedBy(it.g.facts.at(it.cur.ref()), it.rev)) {
			return true, true
		}
		it.skipped++
	}
	return false, it.row.n > 0
}

// Skipped returns how many versions that the view does not show Next has passed
// since Skipped was last called: work that grows with what others write.
func (it *Iter) Skipped() int {
	n := it.skipped
	it.skipped = 0
	return int(n)
}

// Fact returns the fact that Next has stepped to.
func (it *Iter) Fact() (f Fact) {
	if f.Object, f.Subject, f.Shape = it.node, it.cur.node(), it.key.shape(); it.key.dir() == reverse {
		f.Object, f.Subject = f.Subject, f.Object
	}
	if it.cur.isMarked() {
		x := it.g.extra(it.g.facts.at(it.cur.ref()))
		f.Caveat, f.Expires = x.caveat, x.expires
	}
	return f
}

// LastChange returns the revision of the newest change to a tuple of that
// shape, 0 if none is known above the horizon. It may be later than the view.
func (v View) LastChange(shape ShapeID) uint64 {
	if s := v.g.stat(shape); s != nil {
		return s.changed.Load()
	}
	return 0
}

// LastTupleChange returns the revision of the newest change to any tuple of
// the tenant. It may be later than the view.
func (v View) LastTupleChange() uint64 { return v.g.changed.Load() }

// A Change says when the tuples of one shape last changed, in one generation. It
// may be kept; asking it is cheaper than asking a view.
type Change struct{ of *shapeStat }

// ChangeOf returns the Change of a shape, ok = false if no tuple has ever had that
// shape: then there may be one later.
func (v *View) ChangeOf(shape ShapeID) (c Change, ok bool) {
	s := v.g.stat(shape)
	return Change{s}, s != nil
}

// Last is LastChange of the newest view.
func (c Change) Last() uint64 { return c.of.changed.Load() }

// Record returns a named record and the revision that wrote it. The value is
// shared: read only.
func (v View) Record(key string) (value []byte, rev uint64, ok bool) {
	if r := v.g.records.at(key, v.rev); r != nil {
		return r.value, r.created, true
	}
	return nil, 0, false
}

// RecordVersions returns the revisions that wrote a record, newest first: those
// that lie above the horizon as it was when the view was taken, and the one
// that was in force at it. Record at each of these revisions returns what it
// wrote; deletions are not among them.
func (v View) RecordVersions(key string) []uint64 { return v.g.records.written(key, v.horizon, v.rev) }

// Shapes yields the classes of tuples with the number of live ones, expired
// ones included, at the newest revision (not the view's).
func (v View) Shapes() iter.Seq2[ShapeTraits, int64] {
	return func(yield func(ShapeTraits, int64) bool) {
		for i := uint32(1); i <= v.g.traits.len(); i++ {
			c := v.g.traits.at(i)
			if n := c.live.Load(); n != 0 && !yield(c.traits, n) {
				return
			}
		}
	}
}

// Tuple returns the tuple that f stands for.
func (v View) Tuple(f Fact) tuple.Tuple {
	y := v.g.syms
	sh := y.Shape(f.Shape)
	_, object := v.NodeName(f.Object)
	_, subject := v.NodeName(f.Subject)
	caveat, context := v.g.caveat(f.Caveat)
	t := tuple.Tuple{
		Object:   tuple.Object{Type: y.Name(sh.Type), ID: object},
		Relation: y.Name(sh.Relation),
		Subject:  tuple.Subject{Type: y.Name(sh.SubjectType), ID: subject},
		Caveat:   y.Name(caveat),
		Context:  context,
		Expires:  f.Expires,
	}
	if sh.SubjectRelation != SymWildcard {
		t.Subject.Relation = y.Name(sh.SubjectRelation)
	}
	return t
}
