package store

import "unsafe"

// arena keeps immutable strings in large chunks, so that the collector sees
// few objects. One writer; the strings it returns never change or move.
type arena struct {
	free  []byte // unused rest of the newest chunk
	size  int    // of the newest chunk
	bytes int    // of all chunks
}

const maxArenaChunk = 1 << 20

func (a *arena) add(s string) string {
	if len(s) == 0 {
		return ""
	}
	if len(s) > len(a.free) {
		a.size = min(max(256, a.size*2), maxArenaChunk)
		a.free = make([]byte, max(a.size, len(s)))
		a.bytes += len(a.free)
	}
	n := copy(a.free, s)
	kept := unsafe.String(&a.free[0], n)
	a.free = a.free[n:]
	return kept
}
