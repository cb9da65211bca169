package cluster

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/internal/faulty"
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

	admit func(raft.RPC) error                    // nil, or why raft may not see a request; set before pump runs
	has   func(*raft.InstallSnapshotRequest) bool // whether a snapshot brings nothing; set before pump runs

	patience time.Duration // with an heir

	reached contacts  // when followers last answered this leader
	full    fullDisks // which ones had no room for entries
}

// newTransport listens at cfg.RaftAddr, or nowhere when there is none: a
// cluster of one member has nobody to talk to. The port is nil without one.
func newTransport(cfg *Config, stop chan struct{}, lineage func() lineage) (*transport, *port, error) {
	t := &transport{Transport: cfg.Transport, requests: make(chan raft.RPC), stop: stop, patience: cfg.ElectionTimeout, admit: func(raft.RPC) error { return nil },
		has: func(*raft.InstallSnapshotRequest) bool { return false }}
	switch {
	case t.Transport != nil:
	case cfg.RaftAddr == "":
		_, t.Transport = raft.NewInmemTransport(raft.ServerAddress(cfg.NodeID))
	default:
		p, err := listen(cfg, lineage)
		if err != nil {
			return nil, nil, fmt.Errorf("listen on raft address %s: %w", cfg.RaftAddr, err)
		}
		t.Transport = injectedTransport(raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream: &raftStreams{p.raft, p}, MaxPool: raftPoolSize, Timeout: raftDialTimeout, Logger: newRaftLogger(cfg.Logger),
		}))
		return t, p, nil
	}
	return t, nil, nil
}

// SetHeartbeatHandler does nothing: heartbeats queue with everything else.
func (t *transport) SetHeartbeatHandler(handle func(raft.RPC)) {
	if faulty.HeartbeatFastPath {
		t.Transport.SetHeartbeatHandler(handle)
	}
}

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
			if err := t.admit(rpc); err != nil {
				refuse(rpc, err)
				continue
			}
			if r, ok := rpc.Command.(*raft.InstallSnapshotRequest); ok && t.has(r) {
				answer(rpc, &raft.InstallSnapshotResponse{Term: r.Term, Success: true}, nil)
				continue
			}
			t.listen(rpc)
			t.send(capped(rpc))
		case <-t.stop:
			return
		}
	}
}

// capped returns rpc with a commit index that reaches no further than the entries
// that it vouches for: the last that it brings or, without any, the one that they
// would follow. Raft takes the commit index for all that its own log has, also
// for a tail that another leader's entries are about to replace, and applies it. A
// leader sends such a message when it has waited to try again, and committed more
// meanwhile (hashicorp/raft v1.7.3, replicateTo and appendEntries; Raft's rule is
// min(leaderCommit, index of last new entry)).
func capped(rpc raft.RPC) raft.RPC {
	a, ok := rpc.Command.(*raft.AppendEntriesRequest)
	if !ok {
		return rpc
	}
	last := a.PrevLogEntry
	if n := len(a.Entries); n > 0 {
		last = a.Entries[n-1].Index
	}
	if a.LeaderCommitIndex > last {
		c := *a // in memory the sender has it too
		c.LeaderCommitIndex = last
		rpc.Command = &c
	}
	return rpc
}

// listen notes what a leader says it has committed. Heartbeats do not say it.
func (t *transport) listen(rpc raft.RPC) {
	a, ok := rpc.Command.(*raft.AppendEntriesRequest)
	if !ok || a.LeaderCommitIndex == 0 {
		return
	}
	if a.LeaderCommitIndex > t.heard.Load() {
		t.heard.Store(a.LeaderCommitIndex) // pump is the only writer
	}
}

// refuse answers a request that raft does not see.
func refuse(rpc raft.RPC, err error) {
	if rpc.Reader == nil {
		rpc.Respond(&raft.AppendEntriesResponse{}, err) // pipelines in memory look only at this
		return
	}
	answer(rpc, nil, err)
}

// answer answers a request with a snapshot that raft does not see. What follows
// on the wire is read, so that the connection stays in step.
func answer(rpc raft.RPC, resp any, err error) {
	go func() { // ends when the connection does
		io.Copy(io.Discard, rpc.Reader)
		rpc.Respond(resp, err)
	}()
}

// AppendEntries notes which followers answer. Heartbeats come this way.
func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	sent := t.reached.tick()
	err := t.Transport.AppendEntries(id, target, args, resp)
	if len(args.Entries) > 0 {
		t.full.note(id, err)
	}
	if err == nil {
		t.reached.note(id, resp.LastLog)
		if resp.Success {
			t.reached.affirm(id, sent, args.Term)
		}
	}
	return err
}

// TimeoutNow gives an heir an election timeout to answer: raft takes no writes
// while it waits, and one that hangs would answer when it does not hang any more.
func (t *transport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	done := make(chan error, 1)
	go func() { // ends with the transport's own timeout
		done <- t.Transport.TimeoutNow(id, target, args, new(raft.TimeoutNowResponse))
	}()
	select {
	case err := <-done:
		return err // the response says nothing
	case <-time.After(t.patience):
		return fmt.Errorf("no answer within %v", t.patience)
	}
}

// AppendEntriesPipeline is the inner one's, without its dead end.
func (t *transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	inner, err := t.Transport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	return newPipeline(inner), nil
}

func (t *transport) send(rpc raft.RPC) {
	select {
	case t.requests <- rpc:
	case <-t.stop:
		refuse(rpc, ErrClosed)
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
