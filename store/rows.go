package store

import (
	"math/bits"
	"unsafe"

	"github.com/pemba-authz/pemba/internal/prefetch"
)

// Rows steps through the rows of an object at which it is worth looking: those
// that lead on, and those that have one of a few nodes.
//
//	var rows Rows
//	for rows.Open(&v, o); rows.Next(few, &sought, seek, ways); {
//		... rows.Shape() ... rows.Hit() ... rows.Iter() ...
//	}
//
// It finds the object once and goes through its rows once, in no order that
// means anything, where asking for one row after the other would begin anew.
type Rows struct {
	g      *generation
	p      *page
	words  []uint64 // of p: what holds the rows
	keys   uint32   // place of their keys there, by twos
	values uint32   // and of their values
	n      int
	todo   uint64 // which of the atOnce rows at from are to be stepped to
	from   int
	value  uint64 // of the row that Next has stepped to
	rev    uint64
	looked int
	mask   ShapeMask
	limit  uint32
	node   Node
	shape  ShapeID
	hit    Node
	plain  bool
}

// atOnce is of how many rows the keys are looked at before any of their values.
const atOnce = 64

// Open begins with the rows of object, as v shows them.
func (r *Rows) Open(v *View, object Node) {
	r.g, r.rev, r.limit, r.node = v.g, v.rev, v.limit, object
	r.todo, r.from, r.n, r.looked, r.mask = 0, -atOnce, 0, 0, 0
	if object == 0 {
		return
	}
	p, at := v.g.nodes.at(object)
	r.p = p
	record := p.records[at : at+recordWords : at+recordWords]
	if second := load(&record[wordSecond]); second>>61 == isBlock>>61 {
		block := uint32(second)
		keys, values, n := p.blockAt(uint64(block))
		r.words, r.keys, r.values, r.n = p.body, uint32(keys), uint32(values), int(n)
		r.mask = ShapeMask(load(&p.body[block+1+uint32(forward)]))
		return
	}
	r.words, r.values, r.keys = p.records, uint32(at)+wordFirst, uint32(at)+wordKeys
	for k := load(&record[wordKeys]); k != 0; k >>= 32 {
		r.mask |= rowKey(k).maskIn(forward)
		r.n++
	}
}

// Close lets go of what r has read.
func (r *Rows) Close() { r.g, r.p, r.words = nil, nil, nil }

// Mask returns the shapes that the object may have tuples of.
func (r *Rows) Mask() ShapeMask { return r.mask }

// Next steps to the next row whose shape is in ways, or whose shape is in seek
// and which has a node that is sought there; nil = nothing is sought. It reports
// whether there is one. If few is not nil, it knows the shapes of ways and seek, and
// rows of others may be stepped to as well.
func (r *Rows) Next(few *Few, sought *Sought, seek, ways ShapeMask) bool {
	if sought == nil {
		sought = &nothing
	}
	for {
		for r.todo == 0 {
			if !r.more(few, sought, seek, ways) {
				return false
			}
		}
		i := uint32(r.from + bits.TrailingZeros64(r.todo))
		r.todo &= r.todo - 1
		shape := rowKey(load(&r.words[r.keys+i>>1]) >> (32 * (i & 1))).shape()
		value := load(&r.words[r.values+i])
		if value>>61 == isBlock>>61 { // a third row of the node has come since
			value = r.p.blockValue(uint64(uint32(value)), keyOf(shape, forward))
		}
		r.shape, r.value, r.hit = shape, value, 0
		if kind := sought.kindOf(shape); (sought.masks[kind] & seek).Has(shape) {
			r.looked++
			if y, nodes := posting(value), &sought.nodes[kind]; value >= isList {
				r.seek(nodes)
			} else if nodes.has(y.node()) {
				r.found(y)
			}
		}
		if r.hit != 0 || ways.Has(shape) {
			return true
		}
	}
}

// more finds out which of the next rows have a shape of ways, or one of seek that
// something is sought in. It reports whether there are further rows. No jump
// depends on a key: there are many, and what comes next could not be foretold.
func (r *Rows) more(few *Few, sought *Sought, seek, ways ShapeMask) bool {
	r.from += atOnce
	n := r.n - r.from
	if seek &= sought.mask; few != nil {
		seek &= sought.in(few)
	}
	if n <= 0 || (seek|ways)&r.mask == 0 {
		return false
	}
	n = min(n, atOnce)
	keys := r.words[int(r.keys)+r.from/2:][:(n+1)/2]
	if few != nil {
		r.todo = dueIn(keys, seek|ways)
	} else {
		r.todo = sought.dueIn(keys, seek, ways)
	}
	if n&1 == 1 { // the last key has no other beside it
		r.todo &= 1<<(n&63) - 1
	}
	if r.todo&(r.todo-1) != 0 {
		r.touchLists()
	}
	return true
}

