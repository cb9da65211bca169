package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// snapshotStore is raft's store of snapshots without its leniency: raft skips
// a snapshot that it cannot read and starts from an older one, which loses
// acknowledged writes once the log in between is gone. Here the newest
// snapshot is the only one, and if it is damaged, that is the answer.
type snapshotStore struct {
	raft.SnapshotStore
	dir string    // "" without files
	log *logStore // told when a snapshot is durable

	stop  chan struct{}                // closed by the node; nil = never
	room  func() error                 // nil, or why no more may be written; nil = there is always room
	trim  atomic.Pointer[func() error] // called before a snapshot is durable; nil = nobody
	sinks atomic.Int32                 // snapshots being written

	mu sync.Mutex // guards what follows

	marked  int64  // bytes of log when the snapshot under way was captured
	index   uint64 // of the snapshot opened last
	name    string // its file
	damaged error  // the first damage found
}

// openSnapshots opens the snapshots below dir, and removes those that were
// never finished.
func openSnapshots(dir string, logger hclog.Logger) (*snapshotStore, error) {
	s := &snapshotStore{dir: dir}
	if err := s.tidy(); err != nil {
		return nil, err
	}
	parent, base := filepath.Split(dir)
	if base != "snapshots" {
		return nil, fmt.Errorf("open snapshots: raft calls the dir %q, not %q", "snapshots", base)
	}
	files, err := raft.NewFileSnapshotStoreWithLogger(parent, retainSnapshots, logger)
	if err != nil {
		return nil, fmt.Errorf("open snapshots: %w", err)
	}
	s.SnapshotStore = files
	return s, nil
}

// tidy removes unfinished snapshots and checks that every other one is
// readable by name and meta data, which raft does not insist on.
func (s *snapshotStore) tidy() error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open snapshots: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		switch {
		case !e.IsDir():
		case strings.HasSuffix(e.Name(), ".tmp"):
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("open snapshots: %w", err)
			}
		default:
			if err := checkMeta(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkMeta checks meta.json of the snapshot in dir against its seal. One
// without a seal is whole, for raft moves it into place after syncing it; the
// process ended before it sealed it.
func checkMeta(dir string) error {
	var meta raft.SnapshotMeta
	name := filepath.Join(dir, "meta.json")
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &meta)
	}
	if err == nil && meta.ID != filepath.Base(dir) {
		err = errors.New("it does not describe the snapshot beside it")
	}
	if err == nil {
		var sum []byte
		sum, err = os.ReadFile(filepath.Join(dir, sealFile))
		switch {
		case errors.Is(err, os.ErrNotExist):
			err = seal(dir)
		case err == nil && string(sum) != sealOf(text):
			err = errors.New("its checksum does not match")
		}
	}
	if err != nil {
		return &CorruptError{name, err, snapshotFix}
	}
	return nil
}

// sealFile holds the checksum of meta.json, which raft keeps for state.bin
// only; a wrong configuration is as bad as wrong tuples.
const sealFile = "meta.sum"

func sealOf(meta []byte) string {
	return fmt.Sprintf("crc32c %08x\n", crc32.Checksum(meta, castagnoli))
}

// seal writes the checksum of meta.json and makes the directory durable.
func seal(dir string) error {
	meta, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(dir, sealFile), []byte(sealOf(meta))); err != nil {
		return err
	}
	return syncDir(dir)
}

const snapshotFix = "if a newer snapshot stands beside it, move its directory away; else " + corruptFix

// List returns the newest snapshot only.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	all, err := s.SnapshotStore.List()
	return all[:min(1, len(all))], err
}

// newest returns the index up to which the newest snapshot covers the log.
func (s *snapshotStore) newest() (uint64, error) {
	meta, err := s.newestMeta()
	return meta.Index, err
}

// newestMeta describes the newest snapshot; its zero value = there is none.
func (s *snapshotStore) newestMeta() (raft.SnapshotMeta, error) {
	all, err := s.List()
	if err != nil || len(all) == 0 {
		return raft.SnapshotMeta{}, err
	}
	return *all[0], nil
}

// Open verifies the checksum of the snapshot and opens it.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, r, err := s.SnapshotStore.Open(id)
	s.mu.Lock()
	s.name = id
	if s.dir != "" {
		s.name = filepath.Join(s.dir, id, "state.bin")
	}
	if err == nil {
		s.index = meta.Index
	}
	s.mu.Unlock()
	if err != nil {
		return nil, nil, s.corrupt(err)
	}
	return meta, r, nil
}

// opened returns the index of the snapshot opened last.
func (s *snapshotStore) opened() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index
}

// corrupt makes err say which file it is about, and keeps the first one:
// raft only logs it.
func (s *snapshotStore) corrupt(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &CorruptError{s.name, err, snapshotFix}
	if s.damaged == nil {
		s.damaged = e
	}
	return e
}

func (s *snapshotStore) damage() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damaged
}

// mark notes how far the log had grown when a snapshot was captured.
func (s *snapshotStore) mark(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marked = bytes
}

// Create begins a snapshot.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, ci uint64, t raft.Transport) (raft.SnapshotSink, error) {
	sink, err := s.SnapshotStore.Create(version, index, term, c, ci, t)
	if err != nil {
		return nil, err
	}
	s.sinks.Add(1)
	return &snapshotSink{SnapshotSink: sink, store: s}, nil
}

// busy reports whether a snapshot is being written.
func (s *snapshotStore) busy() bool { return s.sinks.Load() > 0 }

// snapshotSink is one snapshot being written. Raft uses it from one goroutine
// and ends it with Close or Cancel.
type snapshotSink struct {
	raft.SnapshotSink
	store *snapshotStore
	done  bool
	ahead int // bytes that may be written before the disk is looked at again
}

// roomStep is how many bytes of a snapshot are written between looks at the disk.
const roomStep = 1 << 20

// Write refuses to go on once the node stops: raft then removes the snapshot,
// and Close need not wait for the rest of it. So does a disk that is filling up,
// which the log needs more.
func (k *snapshotSink) Write(p []byte) (int, error) {
	select {
	case <-k.store.stop:
		return 0, errAbandoned
	default:
	}
	if k.ahead -= len(p); k.ahead < 0 && k.store.room != nil {
		if err := k.store.room(); err != nil {
			return 0, err
		}
		k.ahead = roomStep
	}
	return k.SnapshotSink.Write(p)
}

// errAbandoned ends a snapshot that is being written when the node stops.
var errAbandoned = errors.New("the node stops; its log has what the snapshot would")

// end reports whether it is the first of Close and Cancel; later ones do nothing.
func (k *snapshotSink) end() bool {
	if k.done {
		return false
	}
	k.done = true
	return true
}

// Cancel removes the snapshot.
func (k *snapshotSink) Cancel() error {
	if !k.end() {
		return nil
	}
	defer k.store.sinks.Add(-1)
	return k.SnapshotSink.Cancel()
}

// Close makes the snapshot durable; raft then deletes the log it covers.
func (k *snapshotSink) Close() error {
	if !k.end() {
		return nil
	}
	s := k.store
	defer s.sinks.Add(-1)
	if trim := s.trim.Load(); trim != nil {
		if err := (*trim)(); err != nil {
			return errors.Join(err, k.SnapshotSink.Cancel())
		}
	}
	if err := k.SnapshotSink.Close(); err != nil {
		return err
	}
	if s.dir != "" {
		if err := seal(filepath.Join(s.dir, k.ID())); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil {
		s.log.snapshotted(s.marked)
	}
	return nil
}
