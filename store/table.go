package store

import (
	"math/bits"
	"sync/atomic"
)

// table is an open-addressing hash index from 64-bit hashes to slab
// references, with linear probing. A slot holds the upper half of the hash as
// a tag and the reference; keys live in the slab, and the caller compares
// them. One writer, any number of lock-free readers; entries are never removed.
type table struct {
	slots atomic.Pointer[[]atomic.Uint64]
	used  int // writer only
}

// probe walks the slots that may hold a hash.
type probe struct {
	slots []atomic.Uint64
	at    uint32
	tag   uint32
}

func (t *table) probe(h uint64) probe {
	p := t.slots.Load()
	if p == nil {
		return probe{}
	}
	return probe{slots: *p, at: uint32(h) & uint32(len(*p)-1), tag: uint32(h >> 32)}
}

// next returns the next reference whose tag matches, 0 when there is none.
func (p *probe) next() uint32 {
	if p.slots == nil {
		return 0
	}
	for {
		s := p.slots[p.at].Load()
		p.at = (p.at + 1) & uint32(len(p.slots)-1)
		if s == 0 || uint32(s>>32) == p.tag {
			return uint32(s)
		}
	}
}

// insert adds a reference under h. rehash returns the hash of a reference that
// is already in the table; it is called when the table grows.
func (t *table) insert(h uint64, ref uint32, rehash func(ref uint32) uint64) {
	p := t.slots.Load()
	if p == nil || t.used*4 >= len(*p)*3 {
		p = t.grow(p, rehash)
	}
	put(*p, h, ref)
	t.used++
}

// replace points the slot that holds old to ref; both have hash h.
func (t *table) replace(h uint64, old, ref uint32) {
	slots := *t.slots.Load()
	mask := uint32(len(slots) - 1)
	for i := uint32(h) & mask; ; i = (i + 1) & mask {
		if uint32(slots[i].Load()) == old {
			slots[i].Store(h>>32<<32 | uint64(ref))
			return
		}
	}
}

func (t *table) grow(old *[]atomic.Uint64, rehash func(uint32) uint64) *[]atomic.Uint64 {
	size := 16
	if old != nil {
		size = len(*old) * 2
	}
	slots := make([]atomic.Uint64, size)
	if old != nil {
		for i := range *old {
			if ref := uint32((*old)[i].Load()); ref != 0 {
				put(slots, rehash(ref), ref)
			}
		}
	}
	t.slots.Store(&slots)
	return &slots
}

func put(slots []atomic.Uint64, h uint64, ref uint32) {
	mask := uint32(len(slots) - 1)
	i := uint32(h) & mask
	for slots[i].Load() != 0 {
		i = (i + 1) & mask
	}
	slots[i].Store(h>>32<<32 | uint64(ref))
}

// mix hashes two words. seed differs per process, so that nobody can choose
// ids that collide.
func mix(seed, a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^seed, b^0x9e3779b97f4a7c15)
	hi, lo = bits.Mul64(hi^lo^seed, 0xd6e8feb86659fd93)
	return hi ^ lo
}
