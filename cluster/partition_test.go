package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// shortly is Propose with two seconds to do it in.
func shortly(t *testing.T, n *Node, i int) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	out, err := n.Propose(ctx, write(i))
	if err == nil {
		err = out.Err()
	}
	return err
}

// quintet is a cluster of five.
func (l *lab) quintet(t *testing.T) []string {
	t.Helper()
	ids := []string{"n1", "n2", "n3", "n4", "n5"}
	for _, id := range ids {
		cfg := l.config(id, ids...)
		cfg.BootstrapExpect = 5
		l.start(t, cfg)
	}
	l.ready(t, ids...)
	return ids
}

func TestElection_OneLeaderAtATime(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.quintet(t)
		for i := range 6 {
			old := l.leaderOf(t, ids...)
			cfg := l.nodes[old].cfg
			l.kill(old)
			start := time.Now()
			rest := followers(old, ids)
			now := l.leaderOf(t, rest...)
			if took := time.Since(start); took > 6*time.Second {
				t.Errorf("the next leader came after %v", took)
			}
			leads := 0
			for _, id := range rest {
				if l.nodes[id].IsLeader() {
					leads++
				}
			}
			if leads != 1 {
				t.Errorf("%d leaders", leads)
			}
			propose(t, l.nodes[now].Node, write(i))
			l.start(t, cfg)
			l.ready(t, old)
		}
		l.leaderOf(t, ids...)
	})
}

// The side without a quorum writes nothing, says nothing of what is latest, and
// knows that its views grow old; the other side goes on.
func TestPartition_MinorityNeitherWritesNorReads(t *testing.T) {
	for _, withLeader := range []bool{true, false} {
		t.Run(fmt.Sprint("leader in it=", withLeader), func(t *testing.T) {
			labTest(t, func(t *testing.T, l *lab) {
				ids := l.quintet(t)
				leader := l.leaderOf(t, ids...)
				rest := followers(leader, ids)
				few, many := []string{leader, rest[0]}, rest[1:]
				if !withLeader {
					few, many = rest[:2], append(rest[2:], leader)
				}
				propose(t, l.nodes[leader].Node, write(0))
				l.partition(few, many)
				told := map[int]error{}
				for i, id := range few {
					told[100+i] = shortly(t, l.nodes[id].Node, 100+i)
					if told[100+i] == nil {
						t.Errorf("%s has written", id)
					}
				}
				now := l.leaderOf(t, many...)
				propose(t, l.nodes[now].Node, write(1))
				<-time.After(10 * time.Second)
				for _, id := range few {
					n := l.nodes[id].Node
					ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
					if rev, err := n.ReadIndex(ctx); err == nil {
						t.Errorf("%s says that %d is the latest", id, rev)
					}
					cancel()
					if d := n.LastContact(); d < 10*time.Second {
						t.Errorf("%s says that its views are %v old", id, d)
					}
					if has(t, n, 1) {
						t.Errorf("%s has what the others wrote", id)
					}
				}
				l.heal()
				l.leaderOf(t, ids...)
				rev := must(l.nodes[few[0]].ReadIndex(t.Context()))
				if err := l.nodes[few[0]].Wait(t.Context(), rev); err != nil || !has(t, l.nodes[few[0]].Node, 1) {
					t.Error("after healing it misses a write", err)
				}
				for i, err := range told {
					if errors.Is(err, ErrNotProposed) && has(t, l.nodes[few[0]].Node, i) {
						t.Errorf("write %d is there: %v", i, err)
					}
				}
			})
		})
	}
}

// A leader that can only listen is replaced; one that can only speak stays.
func TestPartition_OneWay(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.trio(t, nil)
		deaf := l.leaderOf(t, ids...)
		rest := followers(deaf, ids)
		for _, id := range rest {
			l.block(id, deaf)
		}
		<-time.After(20 * time.Second)
		if !l.nodes[deaf].IsLeader() {
			t.Error("nothing keeps it from leading, but it does not any more")
		}
		propose(t, l.nodes[deaf].Node, write(1))
		l.heal()
		mute := l.leaderOf(t, ids...)
		rest = followers(mute, ids)
		l.block(mute, rest...)
		now := l.leaderOf(t, rest...)
		propose(t, l.nodes[now].Node, write(2))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if rev, err := l.nodes[mute].ReadIndex(ctx); err == nil && rev < must(l.nodes[now].ReadIndex(t.Context())) {
			t.Errorf("the one that nobody hears says that %d is the latest", rev)
		}
		l.heal()
		l.leaderOf(t, ids...)
	})
}

