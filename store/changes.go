package store

import (
	"cmp"
	"slices"
	"sync"
)

type changeKind uint8

const (
	changeCreate changeKind = iota + 1 // ref is a fact
	changeDelete                       // ref is a fact
	changeRecord                       // ref is a record version
)

// change says that something began or ended at a revision. A fact created and
// deleted at one revision has both entries and is visible at none.
type change struct {
	rev  uint64
	ref  uint32
	kind changeKind
}

const changeChunk = 1024

// changeLog lists the changes above the horizon in the order of their
// revisions. It is derived: a snapshot does not hold it, loading rebuilds it
// from the versions. mu guards all fields against a reader of the log.
type changeLog struct {
	mu     sync.RWMutex
	chunks [][]change // all full but the last
	n      int
}

func (l *changeLog) add(c change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := len(l.chunks) - 1; last >= 0 && len(l.chunks[last]) < changeChunk {
		l.chunks[last] = append(l.chunks[last], c)
	} else {
		l.chunks = append(l.chunks, append(make([]change, 0, 8), c))
	}
	l.n++
}

// trim drops whole chunks that lie at or below the horizon and returns how
// many deletions were in them.
func (l *changeLog) trim(horizon uint64) (deletions int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.chunks) > 0 {
		c := l.chunks[0]
		if len(c) < changeChunk || c[len(c)-1].rev > horizon {
			return deletions
		}
		for _, e := range c {
			if e.kind == changeDelete {
				deletions++
			}
		}
		l.n -= len(c)
		l.chunks = l.chunks[1:]
	}
	return deletions
}

// above returns the changes later than rev, oldest first.
func (l *changeLog) above(rev uint64) []change {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []change
	for _, c := range l.chunks {
		if c[len(c)-1].rev <= rev {
			continue
		}
		for _, e := range c {
			if e.rev > rev {
				out = append(out, e)
			}
		}
	}
	return out
}

// sortChanges orders by revision; within one, first what ended, then what
// began, each in the order of references.
func sortChanges(all []change) {
	slices.SortFunc(all, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.rev, b.rev), -cmp.Compare(a.kind, b.kind), cmp.Compare(a.ref, b.ref))
	})
}
