package store

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/pemba-authz/pemba/tuple"
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
// enough lies below the horizon, the rest is copied into a new generation (see
// heir), and the garbage collector frees the old one when the last view of it
// is gone.
type generation struct {
	id    uint64
	floor uint64 // views below this revision are not served from here
	syms  *Symbols

	strings   arena
	nodes     nodes
	nodeIndex wideTable

	facts  slab[fact]
	extras slab[extra]
	bigs   slab[bigRow]
	pairs  wideTable      // (object, shape, subject) -> newest version, where the object's row is long
	counts slab[counters] // writer only, of the larger rows

	caveats     slab[text] // a caveat's name and its context
	caveatIndex table

	shapes     slab[shapeStat]
	shapeIndex table
	traits     slab[traitCount]
	traitIndex table

	records records
	log     changeLog
	changed atomic.Uint64 // revision of the newest tuple change
	// Writer only: versions that ended at or below the horizon, and the copy
	// that will do without them, nil if there is none in the making.
	deadFacts, deadRecords int
	heir                   *heir
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
	return tuple.Hash(uint32(typ), id)
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
	return g.findNode(hashNode(typ, id), typ, id)
}

// findNode is node for a name that has been hashed.
func (g *generation) findNode(h uint64, typ Sym, id string) Node {
	p := g.nodeIndex.probe(h)
	for ref := p.next(); ref != 0; ref = p.next() {
		if begins(g.nameBytes(Node(ref)), uint32(typ), id) {
			return Node(ref)
		}
	}
	return 0
}

// nameBytes returns the bytes from a node's type and id on.
func (g *generation) nameBytes(n Node) []byte {
	p, at := g.nodes.at(n)
	return g.strings.at(text(load(&p.records[at+wordName]) >> (64 - textBits)))
}

// nodeName returns type and id of a node.
func (g *generation) nodeName(n Node) (typ Sym, id string) {
	head, id := cut(g.nameBytes(n))
	return Sym(head), id
}

func (g *generation) internNode(typ Sym, id string) Node {
	h := hashNode(typ, id)
	if n := g.findNode(h, typ, id); n != 0 {
		return n
	}
	return g.addNode(h, typ, id)
}

// addNode makes a node that is not there.
func (g *generation) addNode(h uint64, typ Sym, id string) Node {
	n := g.nodes.add(g.strings.add(uint32(typ), id))
	g.nodeIndex.insert(h, uint32(n))
	return n
}

// mask returns the shapes that a node may have rows of.
func (g *generation) mask(n Node, dir direction) ShapeMask {
	if n == 0 {
		return 0
	}
	p, at := g.nodes.at(n)
	return p.mask(at, dir)
}

// mayHave reports whether a row may exist; false is certain.
func (g *generation) mayHave(n Node, shape ShapeID, dir direction) bool {
	if n == 0 {
		return false
	}
	p, at := g.nodes.at(n)
	return load(&p.records[at+wordName])&keyOf(shape, dir).bit() != 0
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
	p := g.traitIndex.probe(hashTraits(t))
	for ref := p.next(); ref != 0; ref = p.next() {
		if c := g.traits.at(ref); c.traits == t {
			return c
		}
	}
	ref, c := g.traits.next()
	c.traits = t
	g.traits.publish()
	g.traitIndex.insert(hashTraits(t), ref)
	return c
}

func (g *generation) internCaveat(name Sym, context string) CaveatRef {
	if name == 0 {
		return 0
	}
	h := hashNode(name, context)
	p := g.caveatIndex.probe(h)
	for ref := p.next(); ref != 0; ref = p.next() {
		if n, c := g.caveat(CaveatRef(ref)); n == name && c == context {
			return CaveatRef(ref)
		}
	}
	ref, e := g.caveats.next()
	*e = g.strings.add(uint32(name), context)
	g.caveats.publish()
	g.caveatIndex.insert(h, ref)
	return CaveatRef(ref)
}

// caveat returns a caveat's name and context, nothing for 0.
func (g *generation) caveat(ref CaveatRef) (name Sym, context string) {
	if ref == 0 {
		return 0, ""
	}
	head, context := g.strings.get(*g.caveats.at(uint32(ref)))
	return Sym(head), context
}

func raise(a *atomic.Uint64, rev uint64) {
	if a.Load() < rev {
		a.Store(rev)
	}
}

// traitsOf returns the class that a fact is counted in.
func (g *generation) traitsOf(f *fact) ShapeTraits {
	x := g.extra(f)
	name, _ := g.caveat(x.caveat)
	return ShapeTraits{f.shape, name, x.expires != 0}
}
