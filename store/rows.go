package store

// Rows steps through the rows of an object at which it is worth looking: those
// that lead on, and those that have one of a few nodes.
//
//	var rows Rows
//	for rows.Open(&v, o); rows.Next(&set, seek, ways); {
//		... rows.Shape() ... rows.Hit() ... rows.Iter() ...
//	}
//
// It finds the object once and goes through its rows once, in no order that
// means anything, where asking for one row after the other would begin anew.
type Rows struct {
	g      *generation
	p      *page
	block  uint64 // place of the rows, 0 = they are in the record
	keys   uint64 // block: the place of their keys; else the keys
	value  uint64 // of the row that Next has stepped to
	rev    uint64
	at     int
	looked int
	mask   ShapeMask
	limit  uint32
	node   Node
	i, n   uint32
	shape  ShapeID
	hit    Node
	plain  bool
}

// Open begins with the rows of object, as v shows them.
func (r *Rows) Open(v *View, object Node) {
	*r = Rows{g: v.g, rev: v.rev, limit: v.limit, node: object}
	if object == 0 {
		return
	}
	p, at := v.g.nodes.at(object)
	r.p, r.at = p, at
	record := p.records[at : at+recordWords : at+recordWords]
	if second := load(&record[wordSecond]); second>>61 == isBlock>>61 {
		r.block = uint64(uint32(second))
		r.keys, r.n = p.keysAt(r.block)
		r.mask = ShapeMask(load(&p.body[r.block+1+uint64(forward)]))
		return
	}
	r.keys, r.n = load(&record[wordKeys]), 2
	for _, k := range [...]rowKey{rowKey(r.keys), rowKey(r.keys >> 32)} {
		if k != 0 && k.dir() == forward {
			r.mask |= k.shape().Mask()
		}
	}
}

// Mask returns the shapes that the object may have tuples of.
func (r *Rows) Mask() ShapeMask { return r.mask }

// Next steps to the next row whose shape is in ways, or whose shape is in seek
// and which has a node of set. It reports whether there is one.
func (r *Rows) Next(set *NodeSet, seek, ways ShapeMask) bool {
	mask := (seek | ways) & r.mask
	if mask == 0 {
		return false
	}
	for r.nextOf(mask) {
		r.hit = 0
		if seek.Has(r.shape) {
			r.seek(set)
		}
		if r.hit != 0 || ways.Has(r.shape) {
			return true
		}
	}
	return false
}

// nextOf steps to the next row whose shape is in mask.
func (r *Rows) nextOf(mask ShapeMask) bool {
	if r.block == 0 {
		for r.i < r.n {
			i := r.i
			r.i++
			if key := rowKey(r.keys >> (32 * i)); key != 0 && key.isIn(mask) {
				r.shape, r.value = key.shape(), load(&r.p.records[r.at+wordFirst+int(i)])
				if r.value>>61 == isBlock>>61 { // a third row has come since
					r.value = r.p.blockValue(uint64(uint32(r.value)), key)
				}
				return true
			}
		}
		return false
	}
	keys := r.p.body[r.keys : r.keys+uint64(r.n+1)>>1]
	for i, n := r.i, r.n; i < n; {
		word := load(&keys[i>>1])
		if i&1 == 0 {
			if key := rowKey(word); key.isIn(mask) {
				return r.stepTo(i, key)
			}
			if i++; i == n {
				break
			}
		}
		if key := rowKey(word >> 32); key.isIn(mask) {
			return r.stepTo(i, key)
		}
		i++
	}
	r.i = r.n
	return false
}

func (r *Rows) stepTo(i uint32, key rowKey) bool {
	r.shape, r.value, r.i = key.shape(), load(&r.p.body[r.block+blockHead+uint64(i)]), i+1
	return true
}

// isIn reports whether the row is an object's and its shape is in mask.
func (k rowKey) isIn(mask ShapeMask) bool { return uint64(mask)>>(k>>1&63)&uint64(k&1^1) != 0 }

// seek finds out which node of set the row has.
func (r *Rows) seek(set *NodeSet) {
	r.looked++
	if r.value < isList {
		if y := posting(r.value); set.Has(y.node()) {
			r.found(y)
		}
		return
	}
	if r.value < isBlock {
		list := uint64(uint32(r.value))
		if n := listHead(load(&r.p.body[list])).len(); n <= mostScanned {
			all := r.p.body[list+1 : list+1+uint64(n)]
			for i := range all {
				if y := posting(load(&all[i])); set.Has(y.node()) {
					r.found(y)
					return
				}
			}
			return
		}
	}
	r.looked += len(set.nodes) - 1
	for _, n := range set.nodes {
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

// Hit returns a node of the set that the row has, 0 if it has none or was not
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

// Touch begins to read what Open and the masks of node read first, so that it
// comes while something else is done. What it returns means nothing; it must be used
// by ReadAhead in the end.
func (v *View) Touch(n Node) uint64 {
	if n == 0 || n > Node(v.g.nodes.len()) {
		return 0
	}
	p, at := v.g.nodes.at(n)
	return load(&p.records[at+wordSecond])
}

// TouchRows is Touch for what comes next, once what Touch has begun to read is there.
func (v *View) TouchRows(n Node) uint64 {
	if n == 0 || n > Node(v.g.nodes.len()) {
		return 0
	}
	p, at := v.g.nodes.at(n)
	second := load(&p.records[at+wordSecond])
	if second>>61 != isBlock>>61 {
		return second
	}
	return load(&p.body[uint32(second)])
}

// NodeSet holds a few nodes. The zero value is empty.
type NodeSet struct {
	filter uint64 // one bit for each
	nodes  []Node
}

// Add adds a node, unless it is 0. Adding one again only makes the set longer.
func (s *NodeSet) Add(n Node) {
	if n != 0 {
		s.filter |= n.bit()
		s.nodes = append(s.nodes, n)
	}
}

// Len returns how many nodes were added.
func (s *NodeSet) Len() int { return len(s.nodes) }

// Reset empties the set and keeps its memory.
func (s *NodeSet) Reset() { s.filter, s.nodes = 0, s.nodes[:0] }

// Has reports whether the set holds n.
func (s *NodeSet) Has(n Node) bool { return s.filter&n.bit() != 0 && s.holds(n) }

func (s *NodeSet) holds(n Node) bool {
	for _, m := range s.nodes {
		if m == n {
			return true
		}
	}
	return false
}

func (n Node) bit() uint64 { return 1 << (uint32(n) * 0x9e3779b1 >> 26) }
