package cluster

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// Readers beside writers: what was acknowledged before a reader asked lies at
// or below the revision that it is told.
func TestReadIndex_SeesEveryAcknowledgedWrite(t *testing.T) {
	n := open(t, quiet(fastDir(t)))
	var newest atomic.Uint64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 100 {
				rev := propose(t, n, write(w*100+i)).Revision
				for old := newest.Load(); old < rev && !newest.CompareAndSwap(old, rev); old = newest.Load() {
				}
			}
		})
	}
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				want := newest.Load()
				got, err := n.ReadIndex(t.Context())
				if err == nil {
					err = n.Wait(t.Context(), got)
				}
				if err != nil || got < want || n.Store().Revision() < got {
					t.Errorf("read index %d, %v; acknowledged before: %d", got, err, want)
					return
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
}

func TestReadIndex_ManyCallersShareRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, g := gated(t, nil)
		// Raft's main loop writes the log: while it is held up, no round ends.
		open := g.shut()
		var wg sync.WaitGroup
		wg.Go(func() { propose(t, n, write(1)) })
		synctest.Wait()
		rounds := map[*round]bool{}
		var mu sync.Mutex
		for range 10_000 {
			wg.Go(func() {
				r := n.reads.join()
				mu.Lock()
				rounds[r] = true
				mu.Unlock()
				<-r.done
				if r.err != nil {
					t.Error(r.err)
				}
			})
		}
		synctest.Wait()
		open()
		wg.Wait()
		if len(rounds) > 2 {
			t.Errorf("10,000 callers took %d rounds", len(rounds))
		}
		closed(t, n)
	})
}

func TestReadIndex_NewcomerJoinsTheNextRound(t *testing.T) {
	r := readIndex{wake: make(chan struct{}, 1)}
	first := r.join()
	if r.join() != first {
		t.Error("two callers before the round starts share it")
	}
	r.take()
	if r.join() == first {
		t.Error("a caller joined a round under way")
	}
}

// No-ops, barriers and configurations never reach the store: an index that
// holds one must not be waited for.
func TestReadIndex_IsACommandsRevision(t *testing.T) {
	cfg := quiet(fastDir(t))
	n := open(t, cfg)
	propose(t, n, write(1))
	for range 3 {
		want := n.Store().Revision()
		closed(t, n)
		n = open(t, cfg)
		got, err := n.ReadIndex(t.Context())
		if err != nil || got != want || n.Status().CommitIndex <= want {
			t.Errorf("read index %d, %v; want %d; status %+v", got, err, want, n.Status())
		}
	}
}

func TestCheckAhead_TellsFutureFromLag(t *testing.T) {
	n := open(t, quiet(fastDir(t)))
	rev := propose(t, n, write(1)).Revision
	if err := n.CheckAhead(t.Context(), rev); err != nil {
		t.Error(err)
	}
	if err := n.CheckAhead(t.Context(), rev+1); !errors.Is(err, ErrFuture) {
		t.Errorf("got %v", err)
	}
}

func TestWait_WakesInOrderAndLeavesOnContext(t *testing.T) {
	n := open(t, quiet(fastDir(t)))
	base := n.Store().Revision()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := n.Wait(ctx, base+3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if len(n.applied.waiters) != 0 {
		t.Error("a waiter that left is still there")
	}
	var wg sync.WaitGroup
	for i := range uint64(50) {
		wg.Go(func() {
			want := base + 1 + i%3
			if err := n.Wait(t.Context(), want); err != nil || n.Store().Revision() < want {
				t.Errorf("wait for %d: %v at %d", want, err, n.Store().Revision())
			}
		})
	}
	for i := range 3 {
		propose(t, n, write(i))
	}
	wg.Wait()
}

// Raft counts the answers of nonvoters when it verifies a leader. They prove
// nothing: the voters may have another one.
func TestReadIndex_NonvotersDoNotConfirmALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		for _, id := range []string{"r1", "r2"} {
			cfg := l.config(id, "n1")
			cfg.Nonvoter = true
			l.start(t, cfg)
		}
		l.ready(t, "r1", "r2")
		leader := l.leaderOf(t, ids...)
		for _, id := range followers(leader, ids) {
			l.part(leader, id)
		}
		<-time.After(50 * time.Millisecond) // answers under way arrive
		n := l.nodes[leader]
		for n.IsLeader() { // until its lease ends
			if rev, err := n.joinRound(t.Context()); err == nil {
				t.Errorf("confirmed at %d by nonvoters", rev)
				break
			}
			<-time.After(10 * time.Millisecond)
		}
		l.heal()
		l.leaderOf(t, ids...)
		l.end(t)
	})
}

func TestContacts_OnlyAnswersToLaterRequestsAffirm(t *testing.T) {
	var c contacts
	voters := []raft.ServerID{"n1", "n2", "n3"}
	early := c.tick()
	since := c.tick()
	c.affirm("n2", early, 5)
	c.affirm("n3", early, 5)
	if c.isAffirmed("n1", voters, since, 5) {
		t.Error("by answers to requests of before")
	}
	c.affirm("n9", c.tick(), 5)
	c.affirm("n3", c.tick(), 4)
	if c.isAffirmed("n1", voters, since, 5) {
		t.Error("by a node without a vote, and in another term")
	}
	c.affirm("n2", c.tick(), 5)
	if !c.isAffirmed("n1", voters, since, 5) {
		t.Error("not by a majority")
	}
	if !c.isAffirmed("n1", voters[:1], since, 5) {
		t.Error("not by a sole voter itself")
	}
}

// That a leader cannot answer is no word on the fate of a write.
func TestReadIndex_ARefusalFromTheLeaderIsNoUnknownOutcome(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		rest := followers(leader, ids)
		l.part(leader, rest[0])
		l.part(leader, rest[1])
		for l.nodes[leader].IsLeader() {
			<-time.After(10 * time.Millisecond)
		}
		_, err := l.nodes[rest[0]].askLeader(nil) // it has not missed the leader yet
		if !errors.Is(err, ErrNotLeader) || !strings.Contains(err.Error(), "the leader answers") || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("got %v", err)
		}
		l.heal()
	})
}
