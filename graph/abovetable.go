package graph

import (
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/pemba-authz/pemba/internal/prefetch"
	"github.com/pemba-authz/pemba/store"
)

// aboveTable keeps what has been found out about the groups of one generation: an
// open table of bounded size, without locks. An entry stands in one line of memory,
// because that is what looking for it costs. Losing one costs a look at the tuples.
type aboveTable struct {
	generation uint64
	slots      []aboveSlot                  // a power of two
	large      atomic.Pointer[largeEntries] // nil until there is one
	used       atomic.Int32
	change     atomic.Uint64             // the newest change that somebody has missed an entry after
	nesting    []atomic.Pointer[changes] // by relation: of its family's
}

// largeEntries are those that do not fit into a slot, by slot. A table that needs
// none has nothing that the collector would look into.
type largeEntries []atomic.Pointer[above]

// changes say when the tuples that say which groups of a family contain which have
// last changed, of all shapes.
type changes []store.Change

const (
	// leastAbove and mostAbove bound the slots of a table; it grows fourfold.
	leastAbove = 1 << 6
	mostAbove  = 1 << 18
	// inlineAbove is how many groups a slot holds.
	inlineAbove = 8
	// aboveReach is in how many slots, one after the other, an entry may stand.
	aboveReach = 4
)

// aboveSlot is an entry in eight words, which are written and read beside each
// other: whoever writes makes the first one odd meanwhile, and another number
// afterwards; whoever reads believes what lies between two equal even ones.
//
//	number of writes, odd = under way
//	family, counted from 1, and the group's relation
//	the group's node, reads, how many groups; or isLarge
//	revision
//	their nodes by twos; their relation is the family
type aboveSlot [8]atomic.Uint64

const (
	isLarge       = 1 // it stands in aboveTable.large
	mostSlotReads = 1<<16 - 1
)

func newAboveTable(generation uint64, slots, programs int) *aboveTable {
	return &aboveTable{
		generation: generation,
		slots:      make([]aboveSlot, slots),
		nesting:    make([]atomic.Pointer[changes], programs),
	}
}

// place returns the first slot in which an entry may stand.
func (t *aboveTable) place(family int32, m group) int {
	return int(hashEntry(family^m.program<<16, m.node)) & (len(t.slots) - 1)
}

// touch begins to read where an entry most often stands.
func (t *aboveTable) touch(family int32, m group) {
	prefetch.Line(unsafe.Pointer(&t.slots[t.place(family, m)]))
}

func aboveKey(family int32, m group) uint64 {
	return uint64(family+1)<<32 | uint64(uint32(m.program))
}

// find returns the entry of a group, whose groups may lie in room.
func (t *aboveTable) find(family int32, m group, room *[inlineAbove]group) (a above, ok bool) {
	at, key := t.place(family, m), aboveKey(family, m)
	for range aboveReach {
		s := &t.slots[at]
		switch s[1].Load() {
		case 0:
			return above{}, false
		case key:
			if uint32(s[2].Load()>>32) == uint32(m.node) {
				a, ok = t.read(at, room)
				return a, ok && a.family == family && a.of == m // it may have been written over since
			}
		}
		at = (at + 1) & (len(t.slots) - 1)
	}
	return above{}, false
}

// at returns the entry of a slot.
func (t *aboveTable) at(i int) (a above, ok bool) {
	if t.slots[i][1].Load() == 0 {
		return above{}, false
	}
	return t.read(i, new([inlineAbove]group))
}

// read returns the entry of a slot, unless it is just being written.
func (t *aboveTable) read(at int, room *[inlineAbove]group) (a above, ok bool) {
	s := &t.slots[at]
	written := s[0].Load()
	key, head, rev := s[1].Load(), s[2].Load(), s[3].Load()
	n := int(head >> 8 & 0xff)
	a = above{
		family: int32(key>>32) - 1, of: group{int32(key), store.Node(head >> 32)},
		reads: int(head >> 16 & mostSlotReads), rev: rev,
	}
	for i := 0; i < min(n, inlineAbove); i += 2 {
		two := s[4+i/2].Load()
		room[i], room[i+1] = group{a.family, store.Node(uint32(two))}, group{a.family, store.Node(two >> 32)}
	}
	if written&1 != 0 || s[0].Load() != written {
		return above{}, false
	}
	if head&isLarge != 0 {
		// Written apart from the slot, it says itself what it is about.
		all := t.large.Load()
		if all == nil {
			return above{}, false
		}
		b := (*all)[at].Load()
		if b == nil || b.family != a.family || b.of != a.of {
			return above{}, false
		}
		return *b, true
	}
	a.groups = room[:n]
	return a, true
}

// put keeps a in the place of an earlier entry of its group, in a free one, or in
// another's, and reports whether it was free. Where somebody else is writing it is lost.
func (t *aboveTable) put(a *above) (isNew bool) {
	first, key := t.place(a.family, a.of), aboveKey(a.family, a.of)
	at := first
	for i := range aboveReach {
		s := &t.slots[(first+i)&(len(t.slots)-1)]
		found := s[1].Load()
		if found == 0 || found == key && uint32(s[2].Load()>>32) == uint32(a.of.node) {
			at = (first + i) & (len(t.slots) - 1)
			break
		}
	}
	s := &t.slots[at]
	written := s[0].Load()
	if written&1 != 0 || !s[0].CompareAndSwap(written, written+1) {
		return false
	}
	isNew = s[1].Load() == 0
	head := uint64(a.of.node) << 32
	if a.isInline() {
		head |= uint64(a.reads)<<16 | uint64(len(a.groups))<<8
		for i := 0; i < len(a.groups); i += 2 {
			two := uint64(a.groups[i].node)
			if i+1 < len(a.groups) {
				two |= uint64(a.groups[i+1].node) << 32
			}
			s[4+i/2].Store(two)
		}
	} else {
		head |= isLarge
		t.putLarge(at, *a)
	}
	s[2].Store(head)
	s[3].Store(a.rev)
	s[1].Store(key)
	s[0].Store(written + 2)
	return isNew
}

func (t *aboveTable) putLarge(at int, a above) {
	all := t.large.Load()
	if all == nil {
		fresh := make(largeEntries, len(t.slots))
		t.large.CompareAndSwap(nil, &fresh)
		all = t.large.Load()
	}
	a.groups = slices.Clone(a.groups)
	(*all)[at].Store(&a)
}

// isInline reports whether a slot can hold a.
func (a *above) isInline() bool {
	return !a.tooFar && len(a.groups) <= inlineAbove && a.reads <= mostSlotReads &&
		!slices.ContainsFunc(a.groups, func(m group) bool { return m.program != a.family })
}
