package graph

import (
	"hash/maphash"
	"math/bits"
)

// nameTable finds types and relations by their names: a hash table by open
// addressing, a power of two and a quarter full at most, so that a name takes one
// look and one comparison. Each question has three names.
type nameTable struct {
	slots []nameSlot
}

// nameSlot is a name of a type, or of a relation or permission of type of.
type nameSlot struct {
	name string // "" = the slot is empty
	of   int32  // noType = it is a type
	is   int32  // the type or the program
}

const noType = -1

// indexNames fills the table.
func (g *Graph) indexNames() {
	g.names.slots = make([]nameSlot, 1<<bits.Len(uint(4*(len(g.types)+len(g.programs)))))
	for i := range g.types {
		g.names.add(nameSlot{g.types[i].name, noType, int32(i)})
	}
	for i := range g.programs {
		g.names.add(nameSlot{g.programs[i].name, g.programs[i].typ, int32(i)})
	}
}

func (t *nameTable) add(s nameSlot) {
	if s.name != "" {
		*t.slot(s.of, s.name) = s
	}
}

// slot returns the slot of a name, or the empty one where it belongs.
func (t *nameTable) slot(of int32, name string) *nameSlot {
	mask := uint64(len(t.slots) - 1)
	for i := hashName(of, name) & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i&uint64(len(t.slots)-1)]; s.name == "" || s.of == of && s.name == name {
			return s
		}
	}
}

// typeNamed returns the type of that name.
func (g *Graph) typeNamed(name string) (typ int32, ok bool) {
	s := g.names.slot(noType, name)
	return s.is, s.name != ""
}

// programNamed returns the relation or permission of that name of a type.
func (g *Graph) programNamed(typ int32, name string) (program int32, ok bool) {
	s := g.names.slot(typ, name)
	return s.is, s.name != ""
}

// nameSeed differs between processes, so that nobody can choose names that collide.
var nameSeed = maphash.Comparable(maphash.MakeSeed(), 0)

// hashName hashes a name eight bytes at a time, all of them: names that begin and
// end alike are common.
func hashName(of int32, s string) uint64 {
	h := nameSeed ^ uint64(uint32(of))<<32 ^ uint64(len(s))
	for ; len(s) > 8; s = s[8:] {
		h = foldName(h, word(s))
	}
	var last uint64
	switch n := len(s); {
	case n == 8:
		last = word(s)
	case n >= 4:
		last = uint64(half(s)) | uint64(half(s[n-4:]))<<32
	case n > 0:
		last = uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
	return foldName(h, last)
}

func foldName(h, w uint64) uint64 {
	hi, lo := bits.Mul64(h^0x9e3779b97f4a7c15, w^nameSeed)
	return hi ^ lo
}

func word(s string) uint64 { return uint64(half(s)) | uint64(half(s[4:]))<<32 }

func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
