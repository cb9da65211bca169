package graph

// queue holds what is still to be done, first in, first out.
type queue[T any] struct {
	all  []T
	next int
}

func (q *queue[T]) push(v T) { q.all = append(q.all, v) }

func (q *queue[T]) pop() (v T, ok bool) {
	if q.next == len(q.all) {
		q.all, q.next = q.all[:0], 0
		return v, false
	}
	v = q.all[q.next]
	q.next++
	return v, true
}

// reset empties q and drops what an unusually large list has grown.
func (q *queue[T]) reset() {
	const most = 1 << 16
	if cap(q.all) > most {
		q.all = nil
	}
	q.all, q.next = q.all[:0], 0
}
