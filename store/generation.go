package store

import (
	"hash/maphash"
	"sync/atomic"
)

// Node is an interned object of one tenant: a type and an id. 0 means not
// known. Nodes are comparable only within one generation (View.Generation);
// they lie below 1<<31, so that a question may name objects of its own above.
type Node uint32

const maxNodes = 1<<31 - 1

// maxVersions bounds the tuple versions of a tenant above the horizon. Each
// names two nodes and stands in two rows, so that all of them can be numbered.
var maxVersions = 1 << 30 // a variable for tests

// maxFacts bounds the tuple versions of one generation, dead ones included.
const maxFacts = 1<<31 - 16

// CaveatRef is a caveat's name together with its stored context. 0 means none.
type CaveatRef uint32

var (
	hashSeed        = maphash.MakeSeed()
	mixSeed         = maphash.String(hashSeed, "pemba")
	generationCount atomic.Uint64
)

// generation is all that one tenant has stored: tuples with their versions,
// both indexes, counters, records and the change list. The writer appends to
// it in place; readers follow references published by atomic stores, so they
// never lock and never see a half-made element. Nothing is removed: when
// enough lies below the horizon, the writer copies the rest into a new
// generation (see collect), and the garbage collector frees the old one when
// the last view of it is gone.
type generation struct {
	id    uint64
	floor uint64 // views below this revision are not served from here
	syms  *Symbols

	strings   arena
	nodes     slab[nodeEntry]
	nodeIndex table

	facts     slab[fact]
	extras    slab[extra]
	factIndex table // (object, shape, subject) -> newest version
	rowIndex  rowTable
	rows      slab[row] // writer only, of the larger rows

	caveats     slab[caveatEntry]
	caveatIndex table

	shapes     slab[shapeStat]
	shapeIndex table
	counts     slab[traitCount]
	countIndex table

	records records
	log     changeLog
	changed atomic.Uint64 // revision of the newest tuple change
	// Writer only: versions that ended at or below the horizon.
	deadFacts, deadRecords int
}

type nodeEntry struct {
	id  text
	typ Sym
	// rows says, by direction, which shapes the node may have rows of: one bit
	// for all shapes that are equal modulo 64. Bits are set before the row's
	// first fact is published, and never cleared. Most look-ups of a walk are
	// for rows that do not exist, and end here.
	rows [2]atomic.Uint64
}

func (e *nodeEntry) mayHave(shape ShapeID, dir direction) bool {
	return e.rows[dir].Load()>>(shape&63)&1 != 0
}

type caveatEntry struct {
	context text
	name    Sym
}

// fact is one version of one tuple. All fields but deleted are fixed before
// the first reference to it is published. What few tuples have stands in extra.
type fact struct {
	created uint64        // visible from this revision
	deleted atomic.Uint64 // and before this one; 0 = live; never changes back
	object  Node
	subject Node
	shape   ShapeID
	extra   uint32 // 0 = none
	// next fact of the same row, older or of the same age
	nextForward, nextReverse uint32
}

// extra is the rest of a fact.
type extra struct {
	expires int64
	caveat  CaveatRef
	older   uint32 // previous version of the same tuple
}

func (f *fact) visible(rev uint64) bool {
	if f.created > rev {
		return false
	}
	d := f.deleted.Load()
	return d == 0 || d > rev
}

// next returns the next fact of f's row in that direction, 0 at the end.
func (f *fact) next(dir direction) uint32 {
	if dir == forward {
		return f.nextForward
	}
	return f.nextReverse
}

type direction uint64

const (
	forward direction = iota // node is the object, the facts list its subjects
	reverse                  // node is the subject
)

// smallRow is the number of versions from which a row has counters; with fewer
// they are counted when somebody asks. A rowSlot's size below smallRow is the
// number of versions; else smallRow has been added to the row's reference.
const smallRow = 8

// row counts the facts of one node and one shape in one direction; its slot in
// the rowTable has the newest one, which leads to the others. Writer only.
type row struct {
	node     Node
	shape    ShapeID
	dir      direction
	live     int    // live facts, expiring ones included
	expiring int    // live facts that expire
	changed  uint64 // revision of the newest change
}

// shapeStat says when tuples of a shape last changed.
type shapeStat struct {
	shape   ShapeID
	changed atomic.Uint64
}

// ShapeTraits is the finest class of tuples that is counted.
type ShapeTraits struct {
	Shape    ShapeID
	Caveat   Sym
	Expiring bool
}

type traitCount struct {
	traits ShapeTraits
	live   atomic.Int64
	latest int64 // writer only: no tuple counted here expires after it; 0 if none expires
}

func newGeneration(syms *Symbols, floor uint64) *generation {
	return &generation{id: generationCount.Add(1), floor: floor, syms: syms}
}

func hashNode(typ Sym, id string) uint64 {
	return mix(mixSeed, maphash.String(hashSeed, id), uint64(typ))
}

func hashFact(object Node, shape ShapeID, subject Node) uint64 {
	return mix(mixSeed, uint64(object)<<32|uint64(subject), uint64(shape))
}

