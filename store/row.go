package store

import "sync/atomic"

// postings are those of a row, oldest first, as one reader sees it: there may
// be more by now, all of which are later than any view that it reads for.
type postings struct {
	one  uint64 // the only one, if list is 0 and there is no big
	page *page
	big  *[]*bigChunk
	list uint32 // place of the first one in page
	n    int32
}

func (r *postings) at(i int32) posting {
	switch {
	case r.list != 0:
		return posting(load(&r.page.body[r.list+uint32(i)]))
	case r.big != nil:
		return posting(load(&(*r.big)[i>>bigBits][i&(bigNodes-1)]))
	}
	return posting(r.one)
}

// place returns the place of a fact's posting, which is there. A row has its
// facts in the order of their creation.
func (r *postings) place(ref uint32) int32 {
	from, to := int32(0), r.n-1
	for from < to {
		if mid := (from + to) / 2; r.at(mid).ref() < ref {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from
}

// bigRow holds the postings of a row that has too many for a page, and the row's counters.
// One writer, lock-free readers.
type bigRow struct {
	chunks   atomic.Pointer[[]*bigChunk]
	n        atomic.Uint32
	counters uint32 // writer only
}

const (
	bigBits  = 10
	bigNodes = 1 << bigBits
)

type bigChunk [bigNodes]uint64

func (b *bigRow) add(x posting) {
	n := b.n.Load()
	chunks := b.chunks.Load()
	if k := int(n >> bigBits); chunks == nil || k == len(*chunks) {
		var grown []*bigChunk
		if chunks != nil {
			grown = *chunks
		}
		grown = append(grown, new(bigChunk))
		chunks = &grown
		b.chunks.Store(chunks)
	}
	store(&(*chunks)[n>>bigBits][n&(bigNodes-1)], uint64(x))
	b.n.Store(n + 1)
}

// postings returns those of a row by its value in page p.
func (g *generation) postings(p *page, v uint64) postings {
	switch {
	case v < isList:
		if v == 0 {
			return postings{}
		}
		return postings{one: v, n: 1}
	case v < isBlock:
		list := uint32(v)
		return postings{page: p, list: list + 1, n: int32(listHead(load(&p.body[list])).len())}
	}
	b := g.bigs.at(uint32(v))
	n := int32(b.n.Load()) // first: the chunks hold at least as many
	return postings{big: b.chunks.Load(), n: n}
}

// row returns the postings of a node's row.
func (g *generation) row(n Node, key rowKey) postings {
	p, at := g.nodes.at(n)
	return g.postings(p, p.value(at, key))
}

// link adds a posting to a row and returns the row's counters, 0 if it has none.
func (g *generation) link(n Node, key rowKey, x posting) (counters uint32) {
	for {
		p, at := g.nodes.at(n)
		before := p.idle()
		counters, lack := g.linkIn(p, at, key, x)
		g.nodes.unused += p.idle() - before
		if lack == 0 {
			p.written = g.log.newestRev()
			return counters
		}
		g.nodes.makeRoom(int(n>>pageBits), lack)
	}
}

// linkIn adds a posting to a row of a page. It returns how many words the page
// lacks, 0 if it is done.
func (g *generation) linkIn(p *page, at int, key rowKey, x posting) (counters uint32, lack int) {
	value := p.row(at, key)
	switch {
	case value == nil:
		return 0, p.addRow(at, key, uint64(x))
	case *value < isList:
		return 0, p.appendTo(value, x)
	case *value >= isBlock:
		b := g.bigs.at(uint32(*value))
		b.add(x)
		return b.counters, 0
	}
	list := int(uint32(*value))
	h := listHead(p.body[list])
	if h.len() == mostListed {
		g.outgrow(p, value, x)
		return h.counters(), 0
	}
	if h.len() == smallRow-1 && h.counters() == 0 {
		ref := g.addCounters(postings{page: p, list: uint32(list) + 1, n: smallRow - 1})
		h = headOf(ref, h.room(), h.len())
		store(&p.body[list], uint64(h))
	}
	return h.counters(), p.appendTo(value, x)
}

// outgrow moves a list out of its page and adds a posting.
func (g *generation) outgrow(p *page, value *uint64, x posting) {
	list := int(uint32(*value))
	h := listHead(p.body[list])
	ref, b := g.bigs.next()
	b.counters = h.counters()
	for _, y := range p.body[list+1 : list+1+h.len()] {
		b.add(posting(y))
	}
	b.add(x)
	g.bigs.publish()
	store(value, bigList|uint64(ref))
	p.waste += 1 + h.room()
}

// mark marks a fact's posting in a row.
func (g *generation) mark(n Node, key rowKey, ref uint32) {
	p, at := g.nodes.at(n)
	value := p.row(at, key)
	r := g.postings(p, *value)
	switch i := r.place(ref); {
	case r.list != 0:
		x := &p.body[r.list+uint32(i)]
		store(x, *x|marked)
	case r.big != nil:
		x := &(*r.big)[i>>bigBits][i&(bigNodes-1)]
		store(x, *x|marked)
	default:
		store(value, r.one|marked)
	}
}
