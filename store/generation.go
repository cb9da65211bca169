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
	factIndex table // (object, shape, subject) -> newest version
	rows      slab[row]
	rowIndex  rowTable

	caveats   slab[caveatEntry]
	caveatIDs map[caveatEntry]CaveatRef // writer only

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
	id  string
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
	name    Sym
	context string
}

// fact is one version of one tuple. All fields but deleted are fixed before
// the first reference to it is published.
type fact struct {
	created uint64        // visible from this revision
	deleted atomic.Uint64 // and before this one; 0 = live; never changes back
	expires int64
	object  Node
	subject Node
	shape   ShapeID
	caveat  CaveatRef
	older   uint32 // previous version of the same tuple
	// next fact of the same row, older or of the same age
	nextForward, nextReverse uint32
	_                        [8]byte // 64 bytes, one line of the processor's cache
}

func (f *fact) visible(rev uint64) bool {
	if f.created > rev {
		return false
	}
	d := f.deleted.Load()
	return d == 0 || d > rev
}

type direction uint64

const (
	forward direction = iota // node is the object, the facts list its subjects
	reverse                  // node is the subject
)

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
		if e := g.nodes.at(ref); e.typ == typ && e.id == id {
			return Node(ref)
		}
	}
	return 0
}

func (g *generation) internNode(typ Sym, id string) Node {
	if n := g.node(typ, id); n != 0 {
		return n
	}
	ref, e := g.nodes.next()
	e.typ, e.id = typ, g.strings.add(id)
	g.nodes.publish()
	g.nodeIndex.insert(hashNode(typ, id), ref, func(r uint32) uint64 {
		e := g.nodes.at(r)
		return hashNode(e.typ, e.id)
	})
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
	if !g.mayHave(object, shape, forward) || !g.mayHave(subject, shape, reverse) {
		return 0, nil, 0
	}
	for ref = g.newest(object, shape, subject); ref != 0; ref = f.older {
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

func (g *generation) row(n Node, shape ShapeID, dir direction) *row {
	if s := g.rowIndex.find(rowKey(n, shape, dir)); s != nil {
		return g.rows.at(s.row)
	}
	return nil
}

// head returns the newest fact of a row, 0 if there is none.
func (g *generation) head(n Node, shape ShapeID, dir direction) uint32 {
	if s := g.rowIndex.find(rowKey(n, shape, dir)); s != nil {
		return s.head.Load()
	}
	return 0
}

// internRow returns the slot of a row. It is good until the next row is added.
func (g *generation) internRow(n Node, shape ShapeID, dir direction) *rowSlot {
	key := rowKey(n, shape, dir)
	if s := g.rowIndex.find(key); s != nil {
		return s
	}
	mask := &g.nodes.at(uint32(n)).rows[dir]
	mask.Store(mask.Load() | 1<<(shape&63))
	ref, r := g.rows.next()
	r.node, r.shape, r.dir = n, shape, dir
	g.rows.publish()
	g.rowIndex.insert(key, ref)
	return g.rowIndex.find(key)
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
	g.shapeIndex.insert(mix(mixSeed, uint64(shape), 0), ref, func(ref uint32) uint64 {
		return mix(mixSeed, uint64(g.shapes.at(ref).shape), 0)
	})
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
	g.countIndex.insert(hashTraits(t), ref, func(ref uint32) uint64 {
		return hashTraits(g.counts.at(ref).traits)
	})
	return c
}

func (g *generation) internCaveat(name Sym, context string) CaveatRef {
	if name == 0 {
		return 0
	}
	key := caveatEntry{name, context}
	if ref, ok := g.caveatIDs[key]; ok {
		return ref
	}
	if g.caveatIDs == nil {
		g.caveatIDs = map[caveatEntry]CaveatRef{}
	}
	key.context = g.strings.add(context)
	ref, e := g.caveats.next()
	*e = key
	g.caveats.publish()
	g.caveatIDs[key] = CaveatRef(ref)
	return CaveatRef(ref)
}

func (g *generation) caveat(ref CaveatRef) caveatEntry {
	if ref == 0 {
		return caveatEntry{}
	}
	return *g.caveats.at(uint32(ref))
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
	g.internRow(v.object, v.shape, forward)
	rev := g.internRow(v.subject, v.shape, reverse)
	fwd := g.internRow(v.object, v.shape, forward)
	ref, f := g.facts.next()
	f.object, f.subject, f.shape = v.object, v.subject, v.shape
	f.caveat, f.expires, f.created = v.caveat, v.expires, v.created
	f.older, f.nextForward, f.nextReverse = older, fwd.head.Load(), rev.head.Load()
	g.facts.publish()
	if older != 0 {
		g.factIndex.replace(h, older, ref)
	} else {
		g.factIndex.insert(h, ref, func(r uint32) uint64 {
			f := g.facts.at(r)
			return hashFact(f.object, f.shape, f.subject)
		})
	}
	fwd.head.Store(ref)
	rev.head.Store(ref)
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
	for _, r := range []*row{g.row(f.object, f.shape, forward), g.row(f.subject, f.shape, reverse)} {
		r.live += by
		if f.expires != 0 {
			r.expiring += by
		}
		r.changed = max(r.changed, rev)
	}
	c := g.count(g.traits(f))
	c.live.Add(int64(by))
	c.latest = max(c.latest, f.expires)
	raise(&g.internStat(f.shape).changed, rev)
	raise(&g.changed, rev)
}

func raise(a *atomic.Uint64, rev uint64) {
	if a.Load() < rev {
		a.Store(rev)
	}
}

func (g *generation) traits(f *fact) ShapeTraits {
	return ShapeTraits{f.shape, g.caveat(f.caveat).name, f.expires != 0}
}
