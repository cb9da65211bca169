package cluster

import (
	"slices"
	"sync"
)

// tail knows at which index the last so many bytes of the log begin, to within a
// step: raft keeps a number of entries behind a snapshot, and entries differ in
// size by three orders of magnitude.
type tail struct {
	keep int64 // bytes; set before use

	mu    sync.Mutex
	marks []tailMark // guarded by mu; both fields grow
}

type tailMark struct {
	index uint64
	bytes int64 // written before the entry of that index
}

// tailSteps is how many marks there are, about.
const tailSteps = 64

// note says that the entry at index is written after bytes others.
func (t *tail) note(index uint64, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.marks); n > 0 && bytes-t.marks[n-1].bytes < t.keep/tailSteps {
		return
	}
	old := 0
	for old+1 < len(t.marks) && bytes-t.marks[old+1].bytes > t.keep {
		old++
	}
	t.marks = append(slices.Delete(t.marks, 0, old), tailMark{index, bytes})
}

// cut forgets all from index on: a follower's log is truncated there.
func (t *tail) cut(index uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.marks)
	for n > 0 && t.marks[n-1].index >= index {
		n--
	}
	t.marks = t.marks[:n]
}

// entries returns how many of the entries up to last, after which bytes have been
// written, fit into keep.
func (t *tail) entries(last uint64, bytes int64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.marks {
		if bytes-m.bytes <= t.keep && m.index <= last {
			return last - m.index + 1
		}
	}
	return 0
}
