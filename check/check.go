// Package check answers questions from a cache of facts about immutable views,
// and by a walk of the graph where the cache has none. See DESIGN.md.
package check

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// EntryCost is what an entry without context costs, in bytes: itself and its
// share of the cache's tables.
const EntryCost = 384

const (
	defaultMaxCost   = 64 << 20
	defaultLeastWork = 40
)

// Options configures a Checker. The zero value is the default.
type Options struct {
	// MaxCost bounds the cache, in bytes. 0 = 64 MiB, negative = no cache.
	MaxCost int64
	// Limits hold for questions that bring none of their own.
	Limits graph.Limits
	// LeastWork is what a walk must have cost, in steps and reads, for its answer
	// to be worth an entry. A walk that evaluated caveats always is. Default 40.
	LeastWork int
	// Eager looks every question up, and lets every answer enter. By default
	// that begins when a question whose walk was worth it comes a second time,
	// because an entry costs more than most walks and many questions never come
	// again.
	Eager bool
}

// Checker answers questions. It is safe for concurrent use.
type Checker struct {
	limits graph.Limits
	least  int                              // work that is worth an entry; 0 = any
	cache  *ristretto.Cache[uint64, *entry] // nil = off
	seed   uint64
	asked  []atomic.Uint32 // by hash: the tag of the last dear question there; nil = eager
	stats  [stripes]counters
}

// askedSlots returns how many recent questions to remember beside a cache of n
// entries: a power of two, about twice as many.
func askedSlots(n int64) int {
	return 1 << min(max(bits.Len64(uint64(n))+1, 16), 22)
}

// New returns a Checker. Its owner closes it.
func New(o Options) (*Checker, error) {
	c := &Checker{limits: o.Limits, seed: maphash.Comparable(maphash.MakeSeed(), 0)}
	if o.MaxCost < 0 {
		return c, nil
	}
	most := o.MaxCost
	if most == 0 {
		most = defaultMaxCost
	}
	cache, err := ristretto.NewCache(&ristretto.Config[uint64, *entry]{
		NumCounters:        max(64, 10*(most/EntryCost)),
		MaxCost:            most,
		BufferItems:        64,
		IgnoreInternalCost: true, // EntryCost has it
		KeyToHash:          func(h uint64) (uint64, uint64) { return h, 0 },
	})
	if err != nil {
		return nil, fmt.Errorf("make cache: %w", err)
	}
	c.cache = cache
	if !o.Eager {
		c.least = cmp.Or(o.LeastWork, defaultLeastWork)
		c.asked = make([]atomic.Uint32, askedSlots(most/EntryCost))
	}
	return c, nil
}

// Close stops the cache's goroutine.
func (c *Checker) Close() {
	if c.cache != nil {
		c.cache.Close()
	}
}

// Wait returns when all answers so far are in the cache or refused by it. The
// cache takes them in the background; tests that count hits wait.
func (c *Checker) Wait() {
	if c.cache != nil {
		c.cache.Wait()
	}
}

// Check answers q at v, as g.Check does. An answer from the cache has cost no
// steps and no reads.
func (c *Checker) Check(ctx context.Context, g *graph.Graph, v store.View, q *graph.Question) (a graph.Answer, err error) {
	if q.Limits == (graph.Limits{}) && c.limits != (graph.Limits{}) {
		limited := *q
		limited.Limits = c.limits
		q = &limited
	}
	asking, err := g.Ask(ctx, &v, q)
	if err != nil {
		return a, err
	}
	var m memory
	a, holds := c.recall(&m, g, v, asking.Resolved())
	if !holds {
		err = asking.Answer(&a)
		c.keepWalk(&m, g, v, asking.Resolved(), &a, err)
	}
	asking.End()
	return a, err
}

// CheckResolved answers r, which g has resolved at a view of v's generation, as
// Check does. The limits are those that r was resolved with.
func (c *Checker) CheckResolved(ctx context.Context, g *graph.Graph, v store.View, r *graph.Resolved) (graph.Answer, error) {
	var m memory
	a, holds := c.recall(&m, g, v, r)
	if holds {
		return a, nil
	}
	a, err := g.CheckResolved(ctx, v, r)
	c.keepWalk(&m, g, v, r, &a, err)
	return a, err
}

