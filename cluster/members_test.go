package cluster

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
)

// trio is three members on in-memory transports and without Peers: what holds
// of Raft alone.
type trio struct {
	nodes [3]*Node
	wires [3]*raft.InmemTransport
}

// sealing is a log that is written as logStore writes it.
type sealing struct{ raft.LogStore }

func (s sealing) StoreLog(e *raft.Log) error { return s.StoreLogs(sealed([]*raft.Log{e})) }

func openTrio(t *testing.T) *trio {
	t.Helper()
	c := &trio{}
	var members raft.Configuration
	for i := range c.wires {
		id := fmt.Sprintf("n%d", i+1)
		_, c.wires[i] = raft.NewInmemTransport(raft.ServerAddress(id))
		members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	var wg sync.WaitGroup
	for i := range c.nodes {
		c.connect(i)
		cfg := quiet("")
		cfg.NodeID, cfg.Transport, cfg.Disk = fmt.Sprintf("n%d", i+1), c.wires[i], inMemory()
		conf := must(cfg.withDefaults())
		if err := raft.BootstrapCluster(conf.raftConfig(), sealing{cfg.Disk.Log}, cfg.Disk.Stable, cfg.Disk.Snapshots, c.wires[i], members); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { c.nodes[i] = open(t, cfg) })
	}
	wg.Wait()
	return c
}

// connect wires node i to the others, cut takes it off.
func (c *trio) connect(i int) {
	for j, w := range c.wires {
		if i != j {
			w.Connect(c.wires[i].LocalAddr(), c.wires[i])
			c.wires[i].Connect(w.LocalAddr(), w)
		}
	}
}

func (c *trio) cut(i int) {
	c.wires[i].DisconnectAll()
	for j, w := range c.wires {
		if i != j {
			w.Disconnect(c.wires[i].LocalAddr())
		}
	}
}

// leader waits until a connected member other than not leads, and is settled.
func (c *trio) leader(t *testing.T, not int) int {
	t.Helper()
	for range 100 {
		for i, n := range c.nodes {
			if _, err := n.ReadIndex(t.Context()); i != not && err == nil {
				return i
			}
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Fatal("no leader")
	return -1
}

// close checks that all members hold the same state.
func (c *trio) close(t *testing.T) {
	t.Helper()
	newest := c.nodes[c.leader(t, -1)].Store().Revision()
	for i, n := range c.nodes {
		if err := n.Wait(t.Context(), newest); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(stateOf(t, c.nodes[0]), stateOf(t, n)); diff != "" {
			t.Errorf("n%d differs from n1: %s", i+1, diff)
		}
	}
	for _, n := range c.nodes {
		closed(t, n)
	}
	drain()
}

// drain lets requests to members that are gone time out.
func drain() { <-time.After(time.Minute) }

func TestMembers_FollowersApplyWhatTheLeaderAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openTrio(t)
		at := c.leader(t, -1)
		rev := uint64(0)
		for i := range 50 {
			rev = propose(t, c.nodes[at], write(i)).Revision
		}
		for _, n := range c.nodes {
			if err := n.Wait(t.Context(), rev); err != nil || !has(t, n, 49) {
				t.Error("a follower misses a write", err)
			}
			if !n.Ready() {
				t.Error("a follower is not ready")
			}
		}
		follower := c.nodes[(at+1)%3]
		if _, err := follower.Propose(t.Context(), write(1)); !errors.Is(err, ErrNotLeader) || !errors.Is(err, ErrNotProposed) {
			t.Errorf("propose on a follower: %v", err)
		}
		if _, err := follower.ReadIndex(t.Context()); !errors.Is(err, ErrNotLeader) {
			t.Errorf("read index on a follower: %v", err)
		}
		c.close(t)
	})
}

func TestMembers_LeaderCutOffAnswersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openTrio(t)
		old := c.leader(t, -1)
		propose(t, c.nodes[old], write(1))
		c.cut(old)
		if _, err := c.nodes[old].ReadIndex(t.Context()); !errors.Is(err, ErrNotLeader) {
			t.Errorf("read index on a leader cut off: %v", err)
		}
		now := c.leader(t, old)
		rev := propose(t, c.nodes[now], write(2)).Revision
		if got, err := c.nodes[now].ReadIndex(t.Context()); err != nil || got < rev {
			t.Errorf("read index %d, %v; want %d", got, err, rev)
		}
		<-time.After(10 * time.Second)
		if d := c.nodes[old].LastContact(); d < 9*time.Second {
			t.Errorf("last contact of a node cut off: %v", d)
		}
		c.connect(old)
		c.close(t)
	})
}

func TestMembers_WriteOfALeaderCutOffIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openTrio(t)
		old := c.leader(t, -1)
		c.cut(old)
		if _, err := c.nodes[old].Propose(t.Context(), write(1)); !errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("got %v", err)
		}
		propose(t, c.nodes[c.leader(t, old)], write(2))
		c.connect(old)
		c.close(t)
	})
}

func TestMembers_StoppingLeaderHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openTrio(t)
		old := c.leader(t, -1)
		start := time.Now()
		closed(t, c.nodes[old])
		next := c.leader(t, old)
		if took := time.Since(start); took > 900*time.Millisecond {
			t.Errorf("the next leader came after %v, as if the old one had crashed", took)
		}
		propose(t, c.nodes[next], write(1))
		for i, n := range c.nodes {
			if i != old {
				closed(t, n)
			}
		}
		drain()
	})
}
