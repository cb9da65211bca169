package cluster

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// contacts remembers when each follower last answered this leader, which raft
// knows and does not tell.
type contacts struct {
	mu       sync.Mutex
	last     map[raft.ServerID]time.Time   // guarded by mu
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

func (c *contacts) note(id raft.ServerID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[raft.ServerID]time.Time{}
	}
	c.last[id] = time.Now()
}

// begin says that a leader takes office: everybody counts as just heard of.
func (c *contacts) begin(members []raft.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = make(map[raft.ServerID]time.Time, len(members))
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
