package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// simClients write and read at any node of a sim, and know what must come of it.
type simClients struct {
	t    *testing.T
	lab  *lab
	calm *atomic.Bool // no more new work

	mu     sync.Mutex
	there  map[int]bool // guarded by mu; tuples that were created (true) or deleted for certain
	newest uint64       // guarded by mu; acknowledged, or answered to a read
	count  [3]int       // guarded by mu; writes acknowledged, of those at a later try, reads
}

// knows returns the newest revision that anybody was told of.
func (c *simClients) knows() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest
}

// write creates tuples, and deletes every other one again, each under a request
// id and until the outcome is certain.
func (c *simClients) write(rng *rand.Rand, writer int) {
	for i := 1; !c.calm.Load(); i++ {
		key := writer*1_000_000 + i
		ok := c.insist(rng, key, store.OpCreate)
		if ok && i%2 == 0 {
			ok = c.insist(rng, key, store.OpDelete)
		}
		if !ok {
			return
		}
		<-time.After(time.Duration(rng.IntN(300)) * time.Millisecond)
	}
}

// insist repeats one write at any node until it is acknowledged.
func (c *simClients) insist(rng *rand.Rand, key int, op store.Op) bool {
	cmd := write(key)
	cmd.Updates[0].Op, cmd.RequestID = op, simRequestID(rng)
	for try := 1; c.t.Context().Err() == nil; try++ {
		if try > 1000 {
			c.t.Errorf("write %d is not acknowledged after %d tries", key, try)
			return false
		}
		out, err := c.once(rng, cmd)
		if err != nil {
			<-time.After(time.Duration(50+rng.IntN(300)) * time.Millisecond)
			continue
		}
		if out.Err() != nil {
			c.t.Errorf("write %d at try %d: %v", key, try, out.Err())
			return false
		}
		c.acknowledged(key, op == store.OpCreate, out.Revision, try)
		return true
	}
	return false
}

func (c *simClients) acknowledged(key int, there bool, rev uint64, try int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.there == nil {
		c.there = map[int]bool{}
	}
	c.there[key], c.newest = there, max(c.newest, rev)
	c.count[0]++
	if try > 1 {
		c.count[1]++
	}
}

// once tries at one node.
func (c *simClients) once(rng *rand.Rand, cmd store.Command) (store.Outcome, error) {
	n := c.lab.running(simIDs[rng.IntN(len(simIDs))])
	if n == nil {
		return store.Outcome{}, errNoLink
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(200+rng.IntN(3000))*time.Millisecond)
	defer cancel()
	return n.Propose(ctx, cmd)
}

// read asks any node for a read index, waits for it and looks for what was
// written before.
func (c *simClients) read(rng *rand.Rand) {
	for !c.calm.Load() && c.t.Context().Err() == nil {
		<-time.After(time.Duration(rng.IntN(150)) * time.Millisecond)
		n := c.lab.running(simIDs[rng.IntN(len(simIDs))])
		if n == nil || !n.Ready() {
			continue
		}
		known, want := c.knows(), c.sample()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		rev, err := n.ReadIndex(ctx)
		if err == nil && rev < known {
			c.t.Errorf("read index %d on %s, and %d was known before", rev, n.cfg.NodeID, known)
		}
		if err == nil && n.Wait(ctx, rev) == nil {
			c.look(n, rev, want)
		}
		cancel()
	}
}

// sample returns some tuples that were there or gone for certain, and odd: nobody
// touches them again.
func (c *simClients) sample() map[int]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[int]bool{}
	for key, there := range c.there {
		if (key%2 == 1 || !there) && len(out) < 5 {
			out[key] = there
		}
	}
	return out
}

func (c *simClients) look(n *Node, rev uint64, want map[int]bool) {
	v, err := n.Store().View(DefaultTenant, 0)
	if err != nil {
		c.t.Errorf("%s, which is ready: %v", n.cfg.NodeID, err)
		return
	}
	for key, there := range want {
		is := false
		for range v.Tuples(tuple.Filter{Type: "doc", ID: fmt.Sprint(key)}) {
			is = true
		}
		if is != there {
			c.t.Errorf("tuple %d at %s, revision %d: there %v, want %v", key, n.cfg.NodeID, v.Revision(), is, there)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = max(c.newest, rev)
	c.count[2]++
}

// check compares n with everything that was acknowledged.
func (c *simClients) check(n *Node) {
	v, err := n.Store().View(DefaultTenant, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	is := map[string]bool{}
	for tu := range v.Tuples(tuple.Filter{}) {
		is[tu.Object.ID] = true
	}
	for key, there := range c.there {
		if is[fmt.Sprint(key)] != there {
			c.t.Errorf("tuple %d: there %v, want %v", key, !there, there)
		}
	}
	c.t.Logf("%d writes acknowledged, %d of them at a later try, %d reads, %d members at the end, term %d",
		c.count[0], c.count[1], c.count[2], len(n.members()), n.raft.CurrentTerm())
}

// simRequestID is a request id of now.
func simRequestID(rng *rand.Rand) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(time.Now().UnixMilli())<<16)
	b[6] = 0x70 | byte(rng.IntN(16))
	binary.BigEndian.PutUint64(b[8:], rng.Uint64()>>2|1<<63)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
