package cluster

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// scan reads the whole log once, before raft does: it verifies every entry and
// counts them in l. What raft would panic on, or silently skip, is a
// CorruptError here.
func scan(l *logStore, stable raft.StableStore, snaps *snapshotStore, name string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
		if err != nil && !errors.As(err, new(*CorruptError)) {
			err = &CorruptError{name, err, corruptFix}
		}
	}()
	covered, err := snaps.newest()
	if err != nil {
		return err
	}
	first, err := l.FirstIndex()
	if err != nil {
		return err
	}
	last, err := l.LastIndex()
	if err != nil || last == 0 {
		return err
	}
	if last > covered && first > covered+1 {
		return fmt.Errorf("entries %d to %d are in neither the log nor a snapshot", covered+1, first-1)
	}
	term, err := scanEntries(l, first, last, covered)
	if err != nil {
		return err
	}
	current, err := stable.GetUint64([]byte("CurrentTerm"))
	if err != nil || current < term {
		return fmt.Errorf("the current term %d is older than the log's %d (%v)", current, term, err)
	}
	return nil
}

// scanEntries checks and counts first..last; those that a snapshot covers may
// be absent. It returns the last entry's term.
func scanEntries(l *logStore, first, last, covered uint64) (term uint64, err error) {
	for i := first; i <= last; i++ {
		var e raft.Log
		err := l.GetLog(i, &e)
		if errors.Is(err, raft.ErrLogNotFound) && i <= covered {
			continue
		}
		if err == nil {
			err = checkEntry(&e, i, term)
		}
		if err != nil {
			return 0, fmt.Errorf("entry %d: %w", i, err)
		}
		term = e.Term
		if i > covered {
			l.count(&e)
		}
	}
	return term, nil
}

func checkEntry(e *raft.Log, index, lastTerm uint64) error {
	switch {
	case e.Index != index:
		return fmt.Errorf("it says that it is entry %d", e.Index)
	case e.Term < lastTerm:
		return fmt.Errorf("its term %d is older than its predecessor's", e.Term)
	case e.Type == raft.LogCommand:
		return checkSum(e)
	case e.Type == raft.LogConfiguration:
		raft.DecodeConfiguration(e.Data) // panics on garbage
	case e.Type != raft.LogNoop && e.Type != raft.LogBarrier:
		return fmt.Errorf("its type %v is not known", e.Type)
	}
	return nil
}
