package store

import (
	"math/bits"
	"sync/atomic"
)

// table is an open-addressing hash index from 64-bit hashes to slab
// references, with linear probing. A slot holds the upper half of the hash as
// a tag and the reference; keys live in the slab, and the caller compares
// them. One writer, any number of lock-free readers; entries are never removed.
//
// A tag's place is its share of the slots, so the slots are nearly in the order
// of their tags: growing is one pass over both, needs no keys, and need not
// double.
type table struct {
	slots atomic.Pointer[[]atomic.Uint64]
	used  int // writer only
}

const smallTable = 8 // slots at first

// grown returns the number of slots that follow n.
func grown(n int) int {
	if n < 1<<12 {
		return max(smallTable, 2*n)
	}
	return n + n/4
}

// isFull reports whether a table of that many slots takes no further entry.
// One slot at least stays free, because there a search ends.
func isFull(used, slots int) bool { return used*4 >= slots*3 }

// place returns where among n slots the search for a tag begins.
func place(tag uint32, n int) int {
	return int(uint64(tag) * uint64(n) >> 32)
}

// probe walks the slots that may hold a hash. It is small enough for the
// compiler to keep it in registers.
type probe struct {
	slots *[]atomic.Uint64
	at    int
	tag   uint32
}

func (t *table) probe(h uint64) probe {
	p, tag := t.slots.Load(), uint32(h>>32)
	if p == nil {
		return probe{slots: &noSlots}
	}
	return probe{p, place(tag, len(*p)), tag}
}

var noSlots []atomic.Uint64

// touch reads where the search will begin, so that it does not have to wait:
// several of these are done at once where several searches are not.
func (p *probe) touch() uint64 {
	if len(*p.slots) == 0 {
		return 0
	}
	return (*p.slots)[p.at].Load()
}

// next returns the next reference whose tag matches, 0 when there is none.
func (p *probe) next() uint32 {
	slots := *p.slots
	for i := p.at; i < len(slots); {
		s := slots[i].Load()
		if i++; i == len(slots) {
			i = 0
		}
		if s == 0 || uint32(s>>32) == p.tag {
			p.at = i
			return uint32(s)
		}
	}
	return 0
}

// insert adds a reference under h.
func (t *table) insert(h uint64, ref uint32) {
	p := t.slots.Load()
	if p == nil || isFull(t.used, len(*p)) {
		p = t.grow(p)
	}
	put(*p, uint32(h>>32), ref)
	t.used++
}

// replace points the slot that holds old to ref; both have hash h.
func (t *table) replace(h uint64, old, ref uint32) {
	slots, tag := *t.slots.Load(), uint32(h>>32)
	i := place(tag, len(slots))
	for uint32(slots[i].Load()) != old {
		if i++; i == len(slots) {
			i = 0
		}
	}
	slots[i].Store(uint64(tag)<<32 | uint64(ref))
}

func (t *table) grow(old *[]atomic.Uint64) *[]atomic.Uint64 {
	if old == nil {
		old = new([]atomic.Uint64)
	}
	slots := make([]atomic.Uint64, grown(len(*old)))
	for i := range *old {
		if s := (*old)[i].Load(); s != 0 {
			put(slots, uint32(s>>32), uint32(s))
		}
	}
	t.slots.Store(&slots)
	return &slots
}

func put(slots []atomic.Uint64, tag, ref uint32) {
	i := place(tag, len(slots))
	for slots[i].Load() != 0 {
		if i++; i == len(slots) {
			i = 0
		}
	}
	slots[i].Store(uint64(tag)<<32 | uint64(ref))
}

// mix hashes two words. seed differs per process, so that nobody can choose
// ids that collide.
func mix(seed, a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^seed, b^0x9e3779b97f4a7c15)
	hi, lo = bits.Mul64(hi^lo^seed, 0xd6e8feb86659fd93)
	return hi ^ lo
}
