package graph

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/pemba-authz/pemba/store"
)

// role is what the tuples of a shape mean to a search.
type role struct {
	id    store.ShapeID // 0 = none
	shape int32         // of g.shapes
	way   int32         // the search that they lead to, -1 = none
	names bool          // they may name a subject, or a group of it
}

// roles are those of a search, by shape. Few have a table of their own, in one
// or two lines of memory. Many are bits, because a large schema has thousands
// of permissions that hundreds of relations grant.
type roles struct {
	few []role // open addressing, a power of two; nil = they are many

	known []shapeSlot // all shapes of the graph
	first int32       // shape of the first bit
	names []uint64    // the shapes that may name somebody
	ways  []role      // the shapes that lead on, by shape
}

// shapeSlot says where in g.shapes a shape stands: open addressing, a power of two.
type shapeSlot struct {
	id    store.ShapeID // 0 = none
	shape int32
}

// of returns the role of a shape. Its id is 0 if it has none.
func (t *roles) of(id store.ShapeID) role {
	if t.few == nil {
		return t.ofMany(id)
	}
	mask := len(t.few) - 1
	for i := int(id) & mask; ; i = (i + 1) & mask {
		if r := &t.few[i]; r.id == id || r.id == 0 {
			return *r
		}
	}
}

func (t *roles) ofMany(id store.ShapeID) role {
	mask, i := len(t.known)-1, 0
	for i = int(id) & mask; t.known[i].id != id; i = (i + 1) & mask {
		if t.known[i].id == 0 {
			return role{}
		}
	}
	shape := t.known[i].shape
	for j := range t.ways {
		if t.ways[j].shape == shape {
			return t.ways[j]
		}
	}
	if bit := shape - t.first; bit >= 0 && int(bit>>6) < len(t.names) && hasBit(t.names, bit) {
		return role{id, shape, -1, true}
	}
	return role{}
}

// size returns about how many bytes t takes.
func (t *roles) size() int { return 16*(len(t.few)+len(t.ways)) + 8*len(t.names) }

// Bounds of roles that are bits: fewer do not pay, and the ways are gone through.
const (
	fewRoles = 32
	mostWays = 8
)

// newRoles files roles, which it sorts by their shapes.
func (g *Graph) newRoles(all []role) roles {
	slices.SortFunc(all, func(a, b role) int { return cmp.Compare(a.shape, b.shape) })
	var ways []role
	for _, r := range all {
		if r.way >= 0 {
			ways = append(ways, r)
		}
	}
	size := 1 << bits.Len(uint(2*len(all)))
	if n := len(all); n > fewRoles && len(ways) <= mostWays && int(all[n-1].shape-all[0].shape)/64 < size {
		return g.manyRoles(all, ways)
	}
	t := roles{few: make([]role, size)}
	for _, r := range all {
		i := int(r.id) & (size - 1)
		for t.few[i].id != 0 {
			i = (i + 1) & (size - 1)
		}
		t.few[i] = r
	}
	return t
}

func (g *Graph) manyRoles(all, ways []role) roles {
	if g.shapeAt == nil {
		g.shapeAt = g.fileShapes()
	}
	first := all[0].shape
	t := roles{known: g.shapeAt, first: first, ways: ways}
	t.names = make([]uint64, (all[len(all)-1].shape-first)/64+1)
	for _, r := range all {
		if r.names {
			setBit(t.names, r.shape-first)
		}
	}
	return t
}

func (g *Graph) fileShapes() []shapeSlot {
	slots := make([]shapeSlot, 1<<bits.Len(uint(len(g.shapes)+len(g.shapes)/2)))
	mask := len(slots) - 1
	for s := range g.shapes {
		i := int(g.shapes[s].id) & mask
		for slots[i].id != 0 {
			i = (i + 1) & mask
		}
		slots[i] = shapeSlot{g.shapes[s].id, int32(s)}
	}
	return slots
}