// keepWalk keeps what the walk of a question that came alone has come to, and counts it.
func (c *Checker) keepWalk(m *memory, g *graph.Graph, v store.View, r *graph.Resolved, a *graph.Answer, err error) {
	c.keep(m, g, v, r, a, err)
	var done walked
	done.add(a)
	c.count(&done)
}

// memory is what the cache knows of one question between recall and keep.
type memory struct {
	lookup
	has    bool // a place in the cache, where it may be kept
	again  bool // it came before
	useful bool // an entry for it may be
}

// recall returns the answer that the cache has to r, if it holds. Otherwise r is
// walked, and keep called.
func (c *Checker) recall(m *memory, g *graph.Graph, v store.View, r *graph.Resolved) (a graph.Answer, holds bool) {
	if m.has = false; c.cache == nil {
		return a, false
	}
	if m.lookup, m.has = c.keyOf(g, v, r); !m.has {
		return a, false
	}
	if m.again, m.useful = c.cameBefore(m.hash), true; !m.again {
		c.counters().misses.Add(1)
		return a, false
	}
	e, holds := c.find(&m.lookup, v, r.Now)
	if holds {
		m.release()
		return e.answer(), true
	}
	m.useful = c.isUseful(e)
	return a, false
}

// keep keeps what a walk has come to, if that is worth it.
func (c *Checker) keep(m *memory, g *graph.Graph, v store.View, r *graph.Resolved, a *graph.Answer, err error) {
	if !m.has {
		return
	}
	switch {
	case err != nil || a.Decision == graph.Conditional || !c.isDear(a):
	case m.again && m.useful:
		c.put(&m.lookup, newEntry(&m.lookup, g, v, r, *a))
	case !m.again:
		c.note(m.hash)
	}
	m.release()
}

// seldom is how many answers of a question are left out for each that is filed,
// where the last one that was filed has not been of use.
const seldom = 8

// isUseful reports whether an entry in the place of e may be of use, which does
// not hold any more; nil = there was none. Where writes come as often as
// questions none would, but for the next time of calm.
func (c *Checker) isUseful(e *entry) bool {
	return e == nil || c.asked == nil || e.used.Load() || rand.Uint32()%seldom == 0
}

// isDear reports whether a walk has cost more than finding its answer again, with
// what an entry costs spread over a few times.
func (c *Checker) isDear(a *graph.Answer) bool {
	return a.Steps+a.Reads >= c.least || a.UsedContext
}

// walked is what some walks have cost.
type walked struct{ walks, steps, reads uint64 }

func (w *walked) add(a *graph.Answer) {
	w.walks++
	w.steps += uint64(a.Steps)
	w.reads += uint64(a.Reads)
}

func (c *Checker) count(w *walked) {
	if w.walks == 0 {
		return
	}
	n := c.counters()
	n.walks.Add(w.walks)
	n.steps.Add(w.steps)
	n.reads.Add(w.reads)
}

// find returns the question's entry, nil if there is none, and whether it
// answers it.
func (c *Checker) find(k *lookup, v store.View, now int64) (e *entry, holds bool) {
	e, ok := c.cache.Get(k.hash)
	switch {
	case !ok || !k.equals(&e.key):
		c.counters().misses.Add(1)
		return nil, false
	case !e.holds(v, now):
		c.counters().stale.Add(1)
		return e, false
	}
	c.counters().hits.Add(1)
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e, true
}

// cameBefore reports whether a dear question with that hash has been asked
// lately. To be wrong costs an entry or a walk, no answer.
func (c *Checker) cameBefore(hash uint64) bool {
	if c.asked == nil {
		return true
	}
	slot, tag := c.tag(hash)
	return slot.Load() == tag
}

// note notes that a dear question with that hash has been asked.
func (c *Checker) note(hash uint64) {
	slot, tag := c.tag(hash)
	slot.Store(tag)
}

func (c *Checker) tag(hash uint64) (*atomic.Uint32, uint32) {
	return &c.asked[hash&uint64(len(c.asked)-1)], uint32(hash>>32) | 1
}

