package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"
)

// memorySnapshots keeps the newest snapshot that was finished. Raft's own stand-in
// gives up the one before as soon as the next one is begun.
type memorySnapshots struct {
	mu     sync.Mutex
	meta   *raft.SnapshotMeta // guarded by mu; nil = none
	state  []byte             // guarded by mu
	serial int                // guarded by mu
}

func (s *memorySnapshots) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, ci uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return &memorySink{store: s, meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%d-%d-%d", term, index, s.serial), Index: index, Term: term, Configuration: c, ConfigurationIndex: ci,
	}}, nil
}

func (s *memorySnapshots) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta == nil {
		return nil, nil
	}
	return []*raft.SnapshotMeta{s.meta}, nil
}

func (s *memorySnapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta == nil || s.meta.ID != id {
		return nil, nil, errors.New("no such snapshot")
	}
	return s.meta, io.NopCloser(bytes.NewReader(s.state)), nil
}

type memorySink struct {
	bytes.Buffer
	store *memorySnapshots
	meta  raft.SnapshotMeta
}

func (k *memorySink) ID() string    { return k.meta.ID }
func (k *memorySink) Cancel() error { return nil }

func (k *memorySink) Close() error {
	k.store.mu.Lock()
	defer k.store.mu.Unlock()
	k.meta.Size = int64(k.Len())
	k.store.meta, k.store.state = &k.meta, k.Bytes()
	return nil
}
