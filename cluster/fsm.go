package cluster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

// fsm feeds committed entries to the store. Raft calls ApplyBatch, Apply,
// Snapshot and Restore from one goroutine; none of them waits for the disk but
// Restore.
type fsm struct {
	store   *store.Store
	applied *applied
	log     *logStore
	snaps   *snapshotStore
	marks   *marks
	clock   *clock
	live    func() bool // what is applied now was committed a moment ago
}

// ApplyBatch returns a []store.Outcome for each command, nil for a
// configuration. An entry that is not what was proposed is a crash, not a skip.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	results := make([]any, len(logs))
	for i, l := range logs {
		if l.Type != raft.LogCommand {
			continue
		}
		if err := checkSum(l); err != nil {
			panic(fmt.Errorf("apply entry: %w", err))
		}
		results[i] = f.store.Apply(l.Index, l.Data)
		f.marks.look(l, f.store)
	}
	f.clock.saw(f.store.Time(), f.live())
	f.applied.advance()
	return results
}

// Apply is ApplyBatch of one.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// Snapshot pins the state; its cost does not grow with the tuples.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	f.snaps.mark(f.log.bytes.Load())
	return captured{f.store.Capture()}, nil
}

// Restore replaces the store's state with that of the snapshot that was opened
// last.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	if err := f.store.Restore(r); err != nil {
		return f.snaps.corrupt(err)
	}
	f.log.gaps.restored(f.snaps.opened(), f.store.Revision())
	f.clock.saw(f.store.Time(), false)
	f.applied.advance()
	return nil
}

// captured writes a pinned state beside the running store.
type captured struct{ state *store.Capture }

func (c captured) Persist(sink raft.SnapshotSink) error {
	if _, err := c.state.WriteTo(sink); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil // raft closes the sink, which syncs it
}

func (c captured) Release() {}

// Every command and configuration carries a checksum of its data and type in
// the entry's extensions: neither bolt nor Raft's transport has one.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumOf(t raft.LogType, data []byte) []byte {
	sum := crc32.Update(crc32.Checksum(data, castagnoli), castagnoli, []byte{byte(t)})
	return binary.LittleEndian.AppendUint32(nil, sum)
}

func checkSum(l *raft.Log) error {
	if !bytes.Equal(l.Extensions, sumOf(l.Type, l.Data)) {
		return fmt.Errorf("the checksum of entry %d does not match its data", l.Index)
	}
	return nil
}
