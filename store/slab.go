package store

import (
	"math/bits"
	"sync/atomic"
)

// firstChunk is the number of elements in a slab's first chunk (a power of
// two); each further chunk is twice as large. Small tenants stay small.
const firstChunk = 8

// slab is an append-only array that never moves its elements. References are
// dense from 1; 0 means none. One writer appends; a reader may follow any
// reference that it obtained through an atomic load that the writer stored
// after filling the element.
type slab[T any] struct {
	chunks [30][]T       // chunks[k] is set before any reference into it is published
	n      atomic.Uint32 // elements in use
}

// len returns the number of elements; readers may scan references 1..len.
func (s *slab[T]) len() uint32 { return s.n.Load() }

func (s *slab[T]) at(ref uint32) *T {
	x := ref + firstChunk - 1
	k := bits.Len32(x) - bits.Len32(firstChunk)
	return &s.chunks[k][x-firstChunk<<k]
}

// next returns the element that the following publish makes visible.
func (s *slab[T]) next() (ref uint32, elem *T) {
	ref = s.n.Load() + 1
	x := ref + firstChunk - 1
	k := bits.Len32(x) - bits.Len32(firstChunk)
	if s.chunks[k] == nil {
		s.chunks[k] = make([]T, firstChunk<<k)
	}
	return ref, s.at(ref)
}

// publish makes the element last returned by next visible to scans.
func (s *slab[T]) publish() { s.n.Add(1) }
