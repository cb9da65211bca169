// Package check answers questions from a cache of facts about immutable views,
// and by a walk of the graph where the cache has none. See DESIGN.md.
package check

import (
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

const defaultMaxCost = 64 << 20

// Options configures a Checker. The zero value is the default.
type Options struct {
	// MaxCost bounds the cache, in bytes. 0 = 64 MiB, negative = no cache.
	MaxCost int64
	// Limits hold for questions that bring none of their own.
	Limits graph.Limits
	// Eager looks every question up, and lets every answer enter. By default
	// that begins when a question comes a second time, because an entry costs
	// more than most walks and many questions never come again.
	Eager bool
}

// Checker answers questions. It is safe for concurrent use.
type Checker struct {
	limits graph.Limits
	cache  *ristretto.Cache[uint64, *entry] // nil = off
	seed   uint64
	asked  []atomic.Uint32 // by hash: the tag of the last question there; nil = eager
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
func (c *Checker) Check(ctx context.Context, g *graph.Graph, v store.View, q *graph.Question) (graph.Answer, error) {
	question := *q
	if question.Limits == (graph.Limits{}) {
		question.Limits = c.limits
	}
	r, err := g.Resolve(v, &question)
	if err != nil {
		return graph.Answer{}, err
	}
	if c.cache == nil {
		return c.walk(ctx, g, v, &r)
	}
	k, ok := c.keyOf(g, v, &r, question.Limits)
	if !ok {
		return c.walk(ctx, g, v, &r)
	}
	defer k.release()
	if !c.cameBefore(k.hash) {
		c.counters().misses.Add(1)
		return c.walk(ctx, g, v, &r)
	}
	if e := c.find(&k, v, r.Now); e != nil {
		return e.answer(), nil
	}
	a, err := c.walk(ctx, g, v, &r)
	if err == nil && a.Decision != graph.Conditional {
		c.put(&k, newEntry(&k, g, v, &r, a))
	}
	return a, err
}

func (c *Checker) walk(ctx context.Context, g *graph.Graph, v store.View, r *graph.Resolved) (graph.Answer, error) {
	a, err := g.CheckResolved(ctx, v, r)
	n := c.counters()
	n.walks.Add(1)
	n.steps.Add(uint64(a.Steps))
	n.reads.Add(uint64(a.Reads))
	return a, err
}

// find returns the entry that answers the question, nil if there is none.
func (c *Checker) find(k *lookup, v store.View, now int64) *entry {
	e, ok := c.cache.Get(k.hash)
	switch {
	case !ok || !k.equals(&e.key):
		c.counters().misses.Add(1)
		return nil
	case !e.holds(v, now):
		c.counters().stale.Add(1)
		return nil
	}
	c.counters().hits.Add(1)
	return e
}

// cameBefore reports whether a question with that hash has been asked lately,
// and notes that it has now. To be wrong costs an entry or a walk, no answer.
func (c *Checker) cameBefore(hash uint64) bool {
	if c.asked == nil {
		return true
	}
	slot, tag := &c.asked[hash&uint64(len(c.asked)-1)], uint32(hash>>32)|1
	if slot.Load() == tag {
		return true
	}
	slot.Store(tag)
	return false
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

// Batch answers the questions at one view, each by itself.
func (c *Checker) Batch(ctx context.Context, g *graph.Graph, v store.View, qs []graph.Question) []Result {
	out := make([]Result, len(qs))
	for i := range qs {
		out[i].Answer, out[i].Err = c.Check(ctx, g, v, &qs[i])
	}
	return out
}

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
