package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// A cluster of three to five lives through a few minutes of faults, each seed
// others: links, crashes, restarts, changes of members and leaders, clocks, full
// disks, snapshots. Nothing acknowledged may be lost or done twice, nothing
// refused may be done, read indexes never run back, request ids stay good, and
// all replicas end with one state.
//
// PEMBA_SEED repeats a run, PEMBA_SIM=TIME goes on with new ones for so long.
func TestSim_Cluster(t *testing.T) {
	for _, seed := range simSeeds(t, 2) {
		t.Run(fmt.Sprintf("PEMBA_SEED=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newSim(t, seed).run() })
		})
	}
}

// simSeeds yields n seeds, or as many as PEMBA_SIM has time for.
func simSeeds(t *testing.T, n int) func(func(int, uint64) bool) {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("PEMBA_SEED"), 10, 64)
	given := err == nil
	if underRace && testing.Short() {
		n = 1
	}
	end := time.Now()
	if text := os.Getenv("PEMBA_SIM"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("PEMBA_SIM: %v", err)
		}
		end = end.Add(d)
	}
	return func(yield func(int, uint64) bool) {
		for i := 0; i < n || time.Now().Before(end); i++ {
			if !given {
				seed = rand.Uint64()
			}
			if t.Failed() || !yield(i, seed) || given {
				return
			}
		}
	}
}

// sim is one run. Its fields are for the test's goroutine unless it says otherwise.
type sim struct {
	t   *testing.T
	l   *lab
	rng *rand.Rand

	cfgs map[string]Config        // of nodes that are, or are to be, members
	free map[string]*atomic.Int64 // bytes on their disks
	down map[string]time.Time     // those that do not run, and since when
	calm atomic.Bool              // faults are over; for all

	clients simClients
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, l: newLab(t), rng: dice(seed), cfgs: map[string]Config{}, free: map[string]*atomic.Int64{}, down: map[string]time.Time{}}
	s.clients = simClients{t: t, lab: s.l, calm: &s.calm}
	ids := s.l.trio(t, func(c *Config) { *c = s.configure(*c) })
	for _, id := range ids {
		s.cfgs[id] = s.l.nodes[id].cfg
	}
	return s
}

var simIDs = []string{"n1", "n2", "n3", "n4", "n5"}

// configure makes snapshots frequent and the disk the sim's.
func (s *sim) configure(c Config) Config {
	free := new(atomic.Int64)
	free.Store(1 << 40)
	s.free[c.NodeID] = free
	c.FreeDisk = func() (int64, error) { return free.Load(), nil }
	c.SnapshotBytes, c.TrailingBytes = 60_000, 1
	return c
}

func (s *sim) run() {
	var wg sync.WaitGroup
	s.t.Cleanup(wg.Wait) // before the nodes end
	for w := range 4 {
		rng := dice(s.rng.Uint64())
		wg.Go(func() { s.clients.write(rng, w) })
	}
	for range 2 {
		rng := dice(s.rng.Uint64())
		wg.Go(func() { s.clients.read(rng) })
	}
	faults := []func(){
		s.cut, s.cut, s.partition, s.oneWay, s.heal, s.heal, s.heal, s.crash, s.crash, s.stop, s.revive, s.revive, s.revive,
		s.transfer, s.transfer, s.join, s.remove, s.clock, s.clock, s.disk, s.snapshot, s.snapshot,
	}
	for range 60 {
		<-time.After(time.Duration(s.rng.IntN(2500)) * time.Millisecond)
		faults[s.rng.IntN(len(faults))]()
		s.sweep()
	}
	s.settle()
	s.calm.Store(true)
	wg.Wait()
	s.check()
}

// pick returns a node that runs.
func (s *sim) pick() string {
	ids := s.running()
	return ids[s.rng.IntN(len(ids))]
}

