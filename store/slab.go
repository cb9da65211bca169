package store

import (
	"math/bits"
	"sync/atomic"
)

// Chunks of a slab come four of a size; then the size doubles. So at most a
// fifth of a large slab lies unused, and small tenants stay small.
const (
	firstChunk   = 4   // elements in each of the first four chunks
	inlineChunks = 8   // reached without a further step: 48 elements
	outerChunks  = 136 // enough for 1<<31 elements, and for 1<<41 bytes of an arena
)

// chunks is the directory of an array that grows without moving what it has.
// One writer adds chunks; a reader may reach any whose elements' references
// were published after it was added.
type chunks[T any] struct {
	inner [inlineChunks][]T
	outer atomic.Pointer[[outerChunks][]T]
}

// slab is an append-only array that never moves its elements. References are
// dense from 1; 0 means none. One writer appends; a reader may follow any
// reference that it obtained through an atomic load that the writer stored
// after filling the element. The elements of large slabs have no pointers, so
// that the collector need not look into them.
type slab[T any] struct {
	chunks[T]
	n atomic.Uint32 // elements in use
}

// len returns the number of elements; readers may scan references 1..len.
func (s *slab[T]) len() uint32 { return s.n.Load() }

func (s *slab[T]) at(ref uint32) *T {
	// Counted from 4*firstChunk - 1, a reference's top three bits name its
	// chunk, and the others its place in it.
	x := ref + 4*firstChunk - 1
	b := uint32(bits.Len32(x)-3) & 31
	top := x >> b
	off, i := x-top<<b, top+4*b-12
	if i < inlineChunks {
		return &s.inner[i][off]
	}
	return &s.outer.Load()[i-inlineChunks][off]
}

// next returns the element that the following publish makes visible.
func (s *slab[T]) next() (ref uint32, elem *T) {
	ref = s.n.Load() + 1
	x := ref + 4*firstChunk - 1
	b := bits.Len32(x) - 3
	if x&(1<<b-1) == 0 {
		s.add(int(x>>b)+4*b-12, 1<<b)
	}
	return ref, s.at(ref)
}

// publish makes the element last returned by next visible to scans.
func (s *slab[T]) publish() { s.n.Add(1) }

// add makes chunk i, of n elements, unless it is there.
func (c *chunks[T]) add(i, n int) []T {
	at := &c.inner[min(i, inlineChunks-1)]
	if i >= inlineChunks {
		outer := c.outer.Load()
		if outer == nil {
			outer = new([outerChunks][]T)
			c.outer.Store(outer)
		}
		at = &outer[i-inlineChunks]
	}
	if *at == nil {
		*at = make([]T, n)
	}
	return *at
}
