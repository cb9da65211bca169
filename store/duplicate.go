package store

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/pemba-authz/pemba/tuple"
)

// FirstDuplicate returns the place of the first update whose tuple has the key
// of an earlier one, and the place of that one; ok is false if there is none.
func FirstDuplicate(updates []Update) (at, earlier int, ok bool) {
	if len(updates) <= fewUpdates {
		for at := range updates {
			for earlier := range updates[:at] {
				if sameKey(&updates[at].Tuple, &updates[earlier].Tuple) {
					return at, earlier, true
				}
			}
		}
		return 0, 0, false
	}
	s := keySets.Get().(*keySet)
	defer keySets.Put(s)
	s.reset(len(updates))
	for at := range updates {
		if earlier, ok := s.add(updates, at); ok {
			return at, earlier, true
		}
	}
	return 0, 0, false
}

// fewUpdates are compared with each other sooner than put into a table.
const fewUpdates = 8

func sameKey(a, b *tuple.Tuple) bool {
	return a.Object == b.Object && a.Relation == b.Relation && a.Subject == b.Subject
}

// keySet is a set of tuples' keys: open addressing, a power of two, at most half
// full. A slot holds the upper half of the key's hash and the place of the update,
// counted from 1. A Go map would hold the keys themselves, and be larger than
// the processor's cache.
type keySet struct{ slots []uint64 }

var keySets = sync.Pool{New: func() any { return new(keySet) }}

func (s *keySet) reset(n int) {
	size := 1 << bits.Len(uint(2*n))
	if size <= cap(s.slots) {
		s.slots = s.slots[:size]
		clear(s.slots)
	} else {
		s.slots = make([]uint64, size)
	}
}

// add adds the key of an update, or returns the place of one that has it.
func (s *keySet) add(updates []Update, at int) (earlier int, ok bool) {
	t := &updates[at].Tuple
	h := hashTupleKey(t)
	mask := uint64(len(s.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		slot := s.slots[i]
		if slot == 0 {
			s.slots[i] = h>>32<<32 | uint64(at+1)
			return 0, false
		}
		if slot>>32 == h>>32 {
			if earlier = int(uint32(slot)) - 1; sameKey(t, &updates[earlier].Tuple) {
				return earlier, true
			}
		}
	}
}

func hashTupleKey(t *tuple.Tuple) uint64 {
	h := mix(maphash.String(hashSeed, t.Object.Type), maphash.String(hashSeed, t.Object.ID), maphash.String(hashSeed, t.Relation))
	h = mix(h, maphash.String(hashSeed, t.Subject.Type), maphash.String(hashSeed, t.Subject.ID))
	return mix(h, maphash.String(hashSeed, t.Subject.Relation), mixSeed)
}