func (s *sim) running() []string {
	var ids []string
	for _, id := range simIDs {
		if s.l.nodes[id] != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

func (s *sim) cut()    { s.l.cut(s.pick()) }
func (s *sim) heal()   { s.l.heal() }
func (s *sim) oneWay() { s.l.block(s.pick(), s.pick()) }
func (s *sim) partition() {
	ids := s.running()
	n := s.rng.IntN(len(ids))
	s.l.partition(ids[:n], ids[n:])
}

// crash ends a node without a word, unless too many are gone already.
func (s *sim) crash() { s.end(s.l.kill) }
func (s *sim) stop()  { s.end(s.l.stop) }

func (s *sim) end(how func(string)) {
	if len(s.down) > 0 {
		return
	}
	id := s.pick()
	how(id)
	s.down[id] = time.Now()
}

// revive starts what has been down for a while. A clock that was behind is right
// then: a node that starts has no other clock to judge its own by, if the others
// are silent.
func (s *sim) revive() {
	for _, id := range simIDs {
		if _, is := s.down[id]; is {
			delete(s.down, id)
			if s.l.clock(id).Load() < 0 {
				s.l.setClock(id, 0)
			}
			s.l.start(s.t, s.cfgs[id])
		}
	}
}

func (s *sim) transfer() {
	n := s.l.nodes[s.pick()]
	s.operate(func(ctx context.Context) { n.TransferLeadership(ctx, "") })
}

// operate gives an operation three seconds. What the leader has begun may go on.
func (s *sim) operate(f func(context.Context)) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		f(ctx)
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// join starts a node that is no member with an empty disk.
func (s *sim) join() {
	for _, id := range simIDs {
		if _, is := s.cfgs[id]; !is {
			cfg := s.configure(s.l.config(id, simIDs...))
			cfg.BootstrapExpect, cfg.Nonvoter = 0, s.rng.IntN(3) == 0
			s.cfgs[id] = cfg
			s.l.start(s.t, cfg)
			return
		}
	}
}

// remove takes a member out, which ends by itself when it learns of it; see sweep.
func (s *sim) remove() {
	n, id := s.l.nodes[s.pick()], s.pick()
	if len(n.voters()) > 3 {
		s.operate(func(ctx context.Context) { n.RemoveNode(ctx, id, false) })
	}
}

// clock sets one node's clock; the others' are about right then.
func (s *sim) clock() {
	for _, id := range simIDs {
		s.l.setClock(id, time.Duration(s.rng.IntN(400)-200)*time.Millisecond)
	}
	jumps := []time.Duration{year, 3 * time.Hour, time.Minute, 5 * time.Second, -20 * time.Minute}
	s.l.setClock(s.pick(), jumps[s.rng.IntN(len(jumps))])
}

// disk fills one disk or, as often, none.
func (s *sim) disk() {
	for _, f := range s.free {
		f.Store(1 << 40)
	}
	if s.rng.IntN(2) == 0 {
		s.free[s.pick()].Store(s.rng.Int64N(64 << 20))
	}
}

func (s *sim) snapshot() {
	n := s.l.nodes[s.pick()]
	go n.Snapshot() // it may wait for a configuration that is not committed
}

// sweep takes away the nodes that have ended because they were removed; none may
// end for another reason.
func (s *sim) sweep() {
	for _, id := range s.running() {
		err := s.l.nodes[id].Err()
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrRemoved) {
			s.t.Errorf("%s: %v", id, err)
		}
		s.l.kill(id)
		delete(s.cfgs, id)
		delete(s.free, id)
	}
}

// settle ends all faults and waits until everybody is what it should be.
func (s *sim) settle() {
	s.l.heal()
	for _, id := range simIDs {
		s.l.setClock(id, 0)
	}
	for _, f := range s.free {
		f.Store(1 << 40)
	}
	s.revive()
	<-time.After(5 * time.Second) // operations under way end
	for range 600 {
		s.sweep()
		<-time.After(100 * time.Millisecond)
		if !slices.ContainsFunc(s.running(), func(id string) bool { return !s.isSettled(id) }) {
			return
		}
	}
	for _, id := range s.running() {
		n := s.l.nodes[id]
		s.t.Logf("%s settled %v, stage %s, wants to be a nonvoter %v: %+v", id, s.isSettled(id), n.stage(), n.cfg.Nonvoter, n.Status())
	}
	s.t.Fatal("the members do not settle within a minute")
}

// isSettled reports whether a node is and stays a member, as the leader sees it.
func (s *sim) isSettled(id string) bool {
	n := s.l.nodes[id]
	to, _ := n.leader()
	leader := s.l.nodes[to]
	if !n.Ready() || n.LastContact() > time.Second || leader == nil || len(leader.office) > 0 {
		return false
	}
	m, is := leader.member(id)
	r, has, err := leader.memberRecord(id)
	return is && string(m.Address) == n.addr() && has && err == nil && !r.Removed
}

func (s *sim) check() {
	n := s.l.nodes[s.l.leaderOf(s.t, s.running()...)].Node
	propose(s.t, n, write(0))
	if d := ahead(n); d > 2*time.Minute || d < -time.Second {
		s.t.Errorf("the time is %v ahead", d)
	}
	for _, id := range s.running() {
		if !slices.ContainsFunc(n.members(), func(m raft.Server) bool { return string(m.ID) == id }) {
			s.t.Errorf("%s runs and is no member", id)
		}
	}
	s.clients.check(n)
	s.l.end(s.t)
}
