package cluster

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// disks are the free bytes of three nodes' disks.
type disks map[string]*atomic.Int64

// roomy is a cluster of three whose disks the test fills.
func (l *lab) roomy(t *testing.T) (ids []string, free disks) {
	free = disks{}
	ids = l.trio(t, func(c *Config) {
		room := new(atomic.Int64)
		free[c.NodeID] = room
		room.Store(1 << 40)
		c.FreeDisk = func() (int64, error) { return room.Load(), nil }
	})
	return ids, free
}

func TestRoom_FullFollowerLeavesWritesToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids, free := l.roomy(t)
		leader := l.leaderOf(t, ids...)
		full := followers(leader, ids)[0]
		free[full].Store(31 << 20)
		for i := range 100 {
			propose(t, l.nodes[leader].Node, write(i))
			<-time.After(200 * time.Millisecond)
		}
		n := l.nodes[full]
		if n.Err() != nil || !n.Ready() || has(t, n.Node, 99) {
			t.Errorf("the full one: %v, ready %v", n.Err(), n.Ready())
		}
		if d := n.LastContact(); d < 15*time.Second {
			t.Errorf("its views have been growing old for 20 s, and it says %v", d)
		}
		if now, _ := l.nodes[leader].leader(); now != leader {
			t.Errorf("%s leads now", now)
		}
		free[full].Store(1 << 40)
		eventually(t, "it catches up", func() bool { return has(t, n.Node, 99) && n.LastContact() < time.Second })
		l.end(t)
	})
}

func TestRoom_WritesRefusedWhenAQuorumIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids, free := l.roomy(t)
		leader := l.leaderOf(t, ids...)
		n := l.nodes[leader]
		propose(t, n.Node, write(1))
		for _, id := range followers(leader, ids) {
			free[id].Store(1 << 20)
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stuck := map[int]Pending{} // as many groups as can be under way, or what is taken of them
		for i := range maxInFlight {
			if p, err := n.Submit(limited, write(20+i)); err == nil {
				stuck[20+i] = p
			} else if !errors.Is(err, ErrDiskFull) {
				t.Error(err)
			}
			<-time.After(time.Millisecond)
		}
		for i, p := range stuck {
			_, err := p.Wait(limited)
			if errors.Is(err, ErrNotProposed) {
				delete(stuck, i)
			} else if !errors.Is(err, ErrUnknownOutcome) {
				t.Errorf("a write that finds it out: %v", err)
			}
		}
		for range 60 {
			_, err := n.Propose(t.Context(), write(3))
			if !errors.Is(err, ErrNotProposed) || !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), "no quorum") {
				t.Fatalf("got %v", err)
			}
			rev, err := n.ReadIndex(t.Context())
			if err != nil || !has(t, n.Node, 1) || rev == 0 {
				t.Fatalf("a read: %v", err)
			}
			<-time.After(time.Second)
		}
		for _, id := range ids {
			free[id].Store(1 << 40)
		}
		eventually(t, "writes go on", func() bool {
			_, err := n.Propose(t.Context(), write(4))
			return err == nil
		})
		for i := range stuck { // their outcome was not known, and now it is
			if !has(t, n.Node, i) {
				t.Error("an entry in the log got lost")
			}
		}
		l.end(t)
	})
}

func TestRoom_FullLeaderHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids, free := l.roomy(t)
		old := l.leaderOf(t, ids...)
		free[old].Store(1 << 20)
		free[followers(old, ids)[0]].Store(60 << 20)
		heir := followers(old, ids)[1]
		eventually(t, "another one leads", func() bool { return l.nodes[heir].IsLeader() })
		l.leaderOf(t, ids...)
		propose(t, l.nodes[old].Node, write(1)) // any node takes it
		<-time.After(10 * time.Second)
		if now := l.leaderOf(t, ids...); now != heir {
			t.Errorf("%s leads", now)
		}
		for _, id := range ids {
			free[id].Store(1 << 40)
		}
		l.end(t)
	})
}

func TestRoom_SnapshotGivesUpBeforeTheDiskIsFull(t *testing.T) {
	cfg := quiet(fastDir(t))
	var free atomic.Int64
	free.Store(1 << 40)
	cfg.FreeDisk = func() (int64, error) { return free.Load(), nil }
	n := open(t, cfg)
	propose(t, n, write(1))
	free.Store(15 << 20)
	if err := n.Snapshot(); err == nil || !strings.Contains(err.Error(), "almost full") {
		t.Errorf("got %v", err)
	}
	if n.Status().SnapshotIndex != 0 || n.Err() != nil {
		t.Errorf("%+v, %v", n.Status(), n.Err())
	}
	free.Store(1 << 40)
	propose(t, n, write(2))
	if err := n.Snapshot(); err != nil {
		t.Error(err)
	}
}
