package graph

import (
	"sync/atomic"

	"github.com/pemba-authz/pemba/store"
)

// Graph is a compiled schema: one program per relation and permission, held in
// dense slices that refer to each other by index. It is immutable and safe for
// concurrent use; only the caches behind Depends and ListObjects grow.
type Graph struct {
	id     uint64
	schema *Schema
	syms   *store.Symbols

	types     []typeInfo
	typeIndex map[string]int32
	programs  []program
	rewrites  []rewrite // children stand before their parents
	kids      []int32   // rewrites of unions and intersections
	shapes    []shape   // those of one relation stand together: plain, wildcard, userset
	hops      []hop     // of arrows
	caveats   map[string]*CompiledCaveat
	searches  []search

	// A row of words bits for each rewrite and each program says which kinds of
	// subject it can possibly reach; see plainKind and usersetKind.
	words        int
	reach        []uint64
	programReach []uint64

	above   atomic.Pointer[aboveTable] // see joinAbove
	depends atomic.Pointer[map[dependsKey]dependsOn]

	masks    []store.ShapeMask // by rewrite: see computeMasks
	weights  []int32           // by rewrite: see computeWeights
	looping  []bool            // by rewrite: see computeLoops
	backward atomic.Pointer[map[int32]*backward]
}

type typeInfo struct {
	name      string
	sym       store.Sym
	relations map[string]int32 // name -> program
	wildcards bool             // some relation accepts type:*
}

// program decides one relation or permission of one type.
type program struct {
	typ      int32
	name     string
	body     int32   // rewrite
	shapes   span    // of g.shapes: what tuples of this relation may look like
	leaf     bool    // a bounded number of probes on one object: needs no memo
	family   []int32 // of a group relation: itself and those that it takes members from; see closure.go
	nesting  []int32 // of a group relation: its shapes of usersets
	rewrites span    // those of its body
	search   int32   // of g.searches, -1 = none; see search.go
	source   *Relation
}

// span is the half-open range [from, to) of a slice of the graph.
type span struct{ from, to int32 }

type opcode uint8

const (
	opNil          opcode = iota
	opSelf                // the object itself; from = type
	opMember              // the userset object#program itself; from = program
	opProbe               // plain and wildcard subjects; span of shapes
	opMembers             // usersets; span of shapes
	opCall                // another program on the same object; from = program
	opUnion               // span of kids
	opIntersection        // span of kids
	opExclusion           // from = base, to = minus
	opArrow               // span of hops
	opAll                 // span of hops
)

// rewrite is one node of a program. What its span means depends on op.
type rewrite struct {
	op opcode
	span
}

type form uint8

const (
	plain form = iota
	wildcard
	userset
)

// shape is one kind of subject that a relation accepts, with the traits that
// its tuples may have. A stored tuple with other traits is invisible.
type shape struct {
	id      store.ShapeID
	form    form
	typ     int32 // of the subject
	program int32 // form userset: the program behind it, else -1
	bare    bool  // without caveat and expiry
	lasting bool  // without caveat, with expiry
	caveats []trait
}

// trait allows tuples with a caveat.
type trait struct {
	sym      store.Sym
	expiring bool
	caveat   *CompiledCaveat
	name     string
}

// hop is one way of an arrow: over the facts of a shape of the tupleset to a
// program of the subject's type. The relation of a userset subject does not
// count: arrows go by its object.
type hop struct {
	shape  int32
	target int32 // -1 = the type has no such relation
}

// Schema returns the schema that g was compiled from. It must not be changed.
func (g *Graph) Schema() *Schema { return g.schema }

// ID returns a number that no other graph of this process has.
func (g *Graph) ID() uint64 { return g.id }

var graphCount atomic.Uint64

// mostKinds bounds the rows. In a larger schema several kinds share a bit,
// which prunes less and changes no answer.
const mostKinds = 1024

// plainKind returns the bit of the plain subjects of a type.
func (g *Graph) plainKind(typ int32) int32 { return typ % mostKinds }

// usersetKind returns the bit of the usersets of a program.
func (g *Graph) usersetKind(program int32) int32 {
	return (int32(len(g.types)) + program) % mostKinds
}