// Links come and go one by one; whoever leads, nothing acknowledged is lost.
func TestPartition_FlappingLinks(t *testing.T) {
	for _, seed := range seeds(t, 1) {
		t.Run(fmt.Sprintf("PEMBA_SEED=%d", seed), func(t *testing.T) {
			labTest(t, func(t *testing.T, l *lab) {
				rng := dice(seed)
				ids := l.trio(t, nil)
				g, end := l.load(t, ids...)
				for range 40 {
					<-time.After(time.Duration(rng.IntN(800)) * time.Millisecond)
					if rng.IntN(3) == 0 {
						l.heal()
						continue
					}
					from := rng.IntN(3)
					l.block(ids[from], ids[(from+1+rng.IntN(2))%3])
				}
				l.heal()
				<-time.After(3 * time.Second)
				end()
				l.caughtUp(t, g, ids...)
			})
		})
	}
}

// A follower that was away for a while needs only the log.
func TestCatchUp_ByLog(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		late := followers(leader, ids)[0]
		l.cut(late)
		for i := range 2000 {
			propose(t, l.nodes[leader].Node, write(i))
		}
		l.mend(late)
		start := time.Now()
		rev := l.nodes[leader].Store().Revision()
		if err := l.nodes[late].Wait(t.Context(), rev); err != nil || !has(t, l.nodes[late].Node, 1999) {
			t.Error(err)
		}
		t.Log("caught up after", time.Since(start))
		if l.nodes[late].Status().SnapshotIndex != 0 {
			t.Error("it got a snapshot")
		}
	})
}

func TestTransfer_UnderLoad(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.trio(t, nil)
		g, end := l.load(t, ids...)
		for i := range 9 {
			<-time.After(time.Second)
			if _, err := l.nodes[ids[i%3]].TransferLeadership(t.Context(), ids[(i+1)%3]); err != nil {
				t.Error(err)
			}
		}
		<-time.After(time.Second)
		end()
		l.caughtUp(t, g, ids...)
		for i, err := range g.fates {
			// Nobody crashed; but raft may see the heir's candidacy before its own commit.
			if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, raft.ErrLeadershipLost) {
				t.Errorf("write %d: %v", i, err)
			}
		}
	})
}

// Members come, get and lose votes, and go, the leader among them, while others
// write through all that are there.
func TestMembership_ChangesUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grown(t)
		g, end := l.load(t, "n2", "n3")
		steps := []func() error{
			func() error { l.start(t, l.config("n4", "n1", "n2")); l.ready(t, "n4"); return nil },
			func() error { l.voting(t, "n2", "n1", "n2", "n3", "n4"); return nil },
			func() error { return l.nodes["n2"].DemoteNode(t.Context(), "n4", false) },
			func() error { return l.nodes["n3"].PromoteNode(t.Context(), "n4") },
			func() error { _, err := l.nodes["n2"].TransferLeadership(t.Context(), "n1"); return err },
			func() error { return l.nodes["n3"].RemoveNode(t.Context(), "n1", false) },
			func() error { l.kill("n1"); return nil },
			func() error { l.start(t, l.config("n5", "n2", "n4")); l.ready(t, "n5"); return nil },
			func() error { return l.nodes["n5"].RemoveNode(t.Context(), "n4", false) },
			func() error { l.kill("n4"); return nil },
		}
		for i, step := range steps {
			<-time.After(700 * time.Millisecond)
			if err := step(); err != nil {
				t.Errorf("step %d: %v", i, err)
			}
		}
		<-time.After(time.Second)
		end()
		ids := []string{"n2", "n3", "n5"}
		l.voting(t, "n5", ids...)
		l.caughtUp(t, g, ids...)
		l.end(t)
	})
}

// load writes and reads on nodes until end is called.
func (l *lab) load(t *testing.T, ids ...string) (g *ledger, end func()) {
	g = &ledger{fates: map[int]error{}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{}, len(ids))
	for i, id := range ids {
		n := l.nodes[id].Node
		go func() {
			g.work(ctx, t, n, i*1_000_000)
			done <- struct{}{}
		}()
	}
	return g, func() {
		stop()
		for range ids {
			<-done
		}
	}
}

// caughtUp waits until the leader has all that was acknowledged, and checks what
// the writers were told.
func (l *lab) caughtUp(t *testing.T, g *ledger, ids ...string) {
	t.Helper()
	n := l.nodes[l.leaderOf(t, ids...)].Node
	if err := n.Wait(t.Context(), max(g.acknowledged(), must(n.ReadIndex(t.Context())))); err != nil {
		t.Fatal(err)
	}
	g.check(t, n)
}