// dueIn returns which of some keys, by twos, are of rows of an object whose shape
// may be in wanted.
func dueIn(keys []uint64, wanted ShapeMask) (due uint64) {
	for i := len(keys) - 1; i >= 0; i-- {
		k := load(&keys[i])
		odd := uint64(wanted>>(k>>33&63)) &^ (k >> 32)
		even := uint64(wanted>>(k>>1&63)) &^ k
		due = due<<2 | (odd&1)<<1 | even&1
	}
	return due
}

// dueIn returns which of some keys, by twos, are of rows of an object whose shape is
// in ways, or in seek and of a kind that has something sought there.
func (s *Sought) dueIn(keys []uint64, seek, ways ShapeMask) (due uint64) {
	m := &s.masks
	wanted := [soughtKinds]ShapeMask{ // by kind
		m[0]&seek | ways, m[1]&seek | ways, m[2]&seek | ways, m[3]&seek | ways,
		m[4]&seek | ways, m[5]&seek | ways, m[6]&seek | ways, m[7]&seek | ways,
	}
	kinds, last := s.kinds, uint64(len(s.kinds)-1)
	for i := len(keys) - 1; i >= 0; i-- {
		k := load(&keys[i])
		odd, even := k>>33, k>>1
		odd = uint64(wanted[kinds[odd&last]&(soughtKinds-1)]>>(odd&63)) &^ (k >> 32)
		even = uint64(wanted[kinds[even&last]&(soughtKinds-1)]>>(even&63)) &^ k
		due = due<<2 | (odd&1)<<1 | even&1
	}
	return due
}

// touchLists begins to read the lists of the rows that are to be stepped to.
func (r *Rows) touchLists() {
	for todo := r.todo; todo != 0; todo &= todo - 1 {
		value := load(&r.words[r.values+uint32(r.from+bits.TrailingZeros64(todo))])
		if value >= isList && value < isBlock {
			prefetch.Line(unsafe.Pointer(&r.p.body[uint32(value)]))
		}
	}
}

// seek finds out which of some nodes a row of several postings has.
func (r *Rows) seek(nodes *nodeSet) {
	if r.value < isBlock {
		list := uint64(uint32(r.value))
		if n := listHead(load(&r.p.body[list])).len(); n <= mostScanned {
			all := r.p.body[list+1 : list+1+uint64(n)]
			for i := range all {
				if y := posting(load(&all[i])); nodes.has(y.node()) {
					r.found(y)
					return
				}
			}
			return
		}
	}
	r.looked += len(nodes.list) - 1
	for _, n := range nodes.list {
		if r.g.pair(r.node, r.shape, n) != 0 {
			r.hit, r.plain = n, false
			return
		}
	}
}

func (r *Rows) found(y posting) { r.hit, r.plain = y.node(), r.isPlain(y) }

func (r *Rows) isPlain(y posting) bool { return !y.isMarked() && y.ref() <= r.limit }

// Shape returns the shape of the row that Next has stepped to.
func (r *Rows) Shape() ShapeID { return r.shape }

// Hit returns a node that was sought and that the row has, 0 if it has none or was not
// sought in. Its fact is what it seems, visible and with neither caveat nor
// expiry, if plain says so; else Find tells. The row may have others.
func (r *Rows) Hit() (n Node, plain bool) { return r.hit, r.plain }

// Looked returns how many look-ups Next has made so far.
func (r *Rows) Looked() int { return r.looked }

// Only returns the subject of the row's only fact, if it has just one, which is
// visible and has neither caveat nor expiry; else 0, and Iter tells.
func (r *Rows) Only() Node {
	if y := posting(r.value); r.value < isList && r.isPlain(y) {
		return y.node()
	}
	return 0
}

// Iter steps through the facts of the row.
func (r *Rows) Iter() Iter {
	it := Iter{g: r.g, rev: r.rev, limit: r.limit, node: r.node, key: keyOf(r.shape, forward)}
	it.row = r.g.postings(r.p, r.value)
	return it
}
