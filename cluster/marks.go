package cluster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

// StateHash is the hash of a store's state at a revision; see store.Hash.
type StateHash struct {
	Revision uint64
	Sum      [32]byte
}

// String is the hash in hex.
func (h StateHash) String() string { return hex.EncodeToString(h.Sum[:]) }

// marks lets all members hash their state at one and the same revision while
// writes go on: each is told to wait for a marker, then the marker is written,
// and each hashes what it has right after that entry.
type marks struct {
	waiting atomic.Int32 // so that an entry costs nothing while nobody waits

	mu sync.Mutex
	by map[string]*mark // guarded by mu; by marker
}

type mark struct {
	done chan struct{} // closed after hash is set
	hash StateHash
}

const (
	maxMarks    = 8
	markTimeout = time.Minute // after which nobody asks for a mark any more
)

// Mark makes this node hash its state when it applies the write of marker.
func (s *Service) Mark(_ context.Context, marker string) error {
	m := &s.node.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.by) >= maxMarks {
		return notProposed(ErrOverloaded)
	}
	if m.by == nil {
		m.by = map[string]*mark{}
	}
	m.by[marker] = &mark{done: make(chan struct{})}
	m.waiting.Add(1)
	time.AfterFunc(markTimeout, func() { m.drop(marker) })
	return nil
}

func (m *marks) drop(marker string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.by[marker]; ok {
		delete(m.by, marker)
		m.waiting.Add(-1)
	}
}

// Hash waits until marker is applied and returns the hash.
func (s *Service) Hash(ctx context.Context, marker string) (StateHash, error) {
	m := &s.node.marks
	defer m.drop(marker)
	m.mu.Lock()
	k := m.by[marker]
	m.mu.Unlock()
	if k == nil {
		return StateHash{}, errors.New("nobody asked for this hash, or too long ago")
	}
	select {
	case <-k.done:
		return k.hash, nil
	case <-ctx.Done():
		return StateHash{}, context.Cause(ctx)
	case <-s.node.stop:
		return StateHash{}, ErrClosed
	}
}

// look hashes s if the entry just applied writes a marker that is waited for.
func (m *marks) look(e *raft.Log, s *store.Store) {
	if m.waiting.Load() == 0 {
		return
	}
	entry, err := store.DecodeEntry(e.Data)
	if err != nil {
		return // it would not have been applied
	}
	for _, c := range entry.Commands {
		if c.Tenant == ownTenant && len(c.Records) == 1 && c.Records[0].Key == markKey {
			m.reach(string(c.Records[0].Value), s)
		}
	}
}

func (m *marks) reach(marker string, s *store.Store) {
	m.mu.Lock()
	k := m.by[marker]
	m.mu.Unlock()
	if k == nil {
		return
	}
	k.hash.Revision, k.hash.Sum = s.Hash()
	close(k.done)
}

// hasher is a member that hashes its state: another one, or this node.
type hasher interface {
	Mark(ctx context.Context, marker string) error
	Hash(ctx context.Context, marker string) (StateHash, error)
}

// hashes fills in the hashes of those nodes that answer.
func (n *Node) hashes(ctx context.Context, members []raft.Server, nodes []NodeStatus) error {
	if !n.isRouted() {
		i := slices.IndexFunc(nodes, func(s NodeStatus) bool { return s.ID == n.cfg.NodeID })
		rev, sum := n.store.Hash()
		nodes[i].Hash = &StateHash{rev, sum}
		return nil
	}
	marker := newUUID()
	n.hashers(members, nodes, func(h hasher, _ *NodeStatus) error { return h.Mark(ctx, marker) })
	if err := n.writeMark(ctx, marker); err != nil {
		return fmt.Errorf("mark a revision: %w", err)
	}
	n.hashers(members, nodes, func(h hasher, s *NodeStatus) error {
		hash, err := h.Hash(ctx, marker)
		if err == nil {
			s.Hash = &hash
		}
		return err
	})
	return nil
}

// hashers calls f for all members without a problem at once; an error of f is
// one.
func (n *Node) hashers(members []raft.Server, nodes []NodeStatus, f func(hasher, *NodeStatus) error) {
	n.each(members, func(i int, p Peer) {
		var h hasher = &Service{n}
		if p != nil {
			h = p
		}
		if nodes[i].Problem != "" {
			return
		}
		if err := f(h, &nodes[i]); err != nil {
			nodes[i].Problem = problem(err)
		}
	})
}

func (n *Node) writeMark(ctx context.Context, marker string) error {
	out, err := n.Propose(ctx, store.Command{
		Kind: store.KindWrite, Tenant: ownTenant, Actor: actor,
		Records: []store.RecordUpdate{{Key: markKey, Value: []byte(marker)}},
	})
	if err != nil {
		return err
	}
	return out.Err()
}
