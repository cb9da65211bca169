package graph

import (
	"hash/maphash"
	"math/bits"
	"strings"
	"unsafe"

	"github.com/pemba-authz/pemba/internal/prefetch"
)

// nameTable finds types and relations by their names: a hash table by open
// addressing, a power of two and half full at most. Each question has three names.
// A large schema has the same names in many types, so a name is kept once.
type nameTable struct {
	slots []nameSlot
	names []string
}

// nameSlot is a name of a type, or of a relation or permission of type of.
type nameSlot struct {
	tag  uint32 // of the hash; 0 = the slot is empty
	of   int32  // noType = it is a type
	is   int32  // the type or the program
	name int32  // of names
}

const noType = -1

// indexNames fills the table.
func (g *Graph) indexNames() {
	t := &g.names
	t.slots = make([]nameSlot, 1<<bits.Len(uint(2*(len(g.types)+len(g.programs)))))
	known := map[string]int32{}
	for i := range g.types {
		t.add(known, noType, g.types[i].name, int32(i))
	}
	for i := range g.programs {
		t.add(known, g.programs[i].typ, g.programs[i].name, int32(i))
	}
}

func (t *nameTable) add(known map[string]int32, of int32, name string, is int32) {
	at, ok := known[name]
	if !ok {
		at = int32(len(t.names))
		known[name] = at
		t.names = append(t.names, strings.Clone(name)) // side by side, not all over the schema's text
	}
	h := hashName(of, name)
	i := h & uint64(len(t.slots)-1)
	for t.slots[i].tag != 0 {
		i = (i + 1) & uint64(len(t.slots)-1)
	}
	t.slots[i] = nameSlot{tagOf(h), of, is, at}
}

// tagOf is what tells most names apart that have the same place.
func tagOf(h uint64) uint32 { return uint32(h>>32) | 1 }

// touch begins to read where the search for a name with hash h begins.
func (t *nameTable) touch(h uint64) {
	prefetch.Line(unsafe.Pointer(&t.slots[h&uint64(len(t.slots)-1)]))
}

// find returns what has that name, of hash h.
func (t *nameTable) find(h uint64, of int32, name string) (is int32, ok bool) {
	for i := h; ; i++ {
		switch s := &t.slots[i&uint64(len(t.slots)-1)]; {
		case s.tag == 0:
			return 0, false
		case s.tag == tagOf(h) && s.of == of && t.names[s.name] == name:
			return s.is, true
		}
	}
}

// typeNamed returns the type of that name.
func (g *Graph) typeNamed(name string) (typ int32, ok bool) {
	return g.names.find(hashName(noType, name), noType, name)
}

// programNamed returns the relation or permission of that name of a type.
func (g *Graph) programNamed(typ int32, name string) (program int32, ok bool) {
	return g.names.find(hashName(typ, name), typ, name)
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

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
