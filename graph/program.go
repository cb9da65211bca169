package graph

import (
	"sync/atomic"

	"github.com/pemba-authz/pemba/store"
)

// Graph is a compiled schema: one program per relation and permission, held in
// dense slices that refer to each other by index. It is immutable and safe for
// concurrent use; only caches and what is measured
// of it change.
type Graph struct {
	id     uint64
	schema *Schema
	syms   *store.Symbols

	types        []typeInfo
	typeIndex    map[string]int32
	names        nameTable // of types, relations and permissions
	programs     []program
	rewrites     []rewrite // children stand before their parents
	kids         []int32   // rewrites of unions and intersections
	shapes       []shape   // those of one relation stand together: plain, wildcard, userset
	hops         []hop     // of arrows
	caveats      map[string]*CompiledCaveat
	searches     []search
	subjectKinds store.Kinds // see numberKinds
	shapeAt      []shapeSlot // by id; only if a search has many roles

	// A row of words bits for each rewrite and each program says which kinds of
	// subject it can possibly reach; see plainKind and usersetKind.
	words        int
	reach        []uint64
	programReach []uint64

	above   atomic.Pointer[aboveTable] // see joinAbove
	depends atomic.Pointer[map[dependsKey]dependsOn]

	masks   []store.ShapeMask // by rewrite: see computeMasks
	weights []int32           // by rewrite: see computeWeights
	looping []bool            // by rewrite: see computeLoops

	order     atomic.Int32 // an Order
	orderings []*ordering
	orderOf   []int32 // by rewrite: of orderings, from 1; 0 = fixed

	backward atomic.Pointer[map[int32]*backward]
}

type typeInfo struct {
	name      string
	sym       store.Sym
	relations map[string]int32 // name -> program
	wildcards bool             // some relation accepts type:*

	// Kinds of subjects, as searches tell them apart: of the type itself and of its
	// wildcard; -1 = no tuple names it. See numberKinds.
	kind, everyone int
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
	nests    bool    // some relation of the family has such shapes
	kind     int     // of its usersets, as typeInfo.kind
	rewrites span    // of its body: all that it shares with no other program, see eachRewrite
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

// eachRewrite calls yield for the rewrites of p's body, as often as they stand in it.
func (g *Graph) eachRewrite(p int32, yield func(i int32, r rewrite)) {
	g.eachPart(g.programs[p].body, true, yield)
}

// eachPart calls yield for rewrite i and what it consists of, perhaps without
// the right sides of exclusions.
func (g *Graph) eachPart(i int32, contrary bool, yield func(i int32, r rewrite)) {
	r := g.rewrites[i]
	yield(i, r)
	switch r.op {
	case opUnion, opIntersection:
		for _, k := range g.kids[r.from:r.to] {
			g.eachPart(k, contrary, yield)
		}
	case opExclusion:
		g.eachPart(r.from, contrary, yield)
		if contrary {
			g.eachPart(r.to, contrary, yield)
		}
	}
}