func hashTraits(t ShapeTraits) uint64 {
	x := uint64(t.Caveat) << 1
	if t.Expiring {
		x |= 1
	}
	return mix(mixSeed, uint64(t.Shape), x)
}

// node returns the node of (typ, id), 0 if there is none.
func (g *generation) node(typ Sym, id string) Node {
	p := g.nodeIndex.probe(hashNode(typ, id))
	for ref := p.next(); ref != 0; ref = p.next() {
		if e := g.nodes.at(ref); e.typ == typ && g.strings.get(e.id) == id {
			return Node(ref)
		}
	}
	return 0
}

// nodeName returns type and id of a node.
func (g *generation) nodeName(n Node) (typ Sym, id string) {
	e := g.nodes.at(uint32(n))
	return e.typ, g.strings.get(e.id)
}

func (g *generation) internNode(typ Sym, id string) Node {
	if n := g.node(typ, id); n != 0 {
		return n
	}
	ref, e := g.nodes.next()
	e.typ, e.id = typ, g.strings.add(id)
	g.nodes.publish()
	g.nodeIndex.insert(hashNode(typ, id), ref)
	return Node(ref)
}

// newest returns the newest version of a tuple, 0 if it never existed.
func (g *generation) newest(object Node, shape ShapeID, subject Node) uint32 {
	p := g.factIndex.probe(hashFact(object, shape, subject))
	for ref := p.next(); ref != 0; ref = p.next() {
		if f := g.facts.at(ref); f.object == object && f.shape == shape && f.subject == subject {
			return ref
		}
	}
	return 0
}

// find returns the version of a tuple that is visible at rev, 0 and nil if none
// is, and how many later versions it passed.
func (g *generation) find(object Node, shape ShapeID, subject Node, rev uint64) (ref uint32, f *fact, later int) {
	if object == 0 || subject == 0 || // mayHave, which the compiler does not inline
		!g.nodes.at(uint32(object)).mayHave(shape, forward) || !g.nodes.at(uint32(subject)).mayHave(shape, reverse) {
		return 0, nil, 0
	}
	for ref = g.newest(object, shape, subject); ref != 0; ref = g.older(f) {
		f = g.facts.at(ref)
		if f.created > rev {
			later++
			continue
		}
		// Older versions ended when this one began.
		if !f.visible(rev) {
			break
		}
		return ref, f, later
	}
	return 0, nil, later
}

// mayHave reports whether a row may exist; false is certain.
func (g *generation) mayHave(n Node, shape ShapeID, dir direction) bool {
	return n != 0 && g.nodes.at(uint32(n)).mayHave(shape, dir)
}

// extra returns what f has beside its own fields.
func (g *generation) extra(f *fact) extra {
	if f.extra == 0 {
		return extra{}
	}
	return *g.extras.at(f.extra)
}

func (g *generation) expires(f *fact) int64      { return g.extra(f).expires }
func (g *generation) caveatOf(f *fact) CaveatRef { return g.extra(f).caveat }
func (g *generation) older(f *fact) uint32       { return g.extra(f).older }

// row returns the counters of a row, nil if it never had a fact. They are to
// be read only; a larger row's are kept up to date.
func (g *generation) row(n Node, shape ShapeID, dir direction) *row {
	s := g.rowIndex.find(rowKey(n, shape, dir))
	switch {
	case s == nil:
		return nil
	case s.size >= smallRow:
		return g.rows.at(s.size - smallRow)
	}
	return g.countRow(n, shape, dir, s.head.Load())
}

// countRow makes a row's counters from its facts.
func (g *generation) countRow(n Node, shape ShapeID, dir direction, head uint32) *row {
	r := &row{node: n, shape: shape, dir: dir}
	for ref := head; ref != 0; {
		f := g.facts.at(ref)
		r.changed = max(r.changed, f.created, f.deleted.Load())
		if f.deleted.Load() == 0 {
			r.live++
			if g.expires(f) != 0 {
				r.expiring++
			}
		}
		ref = f.next(dir)
	}
	return r
}

// head returns the newest fact of a row, 0 if there is none.
func (g *generation) head(n Node, shape ShapeID, dir direction) uint32 {
	if s := g.rowIndex.find(rowKey(n, shape, dir)); s != nil {
		return s.head.Load()
	}
	return 0
}

// growRow counts one more version in a row, which is about to be added, and
// returns the row's slot. There is room for a new row.
func (g *generation) growRow(n Node, shape ShapeID, dir direction) *rowSlot {
	s, isNew := g.rowIndex.intern(rowKey(n, shape, dir))
	if isNew {
		mask := &g.nodes.at(uint32(n)).rows[dir]
		mask.Store(mask.Load() | 1<<(shape&63))
	}
	switch {
	case s.size < smallRow-1:
		s.size++
	case s.size == smallRow-1:
		ref, r := g.rows.next()
		*r = *g.countRow(n, shape, dir, s.head.Load())
		g.rows.publish()
		s.size = smallRow + ref
	}
	return s
}

