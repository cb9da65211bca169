package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// identity is node.json: what a node must remember beside log and vote. DiskID
// also stands in raft.db, so that neither is taken for another's. ClusterID is
// set once the node has been part of a cluster and caught up with it; from then
// on, missing data is a loss and not a fresh start.
type identity struct {
	Format    int    `json:"format"`
	NodeID    string `json:"node_id"`
	DiskID    string `json:"disk_id"`
	ClusterID string `json:"cluster_id,omitempty"`

	// Joining is the cluster that has accepted this node, until ClusterID is set.
	Joining string `json:"joining,omitempty"`
	// Promise is the founding that this node takes part in, and in no other.
	Promise *Promise `json:"promise,omitempty"`
	// Fulfilled says that the promised cluster exists and knows this disk, so that
	// members that joined later are heard, too.
	Fulfilled bool `json:"fulfilled,omitempty"`
	// Generation counts how often the cluster was recovered from a lost quorum,
	// as far as this node knows; members of different generations do not talk.
	Generation uint64 `json:"generation,omitempty"`
	// Recovery is what is left to do after an offline recovery.
	Recovery *recovery `json:"recovery,omitempty"`
}

// identityFormat is raised when a program that knows only the one before would
// misread a dir: 2 gave configurations a checksum, 3 has promises.
const identityFormat = 3

// oldestFormat is what can still be read.
const oldestFormat = 2

// IdentityStore keeps a node's identity: node.json, or a stand-in for it. Save
// is durable when it returns.
type IdentityStore interface {
	Load() ([]byte, error) // nil = there is none yet
	Save(text []byte) error
}

// memoryIdentity is kept for the life of one Node.
type memoryIdentity struct{ text []byte }

func (m *memoryIdentity) Load() ([]byte, error)  { return m.text, nil }
func (m *memoryIdentity) Save(text []byte) error { m.text = text; return nil }

var errNoIdentity = errors.New("it is not a node's identity")

// readIdentity decodes what an IdentityStore holds for nodeID.
func readIdentity(text []byte, nodeID string) (identity, error) {
	var id identity
	if err := json.Unmarshal(text, &id); err != nil || id.NodeID == "" || id.DiskID == "" {
		return id, errNoIdentity
	}
	if id.Format < oldestFormat || id.Format > identityFormat {
		return id, fmt.Errorf("identity has format %d: %w", id.Format, ErrIncompatible)
	}
	if id.NodeID != nodeID {
		return id, fmt.Errorf("it belongs to node %q, not to %q: %w", id.NodeID, nodeID, ErrForeignDir)
	}
	return id, nil
}

func newIdentity(nodeID string) identity {
	return identity{NodeID: nodeID, DiskID: newUUID()}
}

func saveIdentity(to IdentityStore, id identity) error {
	id.Format = identityFormat
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	return to.Save(append(text, '\n'))
}

// self is the identity of a running node. What it shows is durable.
type self struct {
	store IdentityStore

	mu sync.Mutex
	id identity // guarded by mu; what it points to never changes
}

// openSelf reads the identity of nodeID, or makes one.
func openSelf(from IdentityStore, nodeID string) (*self, error) {
	text, err := from.Load()
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	s := &self{store: from}
	if text == nil {
		s.id = newIdentity(nodeID)
		return s, saveIdentity(from, s.id)
	}
	s.id, err = readIdentity(text, nodeID)
	return s, err
}

func (s *self) get() identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// change lets f change the identity, which has happened once change returns
// nil. After an error of the disk, what is on it is not known; the node must
// not go on.
func (s *self) change(f func(*identity) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.id
	if err := f(&next); err != nil {
		return err
	}
	if next == s.id {
		return nil
	}
	if err := saveIdentity(s.store, next); err != nil {
		return &identityError{err}
	}
	s.id = next
	return nil
}

// identityError is a failed write of the identity.
type identityError struct{ err error }

func (e *identityError) Error() string { return "write identity: " + e.err.Error() }
func (e *identityError) Unwrap() error { return e.err }

// belong notes the cluster that the node has caught up with.
func (s *self) belong(cluster string) error {
	return s.change(func(id *identity) error {
		if id.ClusterID != "" && id.ClusterID != cluster {
			return fmt.Errorf("the data dir belongs to cluster %s, its log to cluster %s: %w", id.ClusterID, cluster, ErrForeignDir)
		}
		id.ClusterID, id.Joining = cluster, ""
		return nil
	})
}

// stageOf returns id's stage; hasState says that there is a log or a snapshot.
func stageOf(id identity, hasState bool) Stage {
	switch {
	case id.ClusterID != "":
		return InCluster
	case id.Joining != "":
		return Joining
	case id.Promise != nil:
		return Promised
	case hasState:
		return InCluster // the only member, or one of before there were promises
	}
	return Fresh
}

// owedBy says why a disk with this identity must have raft.db, "" if it may be
// a fresh one.
func owedBy(id identity) string {
	switch {
	case id.ClusterID != "":
		return "node.json says that the node is part of cluster " + id.ClusterID
	case id.Joining != "":
		return "node.json says that the node is joining cluster " + id.Joining
	case id.Promise != nil:
		return "node.json says that the node has promised to found cluster " + id.Promise.Cluster
	}
	return ""
}
