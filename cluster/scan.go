package cluster

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/raft"
)

// scanner reads the whole log once, before raft does: it verifies every entry
// and counts them in log. What raft would panic on, silently skip or wait on
// for ever, is a CorruptError here.
type scanner struct {
	log    *logStore
	stable raft.StableStore
	nodeID string
	file   string // what errors call the log
	alone  bool   // nobody can make the node a member any more

	snap    raft.SnapshotMeta  // the newest; zero = none
	members raft.Configuration // the latest
	term    uint64             // the highest of log and snapshot
}

func (s *scanner) scan(snaps *snapshotStore) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
		if err != nil && !errors.As(err, new(*CorruptError)) {
			err = &CorruptError{s.file, err, corruptFix}
		}
	}()
	if s.snap, err = snaps.newestMeta(); err != nil {
		return err
	}
	s.members, s.term = s.snap.Configuration, s.snap.Term
	first, err := s.log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := s.log.LastIndex()
	if err != nil {
		return err
	}
	if last == 0 && s.snap.Index == 0 {
		return nil
	}
	if last > s.snap.Index && first > s.snap.Index+1 {
		return fmt.Errorf("entries %d to %d are in neither the log nor a snapshot", s.snap.Index+1, first-1)
	}
	if last > 0 {
		if err := s.entries(first, last); err != nil {
			return err
		}
	}
	return s.checkMember()
}

// entries checks and counts first..last; those that the snapshot covers may be
// absent.
func (s *scanner) entries(first, last uint64) error {
	var term uint64
	for i := first; i <= last; i++ {
		var e raft.Log
		err := s.log.GetLog(i, &e)
		if errors.Is(err, raft.ErrLogNotFound) && i <= s.snap.Index {
			continue
		}
		if err == nil {
			err = checkEntry(&e, i, term)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		term = e.Term
		if i <= s.snap.Index {
			continue
		}
		s.log.count(&e)
		if e.Type == raft.LogConfiguration {
			s.members = raft.DecodeConfiguration(e.Data) // panics on garbage
		}
	}
	s.term = max(s.term, term)
	return nil
}

// checkMember checks that raft can go on from here: the term is not behind
// what was written in it, and the node is a member, or it would wait for a
// leader for ever.
func (s *scanner) checkMember() error {
	current, err := s.stable.GetUint64([]byte("CurrentTerm"))
	if err != nil || current < s.term {
		return fmt.Errorf("the current term %d is older than the data's %d (%v)", current, s.term, err)
	}
	if !s.alone {
		return nil
	}
	isSelf := func(m raft.Server) bool { return m.ID == raft.ServerID(s.nodeID) }
	if !slices.ContainsFunc(s.members.Servers, isSelf) {
		return fmt.Errorf("node %q is not a member of the cluster, by the latest configuration in log and snapshot", s.nodeID)
	}
	return nil
}

func checkEntry(e *raft.Log, index, lastTerm uint64) error {
	switch {
	case e.Index != index:
		return fmt.Errorf("it says that it is entry %d", e.Index)
	case e.Term < lastTerm:
		return fmt.Errorf("its term %d is older than its predecessor's", e.Term)
	}
	switch e.Type {
	case raft.LogCommand, raft.LogConfiguration:
		return checkSum(e)
	case raft.LogNoop, raft.LogBarrier:
		if len(e.Data) > 0 {
			return fmt.Errorf("its type %v has no data, but it does", e.Type)
		}
		return nil
	}
	return fmt.Errorf("its type %v is not known", e.Type)
}
