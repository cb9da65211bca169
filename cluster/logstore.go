package cluster

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// entryOverhead is what an entry costs on disk beside its data, roughly.
const entryOverhead = 64

// deleteSlice is how many entries one transaction deletes: bolt has one
// writer, so that a long one would hold up commits.
const deleteSlice = 4096

// logStore is raft's log with what the node needs to know about it: which
// entries are commands, how many bytes came since the last snapshot, and
// whether the disk still answers.
type logStore struct {
	raft.LogStore
	gaps   gaps
	tail   tail
	guard  guard
	onFull chan struct{} // capacity 1; signalled when fullAt bytes came since the last snapshot
	fullAt int64
	bytes  atomic.Int64 // of all entries seen, ever growing
	base   atomic.Int64 // bytes at the time of the last snapshot
}

// snapshotted says that a snapshot covers the log's first bytes.
func (l *logStore) snapshotted(bytes int64) { l.base.Store(bytes) }

// since returns how many bytes were written since the last snapshot.
func (l *logStore) since() int64 { return l.bytes.Load() - l.base.Load() }

func (l *logStore) isFull() bool { return l.since() >= l.fullAt }

// count takes note of an entry that is in the log.
func (l *logStore) count(e *raft.Log) {
	size := int64(len(e.Data)) + entryOverhead
	l.tail.note(e.Index, l.bytes.Add(size)-size)
	if e.Type != raft.LogCommand {
		l.gaps.add(e.Index, e.Index)
	}
}

// StoreLog is StoreLogs of one.
func (l *logStore) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs writes and syncs the entries. An error, or a write that overruns
// the deadline, fails the node: what is on disk then is not known.
func (l *logStore) StoreLogs(logs []*raft.Log) error {
	done := l.guard.begin("write the log")
	err := l.LogStore.StoreLogs(sealed(logs))
	if done(err) != nil {
		return err
	}
	for _, e := range logs {
		l.count(e)
	}
	if l.isFull() {
		select {
		case l.onFull <- struct{}{}:
		default:
		}
	}
	return nil
}

// sealed returns logs with a checksum in each configuration, which raft itself
// proposes; commands come with theirs. What raft passes is shared, hence copies.
func sealed(logs []*raft.Log) []*raft.Log {
	out := logs
	for i, e := range logs {
		if e.Type != raft.LogConfiguration || len(e.Extensions) > 0 {
			continue
		}
		if &out[0] == &logs[0] {
			out = slices.Clone(logs)
		}
		c := *e
		c.Extensions = sumOf(c.Type, c.Data)
		out[i] = &c
	}
	return out
}

// DeleteRange deletes lo..hi: a prefix that a snapshot covers, in slices, or
// the tail that a new leader overrules, at once.
func (l *logStore) DeleteRange(lo, hi uint64) error {
	last, err := l.LastIndex()
	if err != nil {
		return err
	}
	if hi >= last {
		if err := l.LogStore.DeleteRange(lo, hi); err != nil {
			return err
		}
		l.gaps.cut(lo)
		l.tail.cut(lo)
		return nil
	}
	l.gaps.drop(hi)
	for ; lo <= hi; lo += deleteSlice {
		if err := l.LogStore.DeleteRange(lo, min(lo+deleteSlice-1, hi)); err != nil {
			return err
		}
	}
	return nil
}

// IsMonotonic asks raft to empty the log when a snapshot overtakes it, rather
// than to leave a hole of indexes.
func (l *logStore) IsMonotonic() bool { return true }

// stableStore guards the writes of term and vote as logStore those of entries.
type stableStore struct {
	raft.StableStore
	guard guard
}

func (s stableStore) Set(key, val []byte) error {
	return s.guard.begin("write the vote")(s.StableStore.Set(key, val))
}

func (s stableStore) SetUint64(key []byte, val uint64) error {
	return s.guard.begin("write the term")(s.StableStore.SetUint64(key, val))
}

// guard watches single disk operations.
type guard struct {
	deadline time.Duration
	fail     func(error) // from any goroutine, more than once
}

// begin starts watching one operation; the returned function ends it and
// passes its error on.
func (g guard) begin(what string) func(error) error {
	timer := time.AfterFunc(g.deadline, func() {
		g.fail(fmt.Errorf("%s: the disk has not answered for %v", what, g.deadline))
	})
	return func(err error) error {
		timer.Stop()
		if err != nil {
			g.fail(fmt.Errorf("%s: %w", what, err))
		}
		return err
	}
}
