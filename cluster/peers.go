package cluster

import (
	"context"
	"net"

	"github.com/pemba-authz/pemba/store"
)

// Peers asks other members, and answers what they ask. Package api/node does
// so over gRPC; tests have one in memory.
type Peers interface {
	// Serve begins to answer what arrives on lis by means of s, and to connect
	// through dial. Both are nil without a node port. Called once, first.
	Serve(s *Service, lis net.Listener, dial DialFunc)
	// Peer returns the member whose node port is at addr. It does not connect.
	Peer(addr string) Peer
	// Close stops both, letting answers under way leave for a moment.
	Close() error
}

// DialFunc connects to the node service of the member at addr.
type DialFunc func(ctx context.Context, addr string) (net.Conn, error)

// Peer is another member, asked over the node port. Unless a method says
// otherwise, an error means that nothing is known about what happened.
type Peer interface {
	// Propose opens an ordered stream of commands to the member; ctx is the
	// stream's life. With an error, nothing has been sent.
	Propose(ctx context.Context) (Proposals, error)
	// ReadIndex is Service.ReadIndex.
	ReadIndex(ctx context.Context) (uint64, error)
	// Sight is Service.Sight.
	Sight(ctx context.Context) (Sighting, error)
	// Promise is Service.Promise. ErrNotProposed means that it was refused.
	Promise(ctx context.Context, p Promise) error
	// Join is Service.Join.
	Join(ctx context.Context, r JoinRequest) (Joined, error)
	// Invite is Service.Invite.
	Invite(ctx context.Context, addr string) error
	// Operate is Service.Operate.
	Operate(ctx context.Context, o Operation) (string, error)
	// Status is Service.Status.
	Status(ctx context.Context) (NodeStatus, error)
	// Mark is Service.Mark.
	Mark(ctx context.Context, marker string) error
	// Hash is Service.Hash.
	Hash(ctx context.Context, marker string) (StateHash, error)
}

// Proposals is a stream of commands to a leader. Send and Recv may be called
// from different goroutines, each from one.
type Proposals interface {
	// Send hands over commands, encoded as one store entry, to be proposed in
	// order after those of earlier calls. After an error it is not known what
	// has arrived.
	Send(entry []byte) error
	// Recv returns what the oldest unanswered Send came to, one result a
	// command. After an error nobody knows any more.
	Recv() ([]Result, error)
}

// Result is how one command of a Send ended: an outcome, or an error as of
// Node.Propose.
type Result struct {
	Outcome store.Outcome
	Err     error
}

// Discovery finds nodes by their client addresses, which is all that somebody
// who starts a node has to know.
type Discovery interface {
	// Discover asks every node that addr, a HOST:PORT, leads to. Names are
	// resolved anew each time. Nodes that do not answer are left out; the error
	// is why there are none.
	Discover(ctx context.Context, addr string) ([]Sighting, error)
}

// Sighting is what a node says of itself to anybody who asks.
type Sighting struct {
	NodeID string
	DiskID string
	Addr   string // of its node port

	Stage     Stage
	ClusterID string // of its cluster, or of the one that it founds or joins
	Proposer  string // id of the node that proposed the founding, "" = it founds none
	Expect    int    // its BootstrapExpect
	Level     int    // its feature level
	Leader    string // node port of the leader that it knows, "" = none
}

// Stage is how far a node has come on its way into a cluster.
type Stage string

const (
	// Fresh: of no cluster. The node takes no Raft message: its disk may have
	// replaced one that had voted under the same address.
	Fresh Stage = "fresh"
	// Promised: founds a cluster with others, and hears only those.
	Promised Stage = "promised"
	// Joining: accepted by a cluster whose log the node does not have yet. It
	// does not vote, because it could elect somebody who lacks what the disk
	// before it had acknowledged.
	Joining Stage = "joining"
	// InCluster: has been part of its cluster.
	InCluster Stage = "member"
)
