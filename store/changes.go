package store

import (
	"cmp"
	"slices"
	"sort"
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
	mu      sync.RWMutex
	chunks  [][]change // all full but the last
	trimmed int        // leading changes of chunks[0] that are gone
	floor   uint64     // changes at or below it are gone; all later ones are here
	n       int        // changes listed
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

// trim drops the changes at or below the horizon and calls gone for each.
func (l *changeLog) trim(horizon uint64, gone func(change)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.floor = max(l.floor, horizon)
	for len(l.chunks) > 0 {
		c := l.chunks[0]
		for ; l.trimmed < len(c) && c[l.trimmed].rev <= horizon; l.trimmed++ {
			gone(c[l.trimmed])
			l.n--
		}
		if l.trimmed < len(c) {
			return
		}
		l.chunks, l.trimmed = l.chunks[1:], 0
	}
}

// between returns changes later than after and not later than upto, oldest
// first: whole revisions, and none beyond the one that brings them to most;
// more says that there are others. It returns false if changes later than
// after have been trimmed. The changes are the caller's.
func (l *changeLog) between(after, upto uint64, most int) (out []change, more, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if after < l.floor {
		return nil, false, false
	}
	k := sort.Search(len(l.chunks), func(k int) bool { c := l.chunks[k]; return c[len(c)-1].rev > after })
	for ; k < len(l.chunks); k++ {
		c := l.chunks[k] // nothing of it that is later than the floor is trimmed
		i := 0
		if len(out) == 0 {
			i = sort.Search(len(c), func(i int) bool { return c[i].rev > after })
		}
		for _, e := range c[i:] {
			if e.rev > upto {
				return out, false, true
			}
			if len(out) >= most && e.rev != out[len(out)-1].rev {
				return out, true, true
			}
			out = append(out, e)
		}
	}
	return out, false, true
}

// above returns the changes later than rev, oldest first.
func (l *changeLog) above(rev uint64) []change {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []change
	for i, c := range l.chunks {
		if i == 0 {
			c = c[l.trimmed:]
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
