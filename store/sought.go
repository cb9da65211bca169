package store

import "math/bits"

// Sought are nodes that Rows looks for. Subjects of different kinds stand in rows
// of different shapes, so each is sought only where its kind may stand. Reset comes
// first.
type Sought struct {
	kinds Kinds
	used  uint8 // which kinds there are nodes of
	mask  ShapeMask
	masks [soughtKinds]ShapeMask // by kind: of the rows to look in
	nodes [soughtKinds]nodeSet   // by kind
}

var nothing = Sought{kinds: Kinds{0}}

// soughtKinds is a power of two.
const soughtKinds = 8

// Kinds says of which kind the subjects are that stand in the rows of a shape. Kinds
// that share a number are sought in each other's rows.
type Kinds []uint8

// mostKindBytes bounds Kinds by the number of shapes: past it they are of one kind.
const mostKindBytes = 64

// NewKinds returns the kinds of shapes, by their ids. Those of other shapes mean nothing.
func NewKinds(kinds map[ShapeID]int) Kinds {
	var first, last ShapeID
	for id := range kinds {
		if first == 0 || id < first {
			first = id
		}
		last = max(last, id)
	}
	// As many as a power of two, so that no two of the shapes have one place.
	size := 1 << bits.Len(uint(last-first))
	if size > mostKindBytes*(len(kinds)+16) {
		return Kinds{0}
	}
	all := make(Kinds, size)
	for id, kind := range kinds {
		all[int(id)&(size-1)] = uint8(kind % soughtKinds)
	}
	return all
}

// A Few says of a few shapes, no two of which share a bit of a ShapeMask, of which
// kind their subjects are: then masks alone say what is sought where.
type Few [soughtKinds]ShapeMask // the shapes of each kind

// Few returns what holds of these shapes, nil if two of them share a bit.
func (k Kinds) Few(shapes []ShapeID) *Few {
	var f Few
	var all ShapeMask
	for _, id := range shapes {
		if all.Has(id) {
			return nil
		}
		all |= id.Mask()
		f[k.Of(id)] |= id.Mask()
	}
	return &f
}

// Of returns the kind of a shape's subjects.
func (k Kinds) Of(shape ShapeID) int { return int(k[int(shape)&(len(k)-1)]) }

// Reset empties s, keeps its memory, and prepares it for subjects of these kinds,
// one at least.
func (s *Sought) Reset(kinds Kinds) {
	for ; s.used != 0; s.used &= s.used - 1 {
		kind := bits.TrailingZeros8(s.used)
		s.masks[kind], s.nodes[kind].filter, s.nodes[kind].list = 0, 0, s.nodes[kind].list[:0]
	}
	s.kinds, s.mask = kinds, 0
}

// Add adds a node, unless it is 0, to be sought in rows of the shapes of mask whose
// subjects are of its kind.
func (s *Sought) Add(kind int, n Node, mask ShapeMask) {
	if n == 0 || mask == 0 {
		return
	}
	kind &= soughtKinds - 1
	s.used |= 1 << kind
	s.mask |= mask
	s.masks[kind] |= mask
	s.nodes[kind].filter |= n.bit()
	s.nodes[kind].list = append(s.nodes[kind].list, n)
}

// Mask returns the shapes in which something is sought.
func (s *Sought) Mask() ShapeMask { return s.mask }

// in returns those of a few shapes that have something sought of their kind.
func (s *Sought) in(f *Few) (m ShapeMask) {
	for used := s.used; used != 0; used &= used - 1 {
		kind := bits.TrailingZeros8(used) & (soughtKinds - 1)
		m |= s.masks[kind] & f[kind]
	}
	return m
}

func (s *Sought) kindOf(shape ShapeID) uint8 {
	return s.kinds[int(shape)&(len(s.kinds)-1)] & (soughtKinds - 1)
}

// nodeSet holds a few nodes.
type nodeSet struct {
	filter uint64 // one bit for each
	list   []Node
}

func (s *nodeSet) has(n Node) bool { return s.filter&n.bit() != 0 && s.holds(n) }

func (s *nodeSet) holds(n Node) bool {
	for _, m := range s.list {
		if m == n {
			return true
		}
	}
	return false
}

func (n Node) bit() uint64 { return 1 << (uint32(n) * 0x9e3779b1 >> 26) }
