package testcluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/cluster"
)

// disk is what a node keeps over its restarts.
type disk struct {
	raft      *raft.InmemStore
	snapshots *snapshots
	identity  *identity
}

func newDisk() *disk { return &disk{raft.NewInmemStore(), &snapshots{}, &identity{}} }

// mount gives the disk to a run of the node. What is left of the one before
// changes its identity no more.
func (d *disk) mount() *cluster.Disk {
	d.identity.mu.Lock()
	defer d.identity.mu.Unlock()
	d.identity.run++
	return &cluster.Disk{Log: d.raft, Stable: d.raft, Snapshots: d.snapshots, Identity: identityOf{d.identity, d.identity.run}}
}

type identity struct {
	mu   sync.Mutex
	text []byte // guarded by mu
	run  int    // guarded by mu
}

// identityOf is the identity as one run sees it.
type identityOf struct {
	*identity
	run int
}

func (i identityOf) Load() ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.text, nil
}

func (i identityOf) Save(text []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.run != i.identity.run {
		return errors.New("the process is gone")
	}
	i.text = text
	return nil
}

// snapshots keeps the newest snapshot that was finished.
type snapshots struct {
	mu     sync.Mutex
	meta   *raft.SnapshotMeta // guarded by mu; nil = none
	state  []byte             // guarded by mu
	serial int                // guarded by mu
}

func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, ci uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return &sink{of: s, meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%d-%d-%d", term, index, s.serial), Index: index, Term: term, Configuration: c, ConfigurationIndex: ci,
	}}, nil
}

func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta == nil {
		return nil, nil
	}
	return []*raft.SnapshotMeta{s.meta}, nil
}

func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta == nil || s.meta.ID != id {
		return nil, nil, errors.New("no such snapshot")
	}
	return s.meta, io.NopCloser(bytes.NewReader(s.state)), nil
}

// sink is a snapshot being written.
type sink struct {
	bytes.Buffer
	of   *snapshots
	meta raft.SnapshotMeta
}

func (k *sink) ID() string    { return k.meta.ID }
func (k *sink) Cancel() error { return nil }

func (k *sink) Close() error {
	k.of.mu.Lock()
	defer k.of.mu.Unlock()
	k.meta.Size = int64(k.Len())
	k.of.meta, k.of.state = &k.meta, k.Bytes()
	return nil
}

// HasSnapshot reports whether a node has finished one.
func (l *Lab) HasSnapshot(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, _ := l.disks[id].snapshots.List()
	return len(all) > 0
}
