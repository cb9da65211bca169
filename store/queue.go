package store

import "sort"

// queue is a list that grows at one end and is trimmed at the other. Its
// elements have numbers that do not change. It needs a lock.
type queue[T any] struct {
	chunks  [][]T // all full but the last
	trimmed int   // leading elements of chunks[0] that are gone
	first   uint64
	n       int
}

const queueChunk = 1024

func (q *queue[T]) add(e T) {
	if last := len(q.chunks) - 1; last >= 0 && len(q.chunks[last]) < queueChunk {
		q.chunks[last] = append(q.chunks[last], e)
	} else {
		q.chunks = append(q.chunks, append(make([]T, 0, 4), e))
	}
	q.n++
}

// at returns the i-th element that is there.
func (q *queue[T]) at(i int) T {
	i += q.trimmed
	return q.chunks[i/queueChunk][i%queueChunk]
}

// drop removes the first element.
func (q *queue[T]) drop() {
	q.trimmed++
	q.first++
	q.n--
	if q.trimmed == len(q.chunks[0]) {
		q.chunks[0] = nil
		q.chunks, q.trimmed = q.chunks[1:], 0
	}
}

// search returns the place of the first element of which f holds; all behind
// it are such, too.
func (q *queue[T]) search(f func(T) bool) int {
	return sort.Search(q.n, func(i int) bool { return f(q.at(i)) })
}

// clone returns the queue as it is, for readers without the lock.
func (q *queue[T]) clone() queue[T] {
	c := *q
	c.chunks = append([][]T(nil), q.chunks...)
	return c
}
