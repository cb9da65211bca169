package store

import "sync/atomic"

// wideTable is a table that grows in parts, so that the writer never copies
// much at once: from some size on it is split by the first bits of the hash.
// One writer, lock-free readers. The zero value is empty.
type wideTable struct {
	parts atomic.Pointer[[]table] // one or wideParts; nil = empty
}

const (
	wideBits  = 8
	wideParts = 1 << wideBits
	wideFrom  = 1 << 15 // entries at which a table is split
)

// wideHash is what stands for a hash in a part. The first bits have chosen the
// part; the second half is missing in entries from before the split.
func wideHash(h uint64) uint64 { return h >> 32 << (32 + wideBits) }

func (t *wideTable) probe(h uint64) probe {
	switch p := t.parts.Load(); {
	case p == nil:
		return probe{slots: &noSlots}
	case len(*p) == 1:
		return (*p)[0].probe(h)
	default:
		return (*p)[h>>(64-wideBits)].probe(wideHash(h))
	}
}

// part returns the table for h and what stands for h in it. Writer only.
func (t *wideTable) part(h uint64) (*table, uint64) {
	p := t.parts.Load()
	if p == nil {
		p = &[]table{{}}
		t.parts.Store(p)
	}
	if len(*p) == 1 && (*p)[0].used == wideFrom {
		p = split(&(*p)[0])
		t.parts.Store(p)
	}
	if len(*p) == 1 {
		return &(*p)[0], h
	}
	return &(*p)[h>>(64-wideBits)], wideHash(h)
}

func (t *wideTable) insert(h uint64, ref uint32) {
	part, h := t.part(h)
	part.insert(h, ref)
}

func (t *wideTable) replace(h uint64, old, ref uint32) {
	part, h := t.part(h)
	part.replace(h, old, ref)
}

func split(one *table) *[]table {
	parts := make([]table, wideParts)
	slots := *one.slots.Load()
	for i := range slots {
		if s := slots[i].Load(); s != 0 {
			h := s >> 32 << 32
			parts[h>>(64-wideBits)].insert(wideHash(h), uint32(s))
		}
	}
	return &parts
}

// bytes returns what the slots take.
func (t *wideTable) bytes() (n int64) {
	p := t.parts.Load()
	if p == nil {
		return 0
	}
	for i := range *p {
		if slots := (*p)[i].slots.Load(); slots != nil {
			n += 8 * int64(len(*slots))
		}
	}
	return n
}
