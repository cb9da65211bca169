//go:build faults

package cluster

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/internal/faulty"
)

// injected returns c with what package faulty is asked for.
func injected(c Config) Config {
	if c.Now == nil {
		start := time.Now()
		c.Now = func() int64 { return time.Now().UnixNano() }
		c.Mono = func() int64 { return int64(time.Since(start)) }
	}
	c.Now = faulty.Clock(c.Now)
	if bytes, err := strconv.ParseInt(faulty.Setting("SNAPSHOT_BYTES"), 10, 64); err == nil {
		c.SnapshotBytes, c.TrailingBytes = bytes, 1
	}
	inner := c.WrapLog
	c.WrapLog = func(l raft.LogStore) raft.LogStore {
		if inner != nil {
			l = inner(l)
		}
		l = &faultyLog{LogStore: l}
		if faulty.EarlyAck {
			l = &lazyLog{LogStore: l}
		}
		return l
	}
	return c
}

// faultyLog is a log on a disk that is slow, or whose sync fails.
type faultyLog struct{ raft.LogStore }

func (l *faultyLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs may write the entries and fail all the same.
func (l *faultyLog) StoreLogs(logs []*raft.Log) error {
	if text, slow := faulty.Control("slow"); slow {
		if d, err := time.ParseDuration(text); err == nil {
			time.Sleep(d)
		}
	}
	_, fails := faulty.Control("sync-error")
	if fails && rand.IntN(2) == 0 {
		return syscall.EIO
	}
	err := l.LogStore.StoreLogs(logs)
	if fails {
		return syscall.EIO
	}
	return err
}

// lazyLag is how much later than it says a lazyLog writes.
const lazyLag = 50 * time.Millisecond

// lazyLog says that entries are durable when they are in memory.
type lazyLog struct {
	raft.LogStore

	mu      sync.Mutex // guards what follows, and the order of writes
	pending []*raft.Log
	timer   *time.Timer
}

func (l *lazyLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

func (l *lazyLog) StoreLogs(logs []*raft.Log) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, logs...)
	if l.timer == nil {
		l.timer = time.AfterFunc(lazyLag, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.flush()
		})
	}
	return nil
}

// flush writes what is pending; mu is held.
func (l *lazyLog) flush() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if len(l.pending) == 0 {
		return
	}
	if err := l.LogStore.StoreLogs(l.pending); err != nil {
		panic(err)
	}
	l.pending = nil
}

func (l *lazyLog) GetLog(index uint64, out *raft.Log) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.pending {
		if e.Index == index {
			*out = *e
			return nil
		}
	}
	return l.LogStore.GetLog(index, out)
}

func (l *lazyLog) FirstIndex() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, err := l.LogStore.FirstIndex()
	if err == nil && first == 0 && len(l.pending) > 0 {
		first = l.pending[0].Index
	}
	return first, err
}

func (l *lazyLog) LastIndex() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.pending); n > 0 {
		return l.pending[n-1].Index, nil
	}
	return l.LogStore.LastIndex()
}

func (l *lazyLog) DeleteRange(lo, hi uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	return l.LogStore.DeleteRange(lo, hi)
}

// slowNetwork delays votes and entries, not heartbeats: answers to its own
// requests for votes by a random time between two that the control file
// "slow-votes" has, and what goes to the address in "slow-to" by the time there.
type slowNetwork struct{ *raft.NetworkTransport }

func injectedTransport(t *raft.NetworkTransport) raft.Transport { return &slowNetwork{t} }

func dawdle(target raft.ServerAddress) {
	text, _ := faulty.Control("slow-to")
	if addr, lag, ok := strings.Cut(text, " "); ok && addr == string(target) {
		if d, err := time.ParseDuration(lag); err == nil {
			time.Sleep(d)
		}
	}
}

func (s *slowNetwork) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	dawdle(target)
	err := s.NetworkTransport.RequestVote(id, target, args, resp)
	text, _ := faulty.Control("slow-votes")
	least, most, _ := strings.Cut(text, " ")
	lo, loErr := time.ParseDuration(least)
	hi, hiErr := time.ParseDuration(most)
	if loErr == nil && hiErr == nil && lo < hi {
		time.Sleep(lo + rand.N(hi-lo))
	}
	return err
}

func (s *slowNetwork) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if heartbeat := args.PrevLogEntry == 0 && len(args.Entries) == 0 && args.LeaderCommitIndex == 0; !heartbeat {
		dawdle(target)
	}
	return s.NetworkTransport.AppendEntries(id, target, args, resp)
}

// moveHorizonHere moves the horizon of this node alone.
func (n *Node) moveHorizonHere(goal uint64) { n.store.MoveHorizon(goal) }
