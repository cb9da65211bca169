package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// NodeStatus is one member as the others see it.
type NodeStatus struct {
	ID         string
	Addr       string // of the node port
	ClientAddr string
	Voter      bool // by the configuration of the node that was asked

	// What the member says of itself, unless Problem says why it is not known.
	Problem      string
	State        string // as in Status
	Version      string
	Level        int // its feature level
	Ready        bool
	Term         uint64
	Applied      uint64 // revision of its store
	CommitIndex  uint64
	LastLogIndex uint64
	LastContact  time.Duration
	Clock        int64  // Unix nanoseconds, as the member sees it; 0 = not told
	DiskFull     bool   // it has too little room to lead
	Lag          uint64 // revisions behind the newest of those that answered

	Hash *StateHash // nil = not asked for, or not known
}

// statusTimeout is how long a member may take to say how it is.
const statusTimeout = time.Second

// Status says how this node is.
func (s *Service) Status(context.Context) (NodeStatus, error) { return s.node.ownStatus(), nil }

func (n *Node) ownStatus() NodeStatus {
	return NodeStatus{
		ID: n.cfg.NodeID, Addr: n.addr(), ClientAddr: n.cfg.ClientAddr, State: n.raft.State().String(), Version: n.cfg.Version, Level: n.cfg.Level,
		Ready: n.Ready(), Term: n.raft.CurrentTerm(), Applied: n.store.Revision(), CommitIndex: n.raft.CommitIndex(),
		LastLogIndex: n.raft.LastIndex(), LastContact: n.LastContact(), Clock: n.cfg.Now(), DiskFull: n.checkRoom(0, n.cfg.MinFreeDisk) != nil,
	}
}

// Nodes asks every member, in the order of their ids, how it is, which takes a second if one does not
// answer. With hash, all that answer also say the hash of their state at one
// common revision, which holds up their writers for as long as it takes to read
// everything.
func (n *Node) Nodes(ctx context.Context, hash bool) ([]NodeStatus, error) {
	members := slices.SortedFunc(slices.Values(n.members()), func(a, b raft.Server) int { return strings.Compare(string(a.ID), string(b.ID)) })
	nodes := make([]NodeStatus, len(members))
	n.each(members, func(i int, p Peer) {
		ctx, cancel := context.WithTimeout(ctx, statusTimeout)
		defer cancel()
		nodes[i] = n.statusOf(ctx, members[i], p)
	})
	var newest uint64
	for _, s := range nodes {
		newest = max(newest, s.Applied)
	}
	for i, s := range nodes {
		if s.Problem == "" {
			nodes[i].Lag = newest - s.Applied
		}
	}
	if !hash {
		return nodes, nil
	}
	return nodes, n.hashes(ctx, members, nodes)
}

// each calls f for every member at once; the peer of this node itself is nil.
func (n *Node) each(members []raft.Server, f func(i int, p Peer)) {
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() {
			if string(m.ID) == n.cfg.NodeID || !n.isRouted() {
				f(i, nil)
			} else {
				f(i, n.cfg.Peers.Peer(string(m.Address)))
			}
		})
	}
	wg.Wait()
}

func (n *Node) statusOf(ctx context.Context, m raft.Server, p Peer) NodeStatus {
	var s NodeStatus
	var err error
	switch {
	case string(m.ID) == n.cfg.NodeID:
		s = n.ownStatus()
	case p == nil:
		err = fmt.Errorf("this node has no port for other nodes")
	default:
		s, err = p.Status(ctx)
		if err == nil && s.ID != string(m.ID) {
			err = fmt.Errorf("node %q answers there", s.ID)
		}
	}
	if err != nil {
		s = NodeStatus{Problem: problem(err)}
	}
	s.ID, s.Addr, s.Voter = string(m.ID), string(m.Address), m.Suffrage == raft.Voter
	return s
}

// problem is err as a member's status tells it.
func problem(err error) string { return strings.ToValidUTF8(err.Error(), "?") }
