package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

// gate is a log whose writes can be held up or made to fail.
type gate struct {
	raft.LogStore
	hold    atomic.Pointer[chan struct{}] // a write waits until it closes
	err     atomic.Pointer[error]
	entries atomic.Int64
}

func (g *gate) StoreLogs(logs []*raft.Log) error {
	if c := g.hold.Load(); c != nil {
		<-*c
	}
	if err := g.err.Load(); err != nil {
		return *err
	}
	g.entries.Add(int64(len(logs)))
	return g.LogStore.StoreLogs(logs)
}

// shut holds up all writes until the returned function is called.
func (g *gate) shut() (open func()) {
	c := make(chan struct{})
	g.hold.Store(&c)
	return sync.OnceFunc(func() {
		g.hold.Store(nil)
		close(c)
	})
}

// gated is a node in memory with a gate in its log.
func gated(t testing.TB, change func(*Config)) (*Node, *gate) {
	t.Helper()
	g := &gate{}
	cfg := quiet("")
	cfg.Disk = inMemory()
	cfg.WrapLog = func(l raft.LogStore) raft.LogStore {
		g.LogStore = l
		return g
	}
	if change != nil {
		change(&cfg)
	}
	return open(t, cfg), g
}

func TestPropose_ConcurrentWritersShareEntries(t *testing.T) {
	n := open(t, quiet(fastDir(t)))
	before := n.Store().Revision()
	const writers, each = 64, 20
	var wg sync.WaitGroup
	revs := make([]uint64, writers)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				out, err := n.Propose(t.Context(), write(w*each+i))
				if err != nil || out.Code != store.OK || out.Revision <= revs[w] {
					t.Errorf("writer %d: %+v, %v", w, out, err)
					return
				}
				revs[w] = out.Revision
			}
		})
	}
	wg.Wait()
	entries := n.Store().Revision() - before
	if entries > writers*each/4 {
		t.Errorf("%d writes took %d entries", writers*each, entries)
	}
	for i := range writers * each {
		if !has(t, n, i) {
			t.Errorf("write %d is lost", i)
		}
	}
}

func TestPropose_EachCallerGetsItsOwnOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, g := gated(t, nil)
		open := g.shut()
		codes := make([]store.Code, 10)
		var wg sync.WaitGroup
		for i := range codes {
			wg.Go(func() {
				c := write(i)
				if i%2 == 1 {
					c.Tenant = "nobody"
				}
				out, err := n.Propose(t.Context(), c)
				if err != nil {
					t.Error(err)
				}
				codes[i] = out.Code
			})
		}
		synctest.Wait()
		open()
		wg.Wait()
		for i, got := range codes {
			if want := [2]store.Code{store.OK, store.CodeTenantUnknown}[i%2]; got != want {
				t.Errorf("caller %d: %v", i, got)
			}
		}
		closed(t, n)
	})
}

func TestPropose_GroupsUpToLimits(t *testing.T) {
	q := &proposer{node: &Node{cfg: Config{MaxQueued: 1000}}, wake: make(chan struct{}, 1)}
	add := func(size int) {
		if err := q.add(&proposal{data: make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		add(10)
	}
	add(maxGroupBytes * 2)
	add(maxGroupBytes - 10)
	add(10)
	add(1)
	var got []int
	for group := q.take(); group != nil; group = q.take() {
		got = append(got, len(group))
	}
	if fmt.Sprint(got) != "[128 72 1 2 1]" || q.bytes != 0 {
		t.Errorf("groups %v, %d bytes left", got, q.bytes)
	}
}

// A caller that leaves before its command is taken is told that it did not
// happen; one that leaves later, that nobody knows.
func TestPropose_LeavingCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, g := gated(t, nil)
		open := g.shut()
		why := errors.New("lost interest")
		ctx, leave := context.WithCancelCause(t.Context())
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = n.Propose(ctx, write(i)) })
			synctest.Wait() // maxInFlight groups of one are taken, then the queue grows
		}
		leave(why)
		wg.Wait()
		for i, err := range errs {
			want := ErrNotProposed
			if i < maxInFlight {
				want = ErrUnknownOutcome
			}
			if !errors.Is(err, want) || !errors.Is(err, why) {
				t.Errorf("caller %d: %v, want %v", i, err, want)
			}
		}
		open()
		propose(t, n, write(9))
		for i := range errs {
			if got, want := has(t, n, i), i < maxInFlight; got != want {
				t.Errorf("write %d happened: %v, want %v", i, got, want)
			}
		}
		closed(t, n)
	})
}

