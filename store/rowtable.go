package store

import (
	"iter"
	"sync/atomic"
)

// rowTable maps (node, shape, direction) to the row's newest fact and to the
// row itself. It is as table, but keeps whole keys in its slots and the fact
// beside them, because a walk looks up more rows than anything else: a hit
// costs one line of memory before the fact. One writer, lock-free readers;
// entries are never removed.
//
// A reader that still holds the slots from before the table grew sees the
// facts that were there when it grew, and those are all that its view shows.
type rowTable struct {
	slots atomic.Pointer[[]rowSlot]
	used  int // writer only
}

type rowSlot struct {
	key  atomic.Uint64 // rowKey, 0 = free; set after the other two
	head atomic.Uint32 // newest fact
	size uint32        // writer only: see smallRow
}

// rowKey is never 0, since nodes count from 1. Shapes lie far below 1<<31.
func rowKey(n Node, shape ShapeID, dir direction) uint64 {
	return uint64(n)<<32 | uint64(shape)<<1 | uint64(dir)
}

// row returns what the slot's key is made of.
func (s *rowSlot) row() (n Node, shape ShapeID, dir direction) {
	key := s.key.Load()
	return Node(key >> 32), ShapeID(key&(1<<32-1)) >> 1, direction(key & 1)
}

// search returns the place of key, or where it belongs if it is not there.
func search(slots []rowSlot, key uint64) (s *rowSlot, found bool) {
	for i := place(uint32(mix(mixSeed, key, 0)>>32), len(slots)); ; {
		s = &slots[i]
		switch s.key.Load() {
		case key:
			return s, true
		case 0:
			return s, false
		}
		if i++; i == len(slots) {
			i = 0
		}
	}
}

// find returns the slot of a row, nil if there is none.
func (t *rowTable) find(key uint64) *rowSlot {
	p := t.slots.Load()
	if p == nil {
		return nil
	}
	if s, found := search(*p, key); found {
		return s
	}
	return nil
}

// all yields the slots of all rows.
func (t *rowTable) all() iter.Seq[*rowSlot] {
	return func(yield func(*rowSlot) bool) {
		p := t.slots.Load()
		if p == nil {
			return
		}
		for i := range *p {
			if s := &(*p)[i]; s.key.Load() != 0 && !yield(s) {
				return
			}
		}
	}
}

// reserve makes room for n rows, so that the slots stay where they are until
// as many have been added.
func (t *rowTable) reserve(n int) {
	p := t.slots.Load()
	if p == nil {
		p = new([]rowSlot)
	}
	if !isFull(t.used+n-1, len(*p)) {
		return
	}
	slots := make([]rowSlot, grown(len(*p)))
	for i := range *p {
		if from := &(*p)[i]; from.key.Load() != 0 {
			s, _ := search(slots, from.key.Load())
			s.size = from.size
			s.head.Store(from.head.Load())
			s.key.Store(from.key.Load())
		}
	}
	t.slots.Store(&slots)
}

// intern returns the slot of a row, for which there is room.
func (t *rowTable) intern(key uint64) (s *rowSlot, isNew bool) {
	s, found := search(*t.slots.Load(), key)
	if !found {
		s.key.Store(key)
		t.used++
	}
	return s, !found
}
