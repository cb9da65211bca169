package graph

import "github.com/pemba-authz/pemba/store"

// nodeSet holds the nodes that a list has done with. Nodes lie close together,
// so it keeps them by the word of 64: open addressing, a power of two, at most
// half full.
type nodeSet struct {
	slots []wordSlot
	stamp uint32 // slots with another stamp are empty
	words int
}

type wordSlot struct {
	stamp, word uint32
	bits        uint64
}

func (s *nodeSet) reset() {
	s.stamp++
	if s.stamp == 0 || s.slots == nil {
		s.slots, s.stamp = make([]wordSlot, max(64, len(s.slots))), 1
	}
	s.words = 0
}

// shrink drops what an unusually large list has grown.
func (s *nodeSet) shrink() {
	const most = 1 << 17
	if len(s.slots) > most {
		*s = nodeSet{}
	}
}

func (s *nodeSet) lookup(word uint32) *wordSlot {
	mask := uint64(len(s.slots) - 1)
	for i := hashEntry(0, store.Node(word)) & mask; ; i = (i + 1) & mask {
		if w := &s.slots[i]; w.stamp != s.stamp || w.word == word {
			return w
		}
	}
}

func (s *nodeSet) has(n store.Node) bool {
	w := s.lookup(uint32(n >> 6))
	return w.stamp == s.stamp && w.bits>>(n&63)&1 != 0
}

// add reports whether n is new.
func (s *nodeSet) add(n store.Node) bool {
	w := s.lookup(uint32(n >> 6))
	if w.stamp != s.stamp {
		if s.words++; 2*s.words > len(s.slots) {
			s.grow()
			w = s.lookup(uint32(n >> 6))
		}
		*w = wordSlot{stamp: s.stamp, word: uint32(n >> 6)}
	}
	was := w.bits
	w.bits |= 1 << (n & 63)
	return w.bits != was
}

func (s *nodeSet) grow() {
	old := s.slots
	s.slots = make([]wordSlot, 2*len(old))
	for i := range old {
		if old[i].stamp == s.stamp {
			*s.lookup(old[i].word) = old[i]
		}
	}
}
