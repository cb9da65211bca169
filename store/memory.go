package store

import "unsafe"

// Memory is what the tuples of all tenants take in memory, in bytes, by part.
// Parts of it that have never been used count, though the system may not have
// given memory for them yet. Records and kept outcomes are not in it.
type Memory struct {
	Facts   int64 // tuple versions in the order of their creation
	Extras  int64 // ends, caveats, expiries
	Rows    int64 // nodes' records, and the rows in both directions
	Spare   int64 // the part of Rows that is not in use
	Names   int64 // ids and caveats' contexts
	Index   int64 // from ids to nodes, and to the tuples of long rows
	Changes int64 // change lists
	Copies  int64 // what is being copied to reclaim space
}

// Total is the sum of the parts.
func (m *Memory) Total() int64 {
	return m.Facts + m.Extras + m.Rows + m.Names + m.Index + m.Changes + m.Copies
}

func (m *Memory) add(g *generation) {
	m.Facts += g.facts.bytes()
	m.Extras += g.extras.bytes() + g.counts.bytes() + g.caveats.bytes()
	m.Rows += g.nodes.bytes() + g.bigs.bytes()
	for i := uint32(1); i <= g.bigs.len(); i++ {
		m.Rows += int64(len(*g.bigs.at(i).chunks.Load())) * int64(unsafe.Sizeof(bigChunk{}))
	}
	m.Spare += 8 * int64(g.nodes.unused)
	m.Names += g.strings.bytes()
	m.Index += g.nodeIndex.bytes() + g.pairs.bytes()
	m.Changes += g.log.stamps.bytes() + g.log.changes.bytes()
	if h := g.heir; h != nil {
		var copied Memory
		copied.add(h.to)
		m.Copies += copied.Total() + h.facts.bytes() + h.nodes.bytes() + h.records.bytes()
	}
}

// bytes returns what the elements and the room for further ones take.
func (c *chunks[T]) bytes() (n int64) {
	var e T
	for _, chunk := range c.inner {
		n += int64(len(chunk))
	}
	if outer := c.outer.Load(); outer != nil {
		for _, chunk := range outer {
			n += int64(len(chunk))
		}
	}
	return n * int64(unsafe.Sizeof(e))
}

func (t *nodes) bytes() (n int64) {
	if t.dir.Load() == nil {
		return 0
	}
	for i := range *t.dir.Load() {
		n += 8
		if p := (*t.dir.Load())[i].Load(); p != nil {
			n += int64(unsafe.Sizeof(*p)) + 8*int64(len(p.records)+len(p.body))
		}
	}
	return n
}

func (q *queue[T]) bytes() (n int64) {
	var e T
	for _, c := range q.chunks {
		n += int64(cap(c)) * int64(unsafe.Sizeof(e))
	}
	return n
}
