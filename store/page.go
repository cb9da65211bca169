package store

import "sync/atomic"

// A page holds what is known of pageNodes nodes in one array of words, most of
// it where it is looked for: a record of four words for each node, which has
// the node's first two rows, and behind the records the body with what did not
// fit into them, blocks of rows and lists of facts.
//
//	record  name (textBits) and shapes (a filter of the keys), two keys, two values
//	value   of a row: its only posting; else isList, bigList: where its postings
//	        are. The second value may be isBlock: where all rows are instead, and how many have room there.
//	block   rows in use and room, their shapes by direction, keys by twos, values
//	list    counters, room, postings in use, then the postings, oldest first
//
// One writer changes words by atomic stores and appends; it never moves
// anything within a page. When a page is full, the writer copies what is in use
// into another and swaps the pointer to it; readers finish on the page they
// have, which shows all that was there at any revision that they know of.
type page struct {
	records []uint64
	body    []uint64 // its first word is not used, so that no place is 0
	// Writer only: words of the body in use, how many of them nothing leads to, and the
	// newest revision known when something was added.
	used, waste int
	written     uint64
}

const (
	pageBits    = 12
	pageNodes   = 1 << pageBits
	recordWords = 4
	blockHead   = 3

	isList  = 1 << 63
	bigList = isList | 1<<62
	isBlock = isList | 1<<61

	// mostListed is the number of postings from which a list lies outside the page.
	mostListed = 1024
)

const (
	wordName = iota
	wordKeys
	wordFirst
	wordSecond
)

// rowKey tells the rows of a node apart. It is never 0, since shapes count from
// 1. They lie far below 1<<31.
type rowKey uint32

func keyOf(shape ShapeID, dir direction) rowKey { return rowKey(shape)<<1 | rowKey(dir) }

func (k rowKey) shape() ShapeID { return ShapeID(k >> 1) }
func (k rowKey) dir() direction { return direction(k & 1) }

// maskIn returns the mask of the row's shape if it is a row of that direction.
func (k rowKey) maskIn(dir direction) ShapeMask {
	return ShapeMask(k&1^rowKey(dir)^1) << (k >> 1 & 63)
}

// bit is the key's place in a record's filter of the rows that the node has.
func (k rowKey) bit() uint64 { return 1 << (k % (64 - textBits)) }

// posting is one place in a row: the fact and the node at its other end. It is
// marked if the fact has something that decides who sees it: an end, a caveat,
// an expiry or a version before it. That lies beside the fact.
type posting uint64

const marked = 1 << 31

func (p posting) node() Node     { return Node(p >> 32) }
func (p posting) ref() uint32    { return uint32(p) &^ marked }
func (p posting) isMarked() bool { return p&marked != 0 }

func load(w *uint64) uint64     { return atomic.LoadUint64(w) }
func store(w *uint64, v uint64) { atomic.StoreUint64(w, v) }

// blockAt returns the places of a block's keys and values, and how many rows it has.
func (p *page) blockAt(block uint64) (keys, values uint64, rows uint32) {
	head := load(&p.body[block])
	return block + blockHead, block + valuesAt(head&(1<<32-1)), uint32(head >> 32)
}

// valuesAt is where the values begin in a block with that room: the keys are
// beside the head, because they are read first.
func valuesAt(room uint64) uint64 { return blockHead + (room+1)/2 }

// value returns the value of a node's row, 0 if it has none. at is the place
// of the node's record.
func (p *page) value(at int, key rowKey) uint64 {
	r := p.records[at : at+recordWords : at+recordWords]
	if load(&r[wordName])&key.bit() == 0 {
		return 0
	}
	second := load(&r[wordSecond])
	if second>>61 == isBlock>>61 {
		return p.blockValue(uint64(uint32(second)), key)
	}
	switch keys := load(&r[wordKeys]); key {
	case rowKey(keys):
		return load(&r[wordFirst])
	case rowKey(keys >> 32):
		return second
	}
	return 0
}

func (p *page) blockValue(block uint64, key rowKey) uint64 {
	if load(&p.body[block+1+uint64(key.dir())])>>(key.shape()&63)&1 == 0 {
		return 0
	}
	if at := p.blockRow(block, key); at != 0 {
		return load(&p.body[at])
	}
	return 0
}

// blockRow returns the place of a row's value in a block, 0 if it is not there.
func (p *page) blockRow(block uint64, key rowKey) uint64 {
	keys, values, rows := p.blockAt(block)
	for i := uint32(0); i < rows; i++ {
		if rowKey(load(&p.body[keys+uint64(i>>1)])>>(32*(i&1))) == key {
			return values + uint64(i)
		}
	}
	return 0
}

// mask returns the shapes that a node has rows of in one direction, one bit
// for all that are equal modulo 64.
func (p *page) mask(at int, dir direction) (m ShapeMask) {
	second := load(&p.records[at+wordSecond])
	if second>>61 == isBlock>>61 {
		return ShapeMask(load(&p.body[uint32(second)+1+uint32(dir)]))
	}
	for k := load(&p.records[at+wordKeys]); k != 0; k >>= 32 {
		m |= rowKey(k).maskIn(dir)
	}
	return m
}

// rows calls yield with the key and the value of each row of a node. Writer only.
func (p *page) rows(at int, yield func(key rowKey, value *uint64)) {
	r := p.records[at : at+recordWords]
	if r[wordSecond]>>61 != isBlock>>61 {
		for i := range 2 {
			if k := rowKey(r[wordKeys] >> (32 * i)); k != 0 {
				yield(k, &r[wordFirst+i])
			}
		}
		return
	}
	block := uint64(uint32(r[wordSecond]))
	keys, values, n := p.blockAt(block)
	for i := range n {
		yield(rowKey(p.body[keys+uint64(i>>1)]>>(32*(i&1))), &p.body[values+uint64(i)])
	}
}
