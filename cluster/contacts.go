package cluster

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// contacts remembers when each follower last answered this leader, and how far its
// log reached, which raft knows and does not tell.
type contacts struct {
	mu       sync.Mutex
	last     map[raft.ServerID]time.Time   // guarded by mu
	logs     map[raft.ServerID]uint64      // guarded by mu; how far their logs reach, as they said
	clock    uint64                        // guarded by mu; counts requests and rounds
	affirmed map[raft.ServerID]affirmation // guarded by mu
}

// affirmation says that a follower obeyed the leader of term when it got the
// request that was sent at sent, on contacts' clock.
type affirmation struct{ sent, term uint64 }

// tick returns the next moment.
func (c *contacts) tick() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	return c.clock
}

// affirm notes the answer to a request that was sent at sent.
func (c *contacts) affirm(id raft.ServerID, sent, term uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.affirmed == nil {
		c.affirmed = map[raft.ServerID]affirmation{}
	}
	if c.affirmed[id].sent < sent {
		c.affirmed[id] = affirmation{sent, term}
	}
}

// isAffirmed reports whether a majority of voters, one of which is self, obeyed
// the leader of term after since.
func (c *contacts) isAffirmed(self raft.ServerID, voters []raft.ServerID, since, term uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, v := range voters {
		if a := c.affirmed[v]; v == self || a.sent > since && a.term == term {
			n++
		}
	}
	return n > len(voters)/2
}

// note notes an answer of id, whose log reaches up to log.
func (c *contacts) note(id raft.ServerID, log uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[raft.ServerID]time.Time{}
	}
	if c.logs == nil {
		c.logs = map[raft.ServerID]uint64{}
	}
	c.last[id], c.logs[id] = time.Now(), log
}

// isNearer reports whether a lags less than b, or has answered later.
func (c *contacts) isNearer(a, b raft.ServerID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.logs[a] != c.logs[b] {
		return c.logs[a] > c.logs[b]
	}
	return c.last[a].After(c.last[b])
}

// begin says that a leader takes office: everybody counts as just heard of.
func (c *contacts) begin(members []raft.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.logs = make(map[raft.ServerID]time.Time, len(members)), nil
	for _, m := range members {
		c.last[m.ID] = time.Now()
	}
}

// since returns how long ago id answered. A member that is new counts as just
// heard of.
func (c *contacts) since(id raft.ServerID) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[raft.ServerID]time.Time{}
	}
	if _, ok := c.last[id]; !ok {
		c.last[id] = time.Now()
	}
	return time.Since(c.last[id])
}
