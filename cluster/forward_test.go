package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// seeds returns n seeds to try, many more in a simulation (make sim), or the one
// in PEMBA_SEED.
func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	switch {
	case os.Getenv("PEMBA_SIM") != "":
		n *= 50
	case underRace && testing.Short(): // each takes ten times as long
		n = (n + 2) / 3
	}
	if s, err := strconv.ParseUint(os.Getenv("PEMBA_SEED"), 10, 64); err == nil {
		return []uint64{s}
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = rand.Uint64()
	}
	return out
}

func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// followers returns ids without the leader.
func followers(leader string, ids []string) []string {
	var out []string
	for _, id := range ids {
		if id != leader {
			out = append(out, id)
		}
	}
	return out
}

func TestForward_FollowersTakeWritesAndReadIndexes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		follower := l.nodes[followers(l.leaderOf(t, ids...), ids)[0]]
		out := propose(t, follower.Node, write(1))
		rev, err := follower.ReadIndex(t.Context())
		if err != nil || rev < out.Revision {
			t.Errorf("read index %d after a write at %d: %v", rev, out.Revision, err)
		}
		if err := follower.CheckAhead(t.Context(), out.Revision); err != nil {
			t.Error(err)
		}
		if err := follower.CheckAhead(t.Context(), rev+100); !errors.Is(err, ErrFuture) {
			t.Errorf("a revision ahead of the cluster: %v", err)
		}
		l.end(t)
	})
}

// What one goroutine submits on a follower takes effect in its order.
func TestForward_KeepsTheOrderOfSubmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		follower := l.nodes[followers(leader, ids)[0]]
		var pending []Pending
		for i := range 500 {
			c := write(1)
			c.Updates[0].Tuple.Expires = int64(1+i) * int64(time.Hour) * 1e6
			if i == 250 {
				if _, err := l.nodes[leader].TransferLeadership(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
			}
			p, err := follower.Submit(t.Context(), c)
			if err != nil {
				continue // no leader at this moment
			}
			pending = append(pending, p)
		}
		last := uint64(0)
		for _, p := range pending {
			out, err := p.Wait(t.Context())
			if err != nil {
				continue
			}
			if out.Revision < last {
				t.Errorf("revision %d after %d", out.Revision, last)
			}
			last = out.Revision
		}
		l.end(t)
	})
}

func TestForward_RefusalsOfTheLeaderKeepTheirMeaning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		full := false
		ids := l.trio(t, func(c *Config) {
			c.FreeDisk = func() (int64, error) {
				if full {
					return 0, nil
				}
				return 1 << 40, nil
			}
		})
		follower := l.nodes[followers(l.leaderOf(t, ids...), ids)[0]]
		full = true
		if _, err := follower.Propose(t.Context(), write(1)); !errors.Is(err, ErrNotProposed) || !errors.Is(err, ErrDiskFull) {
			t.Errorf("got %v", err)
		}
		full = false
		c := write(1)
		c.Tenant = "nobody"
		if out, err := follower.Propose(t.Context(), c); err != nil || out.Code != store.CodeTenantUnknown {
			t.Errorf("got %+v, %v", out, err)
		}
		l.end(t)
	})
}

func TestForward_WithoutALeaderGivesUpAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		for _, id := range ids {
			l.cut(id)
		}
		<-time.After(5 * time.Second)
		start := time.Now()
		if _, err := l.nodes["n1"].Propose(t.Context(), write(1)); !errors.Is(err, ErrNotProposed) || !errors.Is(err, ErrNotLeader) {
			t.Errorf("got %v", err)
		}
		if _, err := l.nodes["n2"].ReadIndex(t.Context()); !errors.Is(err, ErrNotLeader) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took < 5*time.Second || took > 12*time.Second {
			t.Errorf("it took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.nodes["n3"].Propose(ctx, write(1)); !errors.Is(err, ErrNotProposed) {
			t.Errorf("got %v", err)
		}
		for _, id := range ids {
			l.mend(id)
		}
		l.leaderOf(t, ids...)
		l.end(t)
	})
}

