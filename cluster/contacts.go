package cluster

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// contacts remembers when each follower last answered this leader, which raft
// knows and does not tell.
type contacts struct {
	mu   sync.Mutex
	last map[raft.ServerID]time.Time // guarded by mu
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
