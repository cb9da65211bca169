package cluster

import (
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// transport is what raft talks to the other members with. It keeps raft from
// taking heartbeats on a fast path, which has an open safety bug
// (hashicorp/raft #695), and sees how far leaders have committed.
type transport struct {
	raft.Transport
	requests chan raft.RPC
	stop     chan struct{} // closed by the node

	// heard is the highest commit index that a leader has told us since the
	// start, 0 = no leader yet.
	heard atomic.Uint64
}

// newTransport listens at cfg.RaftAddr, or nowhere when there is none: a
// cluster of one member has nobody to talk to.
func newTransport(cfg *Config, stop chan struct{}) (*transport, error) {
	t := &transport{Transport: cfg.Transport, requests: make(chan raft.RPC), stop: stop}
	switch {
	case t.Transport != nil:
	case cfg.RaftAddr == "":
		_, t.Transport = raft.NewInmemTransport(raft.ServerAddress(cfg.NodeID))
	default:
		tcp, err := raft.NewTCPTransportWithLogger(cfg.RaftAddr, nil, raftPoolSize, raftDialTimeout, newRaftLogger(cfg.Logger))
		if err != nil {
			return nil, fmt.Errorf("listen on raft address %s: %w", cfg.RaftAddr, err)
		}
		t.Transport = tcp
	}
	return t, nil
}

// SetHeartbeatHandler does nothing: heartbeats queue with everything else.
func (t *transport) SetHeartbeatHandler(func(raft.RPC)) {}

// Consumer returns what pump passes on.
func (t *transport) Consumer() <-chan raft.RPC { return t.requests }

// RequestPreVote passes on; raft looks for the method by name.
func (t *transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	p, ok := t.Transport.(raft.WithPreVote)
	if !ok {
		return fmt.Errorf("pre-vote: the transport does not know it")
	}
	return p.RequestPreVote(id, target, args, resp)
}

// Close stops listening. Raft calls it when it shuts down.
func (t *transport) Close() error {
	if c, ok := t.Transport.(raft.WithClose); ok {
		return c.Close()
	}
	return nil
}

// pump runs until stop and hands the requests of other members to raft.
func (t *transport) pump() {
	in := t.Transport.Consumer()
	for {
		select {
		case rpc := <-in:
			if a, ok := rpc.Command.(*raft.AppendEntriesRequest); ok && a.LeaderCommitIndex > t.heard.Load() {
				t.heard.Store(a.LeaderCommitIndex) // pump is the only writer
			}
			t.send(rpc)
		case <-t.stop:
			return
		}
	}
}

func (t *transport) send(rpc raft.RPC) {
	select {
	case t.requests <- rpc:
	case <-t.stop:
		rpc.Respond(nil, ErrClosed)
	}
}

// campaign makes raft stand for election now, as after a leadership transfer.
// That is always safe; a sole voter so need not wait for a leader's silence.
func (t *transport) campaign() {
	answer := make(chan raft.RPCResponse, 1)
	t.send(raft.RPC{
		Command:  &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}},
		RespChan: answer,
	})
}