func (g *generation) stat(shape ShapeID) *shapeStat {
	p := g.shapeIndex.probe(mix(mixSeed, uint64(shape), 0))
	for ref := p.next(); ref != 0; ref = p.next() {
		if s := g.shapes.at(ref); s.shape == shape {
			return s
		}
	}
	return nil
}

func (g *generation) internStat(shape ShapeID) *shapeStat {
	if s := g.stat(shape); s != nil {
		return s
	}
	ref, s := g.shapes.next()
	s.shape = shape
	g.shapes.publish()
	g.shapeIndex.insert(mix(mixSeed, uint64(shape), 0), ref)
	return s
}

func (g *generation) count(t ShapeTraits) *traitCount {
	p := g.countIndex.probe(hashTraits(t))
	for ref := p.next(); ref != 0; ref = p.next() {
		if c := g.counts.at(ref); c.traits == t {
			return c
		}
	}
	ref, c := g.counts.next()
	c.traits = t
	g.counts.publish()
	g.countIndex.insert(hashTraits(t), ref)
	return c
}

func (g *generation) internCaveat(name Sym, context string) CaveatRef {
	if name == 0 {
		return 0
	}
	h := hashNode(name, context)
	p := g.caveatIndex.probe(h)
	for ref := p.next(); ref != 0; ref = p.next() {
		if e := g.caveats.at(ref); e.name == name && g.strings.get(e.context) == context {
			return CaveatRef(ref)
		}
	}
	ref, e := g.caveats.next()
	e.name, e.context = name, g.strings.add(context)
	g.caveats.publish()
	g.caveatIndex.insert(h, ref)
	return CaveatRef(ref)
}

// caveat returns a caveat's name and context, nothing for 0.
func (g *generation) caveat(ref CaveatRef) (name Sym, context string) {
	if ref == 0 {
		return 0, ""
	}
	e := g.caveats.at(uint32(ref))
	return e.name, g.strings.get(e.context)
}

// version is the content of a fact, named by its parts.
type version struct {
	object, subject Node
	shape           ShapeID
	caveat          CaveatRef
	expires         int64
	created         uint64
}

// addFact appends a version and links it into the indexes. The caller keeps
// counters and the change list.
func (g *generation) addFact(v version) uint32 {
	h := hashFact(v.object, v.shape, v.subject)
	older := g.newest(v.object, v.shape, v.subject)
	g.rowIndex.reserve(2)
	fwd, rev := g.growRow(v.object, v.shape, forward), g.growRow(v.subject, v.shape, reverse)
	ref, f := g.facts.next()
	f.created, f.object, f.subject, f.shape = v.created, v.object, v.subject, v.shape
	f.extra = g.addExtra(extra{v.expires, v.caveat, older})
	f.nextForward, f.nextReverse = fwd.head.Load(), rev.head.Load()
	g.facts.publish()
	if older != 0 {
		g.factIndex.replace(h, older, ref)
	} else {
		g.factIndex.insert(h, ref)
	}
	fwd.head.Store(ref)
	rev.head.Store(ref)
	return ref
}

func (g *generation) addExtra(x extra) uint32 {
	if x == (extra{}) {
		return 0
	}
	ref, e := g.extras.next()
	*e = x
	g.extras.publish()
	return ref
}

// create adds a live version at rev and accounts for it.
func (g *generation) create(v version) {
	ref := g.addFact(v)
	g.account(g.facts.at(ref), 1, v.created)
	g.log.add(change{rev: v.created, ref: ref, kind: changeCreate})
}

// delete ends a live version at rev and accounts for it.
func (g *generation) delete(ref uint32, rev uint64) {
	f := g.facts.at(ref)
	f.deleted.Store(rev)
	g.account(f, -1, rev)
	g.log.add(change{rev: rev, ref: ref, kind: changeDelete})
}

// account keeps the counters that follow from f being live (by = +1) or no
// longer live (by = -1) since rev.
func (g *generation) account(f *fact, by int, rev uint64) {
	x := g.extra(f)
	g.accountRow(rowKey(f.object, f.shape, forward), x.expires, by, rev)
	g.accountRow(rowKey(f.subject, f.shape, reverse), x.expires, by, rev)
	c := g.count(g.traits(f))
	c.live.Add(int64(by))
	c.latest = max(c.latest, x.expires)
	raise(&g.internStat(f.shape).changed, rev)
	raise(&g.changed, rev)
}

func (g *generation) accountRow(key uint64, expires int64, by int, rev uint64) {
	s := g.rowIndex.find(key)
	if s.size < smallRow {
		return
	}
	r := g.rows.at(s.size - smallRow)
	r.live += by
	if expires != 0 {
		r.expiring += by
	}
	r.changed = max(r.changed, rev)
}

func raise(a *atomic.Uint64, rev uint64) {
	if a.Load() < rev {
		a.Store(rev)
	}
}

func (g *generation) traits(f *fact) ShapeTraits {
	x := g.extra(f)
	name, _ := g.caveat(x.caveat)
	return ShapeTraits{f.shape, name, x.expires != 0}
}