// ledger holds what writers were told about their writes.
type ledger struct {
	mu     sync.Mutex
	fates  map[int]error // nil = acknowledged; guarded by mu
	newest uint64        // acknowledged revision; guarded by mu
}

func (g *ledger) note(i int, rev uint64, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fates[i] = err
	g.newest = max(g.newest, rev)
}

func (g *ledger) acknowledged() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.newest
}

// work writes and reads on node until ctx ends, and checks each read index.
func (g *ledger) work(ctx context.Context, t *testing.T, n *Node, base int) {
	for i := base; ctx.Err() == nil; i++ {
		if i%4 == 3 {
			want := g.acknowledged()
			limited, cancel := context.WithTimeout(ctx, 3*time.Second)
			if rev, err := n.ReadIndex(limited); err == nil && rev < want {
				t.Errorf("read index %d on %s, acknowledged before: %d", rev, n.cfg.NodeID, want)
			}
			cancel()
			continue
		}
		limited, cancel := context.WithTimeout(ctx, 2*time.Second)
		out, err := n.Propose(limited, write(i))
		cancel()
		if err == nil {
			err = out.Err()
		}
		g.note(i, out.Revision, err)
		if err != nil && errors.Is(err, ErrNotProposed) == errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("write %d: neither or both: %v", i, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// check compares what the writers were told with what is there.
func (g *ledger) check(t *testing.T, n *Node) {
	t.Helper()
	v, err := n.Store().View(DefaultTenant, 0)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for tu := range v.Tuples(tuple.Filter{}) {
		there[tu.Object.ID] = true
	}
	counts := [3]int{}
	for i, fate := range g.fates {
		is := there[fmt.Sprint(i)]
		switch {
		case fate == nil:
			counts[0]++
			if !is {
				t.Errorf("acknowledged write %d is lost", i)
			}
		case errors.Is(fate, ErrNotProposed):
			counts[1]++
			if is {
				t.Errorf("write %d is there, but surely did not happen: %v", i, fate)
			}
		default:
			counts[2]++
		}
	}
	t.Logf("%d writes acknowledged, %d not proposed, %d unknown", counts[0], counts[1], counts[2])
}

// Writers on all nodes learn the truth about their writes while leaders are
// cut off, hand over and stop.
func TestForward_OutcomesAreTrueWhileLeadersCrash(t *testing.T) {
	for _, seed := range seeds(t, 3) {
		t.Run(fmt.Sprintf("PEMBA_SEED=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, rng := newLab(t), dice(seed)
				ids := l.trio(t, nil)
				g := &ledger{fates: map[int]error{}}
				ctx, stop := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for i, id := range ids {
					for w := range 2 {
						wg.Go(func() { g.work(ctx, t, l.nodes[id].Node, (2*i+w)*1_000_000) })
					}
				}
				for range 8 {
					<-time.After(time.Duration(rng.IntN(2000)) * time.Millisecond)
					victim := ids[rng.IntN(3)]
					if now, _ := l.nodes["n1"].leader(); now != "" && rng.IntN(3) > 0 {
						victim = now
					}
					switch rng.IntN(3) {
					case 0:
						limited, cancel := context.WithTimeout(ctx, 2*time.Second)
						l.nodes[victim].TransferLeadership(limited, "")
						cancel()
					default:
						l.cut(victim)
						<-time.After(time.Duration(rng.IntN(6000)) * time.Millisecond)
						l.mend(victim)
					}
				}
				<-time.After(3 * time.Second)
				stop()
				wg.Wait()
				l.leaderOf(t, ids...)
				if _, err := l.nodes["n1"].ReadIndex(t.Context()); err != nil {
					t.Fatal(err)
				}
				n := l.nodes[l.leaderOf(t, ids...)]
				if err := n.Wait(t.Context(), g.acknowledged()); err != nil {
					t.Fatal(err)
				}
				g.check(t, n.Node)
				l.end(t)
			})
		})
	}
}
