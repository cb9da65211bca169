package store

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unsafe"
)

// arena keeps immutable strings, each with a number, outside the elements that
// name them, so that those have no pointers. One writer; readers may get what
// was published.
type arena struct {
	chunks[byte]
	used uint64 // writer only: units up to here are taken
}

// text is where a string lies, in units of 8 bytes counted from 1 through all
// chunks. It has at most textBits bits.
type text uint64

const (
	textUnit = 8
	textBits = 40
	maxText  = 1<<20 - 1 // bytes of one string
)

// locate returns the chunk of a unit and its place there. The numbers are a
// slab's.
func (t text) locate() (chunk int, unit, units uint64) {
	x := uint64(t) + 4*firstChunk - 1
	b := bits.Len64(x) - 3
	top := x >> b
	return int(top) + 4*b - 12, x - top<<b, 1 << b
}

// add keeps a copy of s, which has at most maxText bytes, and of head. Both lie
// in one chunk, the next that has the room.
func (a *arena) add(head uint32, s string) text {
	if len(s) > maxText {
		panic(fmt.Sprintf("store: a string of %d bytes", len(s)))
	}
	var front [2 * binary.MaxVarintLen32]byte
	f := binary.AppendUvarint(binary.AppendUvarint(front[:0], uint64(head)), uint64(len(s)))
	need := uint64(len(f)+len(s)+textUnit-1) / textUnit
	t := text(a.used + 1)
	chunk, unit, units := t.locate()
	for unit+need > units {
		t += text(units - unit)
		chunk, unit, units = t.locate()
	}
	if t>>textBits != 0 {
		panic("store: out of room for strings")
	}
	b := a.chunks.add(chunk, int(units*textUnit))[unit*textUnit:]
	copy(b[copy(b, f):], s)
	a.used = uint64(t) + need - 1
	return t
}

// at returns the bytes from a string on.
func (a *arena) at(t text) []byte {
	i, unit, _ := t.locate()
	if i < inlineChunks {
		return a.inner[i][unit*textUnit:]
	}
	return a.outer.Load()[i-inlineChunks][unit*textUnit:]
}

// begins reports whether c begins with what add has written of head and s.
func begins(c []byte, head uint32, s string) bool {
	if head < 0x80 && len(s) < 0x80 { // both take a byte
		return len(c) >= 2+len(s) && c[0] == byte(head) && c[1] == byte(len(s)) && string(c[2:2+len(s)]) == s
	}
	if head < 1<<14 && len(s) < 0x80 { // head takes two: a large schema has many names
		return len(c) >= 3+len(s) && c[0] == byte(head)|0x80 && c[1] == byte(head>>7) && c[2] == byte(len(s)) && string(c[3:3+len(s)]) == s
	}
	h, t := cut(c)
	return h == head && t == s
}

// get returns what was added. The string stays valid when the arena is gone.
func (a *arena) get(t text) (head uint32, s string) { return cut(a.at(t)) }

// cut returns what add has written at the beginning of c.
func cut(c []byte) (head uint32, s string) {
	h, n := uint64(c[0]), uint64(c[1])
	at := 2
	if (h|n)&0x80 != 0 {
		h, at = binary.Uvarint(c)
		var more int
		n, more = binary.Uvarint(c[at:])
		at += more
	}
	if n == 0 {
		return uint32(h), ""
	}
	return uint32(h), unsafe.String(&c[at : at+int(n)][0], int(n))
}
