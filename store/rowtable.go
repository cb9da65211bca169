package store

import "sync/atomic"

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
	row  uint32
}

// rowKey is never 0, since nodes count from 1. Shapes lie far below 1<<31.
func rowKey(n Node, shape ShapeID, dir direction) uint64 {
	return uint64(n)<<32 | uint64(shape)<<1 | uint64(dir)
}

func (t *rowTable) find(key uint64) *rowSlot {
	p := t.slots.Load()
	if p == nil {
		return nil
	}
	slots := *p
	mask := uint64(len(slots) - 1)
	for i := mix(mixSeed, key, 0) & mask; ; i = (i + 1) & mask {
		switch slots[i].key.Load() {
		case key:
			return &slots[i]
		case 0:
			return nil
		}
	}
}

// insert adds a row whose key is not there yet.
func (t *rowTable) insert(key uint64, row uint32) {
	p := t.slots.Load()
	if p == nil || t.used*4 >= len(*p)*3 {
		p = t.grow(p)
	}
	putRow(*p, key, row, 0)
	t.used++
}

func (t *rowTable) grow(old *[]rowSlot) *[]rowSlot {
	size := 16
	if old != nil {
		size = len(*old) * 2
	}
	slots := make([]rowSlot, size)
	if old != nil {
		for i := range *old {
			if s := &(*old)[i]; s.key.Load() != 0 {
				putRow(slots, s.key.Load(), s.row, s.head.Load())
			}
		}
	}
	t.slots.Store(&slots)
	return &slots
}

func putRow(slots []rowSlot, key uint64, row, head uint32) {
	mask := uint64(len(slots) - 1)
	i := mix(mixSeed, key, 0) & mask
	for slots[i].key.Load() != 0 {
		i = (i + 1) & mask
	}
	slots[i].row = row
	slots[i].head.Store(head)
	slots[i].key.Store(key)
}
