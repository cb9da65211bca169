package store

import (
	"fmt"
	"unsafe"
)

// arena keeps immutable strings outside the elements that name them, so that
// those have no pointers. One writer; readers may get what was published.
type arena struct {
	chunks[byte]
	// Writer only: the newest chunk and how much of it is used.
	chunk, used uint64
}

// text is where a string lies: chunk, place in the chunk, length; 0 is "".
type text uint64

const (
	textLenBits = 20
	textOffBits = 36
	maxText     = 1<<textLenBits - 1 // bytes of one string

	firstTextChunk = 64 // bytes of each of the first four chunks
)

func textChunkSize(i uint64) uint64 { return firstTextChunk << (i / 4) }

// add keeps a copy of s, which has at most maxText bytes. A string lies in one
// chunk, the next that has the room.
func (a *arena) add(s string) text {
	n := uint64(len(s))
	switch {
	case n == 0:
		return 0
	case n > maxText:
		panic(fmt.Sprintf("store: a string of %d bytes", n))
	}
	for a.used+n > textChunkSize(a.chunk) {
		a.chunk, a.used = a.chunk+1, 0
	}
	copy(a.chunks.add(int(a.chunk), int(textChunkSize(a.chunk)))[a.used:], s)
	t := text(a.chunk<<(textOffBits+textLenBits) | a.used<<textLenBits | n)
	a.used += n
	return t
}

// get returns the string. It stays valid when the arena is gone.
func (a *arena) get(t text) string {
	if t == 0 {
		return ""
	}
	i := t >> (textOffBits + textLenBits)
	c := a.inner[min(i, inlineChunks-1)]
	if i >= inlineChunks {
		c = a.outer.Load()[i-inlineChunks]
	}
	return unsafe.String(&c[t>>textLenBits&(1<<textOffBits-1)], int(t&maxText))
}
