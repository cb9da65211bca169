package store

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

type changeKind uint8

const (
	changeDelete changeKind = iota + 1 // ref is a fact
	changeRecord                       // ref is a record version
)

// change says that a fact ended at a revision, or that a record was written or
// deleted.
type change struct {
	rev  uint64
	ref  uint32
	kind changeKind
}

// stamp says that a revision created facts, the first of which is first. The
// facts of a revision follow each other.
type stamp struct {
	rev   uint64
	first uint32
}

// changeLog lists the changes above the horizon in the order of their
// revisions. It is the only place that knows when a fact was created; facts
// that are older than the list were created at or below its floor. mu guards
// all fields but newest against a reader of the log.
type changeLog struct {
	mu      sync.RWMutex
	stamps  queue[stamp]
	changes queue[change]
	floor   uint64 // changes at or below it are gone; all later ones are here
	// newest lets a reader of one of the last revisions do without the lock. It
	// is stored before the first fact of its revision can be seen.
	newest atomic.Pointer[newestStamp]
}

type newestStamp struct {
	stamp
	before uint64 // revision of the stamp before it, 0 if there was none
}

// created notes that a fact is about to be created.
func (l *changeLog) created(rev uint64, ref uint32) {
	n := l.newest.Load()
	if n != nil && n.rev == rev {
		return
	}
	next := &newestStamp{stamp: stamp{rev, ref}}
	if n != nil {
		next.before = n.rev
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stamps.add(next.stamp)
	l.newest.Store(next)
}

// newestRev returns the newest revision that created facts, 0 if none is known.
func (l *changeLog) newestRev() uint64 {
	if n := l.newest.Load(); n != nil {
		return n.rev
	}
	return 0
}

func (l *changeLog) add(c change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes.add(c)
}

// trim drops the changes at or below the horizon, and calls gone for each that
// is not a creation.
func (l *changeLog) trim(horizon uint64, gone func(number uint64, c change)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.floor = max(l.floor, horizon)
	for l.stamps.n > 0 && l.stamps.at(0).rev <= horizon {
		l.stamps.drop()
	}
	for l.changes.n > 0 && l.changes.at(0).rev <= horizon {
		gone(l.changes.first, l.changes.at(0))
		l.changes.drop()
	}
}

// limit returns the newest fact that a view at rev can know of. It returns
// false if that is not known any more.
func (g *generation) limit(rev uint64) (ref uint32, ok bool) {
	ref = g.facts.len() // before newest is looked at
	newest := g.log.newest.Load()
	switch {
	case newest == nil || newest.rev <= rev:
		return ref, true
	case newest.before <= rev:
		return newest.first - 1, true
	}
	g.log.mu.RLock()
	defer g.log.mu.RUnlock()
	if rev < g.log.floor {
		return 0, false
	}
	i := g.log.stamps.search(func(s stamp) bool { return s.rev > rev })
	return g.log.stamps.at(i).first - 1, true
}

// created returns the revision that created a fact, 0 if it lies at or below
// the list's floor.
func (l *changeLog) createdAt(ref uint32) uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if i := l.stamps.search(func(s stamp) bool { return s.first > ref }); i > 0 {
		return l.stamps.at(i - 1).rev
	}
	return 0
}

// ages tells when facts were created that it is asked about in their order.
type ages struct {
	stamps queue[stamp]
	next   int
}

// ages is for use beside the writer.
func (l *changeLog) ages() ages {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return ages{stamps: l.stamps.clone()}
}

// of returns when a fact was created, 0 = at or below the floor.
func (a *ages) of(ref uint32) uint64 {
	for a.next < a.stamps.n && a.stamps.at(a.next).first <= ref {
		a.next++
	}
	if a.next == 0 {
		return 0
	}
	return a.stamps.at(a.next - 1).rev
}

// revChanges is what happened at one revision: facts first to last began,
// unless last is less than first, and others ended.
type revChanges struct {
	rev         uint64
	first, last uint32
	changes     []change
}

// created reports whether a fact, 0 = none, is one of them.
func (c *revChanges) created(ref uint32) bool { return c.first <= ref && ref <= c.last }

func (c *revChanges) len() int { return int(c.last+1-c.first) + len(c.changes) }

// mostChanges bounds what is copied from the list at a time, but for the
// changes of one revision.
const mostChanges = 1024

// changesBetween returns the changes later than after and not later than upto,
// oldest first: whole revisions, and none beyond the one that brings them to
// most; more says that there are others. It returns false if changes later
// than after have been trimmed.
func (g *generation) changesBetween(after, upto uint64, most int) (out []revChanges, more, ok bool) {
	l := &g.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	if after < l.floor {
		return nil, false, false
	}
	i := l.stamps.search(func(s stamp) bool { return s.rev > after })
	j := l.changes.search(func(c change) bool { return c.rev > after })
	for n := 0; ; {
		rev := min(l.revAt(i), l.changeRevAt(j))
		if rev > upto {
			return out, false, true
		}
		if n >= most {
			return out, true, true
		}
		c := revChanges{rev: rev, first: 1}
		if l.revAt(i) == rev {
			c.first, c.last = l.stamps.at(i).first, g.facts.len()
			if i++; i < l.stamps.n {
				c.last = l.stamps.at(i).first - 1
			}
		}
		for ; l.changeRevAt(j) == rev; j++ {
			c.changes = append(c.changes, l.changes.at(j))
		}
		out = append(out, c)
		n += c.len()
	}
}

// revAt and changeRevAt return the revision of an element, behind the last one
// more than any.
func (l *changeLog) revAt(i int) uint64 {
	if i < l.stamps.n {
		return l.stamps.at(i).rev
	}
	return ^uint64(0)
}

func (l *changeLog) changeRevAt(i int) uint64 {
	if i < l.changes.n {
		return l.changes.at(i).rev
	}
	return ^uint64(0)
}

// len returns the number of elements.
func (l *changeLog) len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.stamps.n + l.changes.n
}

// sortChanges orders by revision; within one by kind, then by reference.
func sortChanges(all []change) {
	slices.SortFunc(all, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.rev, b.rev), cmp.Compare(a.kind, b.kind), cmp.Compare(a.ref, b.ref))
	})
}
