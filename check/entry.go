package check

import (
	"sync/atomic"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/faulty"
	"github.com/pemba-authz/pemba/store"
)

// entry is a definite answer with where and when it holds.
type entry struct {
	key         key
	decision    graph.Decision
	usedContext bool
	since       int64 // holds while since <= now < until, Unix nanoseconds
	until       int64
	depends     []store.ShapeID // shared with the graph

	// The answer holds for the revisions from..to. Nothing that it depends on
	// has changed in between; to moves up as later views prove that.
	from uint64
	to   atomic.Uint64

	used atomic.Bool // it has answered a question
}

// newEntry files the answer to a question asked at v.
func newEntry(k *lookup, g *graph.Graph, v store.View, r *graph.Resolved, a graph.Answer) *entry {
	e := &entry{
		key: k.key, decision: a.Decision, usedContext: a.UsedContext,
		since: a.Since, until: a.Until, depends: g.Depends(r),
	}
	e.key.rest = string(k.rest)
	e.to.Store(v.Revision())
	for _, s := range e.depends {
		if e.from = max(e.from, v.LastChange(s)); e.from > v.Revision() {
			e.from = v.Revision() // changed since: what was before it is not known
			break
		}
	}
	return e
}

// answer returns the cached answer. It has cost nothing.
func (e *entry) answer() graph.Answer {
	return graph.Answer{Decision: e.decision, Since: e.since, Until: e.until, UsedContext: e.usedContext}
}

// holds reports whether the answer is right at v and now.
func (e *entry) holds(v store.View, now int64) bool {
	if faulty.CacheForEver {
		return true
	}
	return e.since <= now && now < e.until && e.holdsAt(v)
}

func (e *entry) holdsAt(v store.View) bool {
	rev, to := v.Revision(), e.to.Load()
	if rev < e.from {
		return false
	}
	if rev <= to {
		return true
	}
	if v.LastTupleChange() > to {
		for _, s := range e.depends {
			if v.LastChange(s) > to {
				return false
			}
		}
	}
	for to < rev && !e.to.CompareAndSwap(to, rev) {
		to = e.to.Load()
	}
	return true
}