func TestPropose_RequestIDTakesEffectOnceAcrossRestart(t *testing.T) {
	cfg := quiet(fastDir(t))
	n := open(t, cfg)
	c := write(1)
	c.RequestID = requestID(time.Now())
	c.Updates[0].Op = store.OpCreate
	first := propose(t, n, c)
	if again := propose(t, n, c); !again.Replayed || again.Revision != first.Revision {
		t.Errorf("again: %+v, first %+v", again, first)
	}
	closed(t, n)
	n = open(t, cfg)
	if again := propose(t, n, c); !again.Replayed || again.Revision != first.Revision {
		t.Errorf("after restart: %+v, first %+v", again, first)
	}
}

// requestID returns a UUIDv7 made at that time.
func requestID(at time.Time) string {
	ms := at.UnixMilli()
	return fmt.Sprintf("%08x-%04x-7000-8000-000000000001", ms>>16, ms&0xffff)
}

func TestPropose_RefusesWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, g := gated(t, func(c *Config) { c.MaxQueued = 2 })
		big := write(1)
		big.Records = []store.RecordUpdate{{Key: "big", Value: make([]byte, store.MaxCommandBytes)}}
		if _, err := n.Propose(t.Context(), big); !errors.Is(err, ErrTooLarge) || !errors.Is(err, ErrNotProposed) {
			t.Errorf("large command: %v", err)
		}
		open := g.shut()
		var wg sync.WaitGroup
		for i := range maxInFlight + 2 {
			wg.Go(func() { propose(t, n, write(i)) })
			synctest.Wait()
		}
		if _, err := n.Propose(t.Context(), write(9)); !errors.Is(err, ErrOverloaded) || !errors.Is(err, ErrNotProposed) {
			t.Errorf("full queue: %v", err)
		}
		open()
		wg.Wait()
		closed(t, n)
	})
}

func TestPropose_AlmostFullDiskRefusesWritesNotReads(t *testing.T) {
	var free atomic.Int64
	free.Store(1 << 30)
	cfg := quiet(fastDir(t))
	cfg.FreeDisk = func() (int64, error) { return free.Load(), nil }
	n := open(t, cfg)
	propose(t, n, write(1))
	free.Store(63 << 20)
	_, err := n.Propose(t.Context(), write(2))
	if !errors.Is(err, ErrDiskFull) || !errors.Is(err, ErrNotProposed) || !strings.Contains(err.Error(), "63 MiB free") {
		t.Errorf("write: %v", err)
	}
	if _, err := n.ReadIndex(t.Context()); err != nil || !has(t, n, 1) {
		t.Errorf("read: %v", err)
	}
	free.Store(1 << 30)
	propose(t, n, write(2))
}

func TestPropose_TimeNeverRunsBackwards(t *testing.T) {
	var now atomic.Int64
	now.Store(1_000)
	cfg := quiet(fastDir(t))
	cfg.Now = now.Load
	n := open(t, cfg)
	now.Store(10)
	propose(t, n, write(1))
	if got := n.Store().Time(); got != 1_000 {
		t.Errorf("time %d", got)
	}
}

func TestProposeError_KnowsWhatIsCertain(t *testing.T) {
	for err, want := range map[error]error{
		raft.ErrNotLeader:                    ErrNotProposed,
		raft.ErrLeadershipTransferInProgress: ErrNotProposed,
		raft.ErrEnqueueTimeout:               ErrNotProposed,
		raft.ErrLeadershipLost:               ErrUnknownOutcome,
		raft.ErrAbortedByRestore:             ErrUnknownOutcome,
		raft.ErrRaftShutdown:                 ErrUnknownOutcome,
		errors.New("input/output error"):     ErrUnknownOutcome,
	} {
		if got := proposeError(err); !errors.Is(got, want) || !errors.Is(got, err) {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