func (c *Checker) put(k *lookup, e *entry) {
	if c.cache.Set(k.hash, e, int64(EntryCost+len(e.key.rest))) {
		c.counters().sets.Add(1)
	} else {
		c.counters().rejected.Add(1)
	}
}

// Result is what one question of a batch came to.
type Result struct {
	Answer graph.Answer
	Err    error
}

// Resolve looks up the names of questions as g.ResolveAll does, for CheckResolved.
// Those that bring no limits get the Checker's.
func (c *Checker) Resolve(g *graph.Graph, v store.View, qs []graph.Question, out []graph.Resolved, errs []error) {
	for i := range qs {
		if qs[i].Limits == (graph.Limits{}) {
			qs[i].Limits = c.limits
		}
	}
	g.ResolveAll(v, qs, out, errs)
}

// Batch answers the questions at one view, each by itself, in out, which has
// their number. Those that bring no limits get the Checker's.
func (c *Checker) Batch(ctx context.Context, g *graph.Graph, v store.View, qs []graph.Question, out []Result) {
	var (
		resolved [together]graph.Resolved
		errs     [together]error
		done     walked
	)
	for len(qs) > 0 {
		n := min(len(qs), together)
		c.Resolve(g, v, qs[:n], resolved[:n], errs[:n])
		c.checkResolved(ctx, g, v, resolved[:n], errs[:n], out[:n], &done)
		qs, out = qs[n:], out[n:]
	}
	c.count(&done)
}

// checkResolved answers at most together questions that Resolve has looked up the names
// of, each by itself, in out, which has their number; errs are what was wrong with them.
func (c *Checker) checkResolved(ctx context.Context, g *graph.Graph, v store.View, rs []graph.Resolved, errs []error, out []Result, done *walked) {
	var (
		memories [together]memory
		walks    [together]*graph.Resolved // of those that the cache does not answer
		answers  [together]graph.Answer
		failed   [together]error
	)
	for i := range rs {
		out[i] = Result{Err: errs[i]}
		if errs[i] != nil {
			continue
		}
		a, holds := c.recall(&memories[i], g, v, &rs[i])
		if out[i].Answer = a; !holds {
			walks[i] = &rs[i]
		}
	}
	g.CheckAll(ctx, v, walks[:len(rs)], answers[:len(rs)], failed[:len(rs)])
	for i, r := range walks[:len(rs)] {
		if r != nil {
			out[i] = Result{answers[i], failed[i]}
			c.keep(&memories[i], g, v, r, &answers[i], failed[i])
			done.add(&answers[i])
		}
	}
}

// together is how many questions of a batch have their names looked up at a
// time: so few that what has been read of them is still at hand when they are
// walked.
const together = 16

// stripes keeps processors from waiting for each other's counters: a power of two.
const stripes = 8

// counters are one of several parts, on cache lines of its own.
type counters struct {
	hits, misses, stale, sets, rejected, walks, steps, reads atomic.Uint64
	_                                                        [64]byte
}

// counters returns a part to count in.
func (c *Checker) counters() *counters { return &c.stats[rand.Uint32()%stripes] }

// Stats counts since New.
type Stats struct {
	Hits     uint64 // answers from the cache
	Misses   uint64 // questions that the cache did not know
	Stale    uint64 // questions whose cached answer did not hold any more
	Sets     uint64 // answers given to the cache
	Rejected uint64 // answers that it was too busy to take
	Walks    uint64 // questions answered by a walk
	Steps    uint64 // of those walks
	Reads    uint64 // of those walks
}

// Stats returns the counters. Each is exact, together they are not one moment's.
func (c *Checker) Stats() (sum Stats) {
	for i := range c.stats {
		s := &c.stats[i]
		sum.Hits += s.hits.Load()
		sum.Misses += s.misses.Load()
		sum.Stale += s.stale.Load()
		sum.Sets += s.sets.Load()
		sum.Rejected += s.rejected.Load()
		sum.Walks += s.walks.Load()
		sum.Steps += s.steps.Load()
		sum.Reads += s.reads.Load()
	}
	return sum
}