func hasBit(row []uint64, i int32) bool { return row[i>>6]&(1<<(uint(i)&63)) != 0 }

func (g *Graph) rewriteRow(i int32) []uint64 {
	return g.reach[int(i)*g.words : (int(i)+1)*g.words]
}

func (g *Graph) programRow(p int32) []uint64 {
	return g.programReach[int(p)*g.words : (int(p)+1)*g.words]
}

// computeReach fills the rows. A program whose row has grown makes those that
// lead to it grow, until nothing changes. Intersections count as unions,
// because a set of subjects may satisfy their sides by different members.
func (g *Graph) computeReach() {
	g.words = (min(len(g.types)+len(g.programs), mostKinds) + 63) / 64
	g.reach = make([]uint64, len(g.rewrites)*g.words)
	g.programReach = make([]uint64, len(g.programs)*g.words)
	users := make([][]int32, len(g.programs)) // by program: who leads to it
	todo := make([]int32, len(g.programs))
	waiting := make([]bool, len(g.programs))
	for p := range g.programs {
		g.eachTarget(int32(p), func(q int32) { users[q] = append(users[q], int32(p)) })
		todo[p], waiting[p] = int32(p), true
	}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo, waiting[p] = todo[:len(todo)-1], false
		body := g.programs[p].rewrites
		for i := body.from; i < body.to; i++ {
			g.growRow(i)
		}
		row := g.programRow(p)
		grown := setBit(row, g.usersetKind(p))
		if !merge(row, g.rewriteRow(g.programs[p].body)) && !grown {
			continue
		}
		for _, q := range users[p] {
			if !waiting[q] {
				todo, waiting[q] = append(todo, q), true
			}
		}
	}
}

// computeMasks notes for each rewrite that does nothing but read tuples of its
// object which shapes these are of; of other rewrites nothing. Shapes may share a bit.
func (g *Graph) computeMasks() {
	g.masks = make([]store.ShapeMask, len(g.rewrites))
	for i, r := range g.rewrites {
		switch r.op {
		case opProbe, opMembers:
			for _, s := range g.shapes[r.from:r.to] {
				g.masks[i] |= s.id.Mask()
			}
		case opArrow:
			for _, h := range g.hops[r.from:r.to] {
				g.masks[i] |= g.shapes[h.shape].id.Mask()
			}
		}
	}
}

// eachTarget calls yield for the programs that p's body leads to.
func (g *Graph) eachTarget(p int32, yield func(q int32)) {
	body := g.programs[p].rewrites
	for _, r := range g.rewrites[body.from:body.to] {
		switch r.op {
		case opCall:
			yield(r.from)
		case opMembers:
			for _, s := range g.shapes[r.from:r.to] {
				yield(s.program)
			}
		case opArrow, opAll:
			for _, h := range g.hops[r.from:r.to] {
				if h.target >= 0 {
					yield(h.target)
				}
			}
		}
	}
}

func (g *Graph) growRow(i int32) {
	r, row := g.rewrites[i], g.rewriteRow(i)
	switch r.op {
	case opSelf:
		setBit(row, g.plainKind(r.from))
	case opMember:
		setBit(row, g.usersetKind(r.from))
	case opProbe:
		for _, s := range g.shapes[r.from:r.to] {
			setBit(row, g.plainKind(s.typ))
		}
	case opMembers:
		for _, s := range g.shapes[r.from:r.to] {
			merge(row, g.programRow(s.program))
		}
	case opCall:
		merge(row, g.programRow(r.from))
	case opUnion, opIntersection:
		for _, c := range g.kids[r.from:r.to] {
			merge(row, g.rewriteRow(c))
		}
	case opExclusion:
		merge(row, g.rewriteRow(r.from))
	case opArrow, opAll:
		for _, h := range g.hops[r.from:r.to] {
			if h.target >= 0 {
				merge(row, g.programRow(h.target))
			}
		}
	}
}

func setBit(row []uint64, i int32) bool {
	old := row[i>>6]
	row[i>>6] |= 1 << (uint(i) & 63)
	return row[i>>6] != old
}

func merge(row, from []uint64) bool {
	changed := false
	for i, w := range from {
		if w&^row[i] != 0 {
			row[i] |= w
			changed = true
		}
	}
	return changed
}
