package graph

import (
	"math/bits"
	"strings"
	"unsafe"

	"github.com/pemba-authz/pemba/internal/prefetch"
	"github.com/pemba-authz/pemba/tuple"
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

func hashName(of int32, name string) uint64 { return tuple.Hash(uint32(of), name) }
