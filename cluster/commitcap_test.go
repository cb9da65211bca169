package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// A leader's message that brings no entries says nothing of those that a follower
// has behind the one that it names, whatever the leader has committed.
func TestCommit_ReachesNoFurtherThanTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		id := l.leaderOf(t, ids...)
		old := l.nodes[id]
		propose(t, old.Node, write(1))
		shared := old.raft.LastIndex()
		l.cut(id)
		if _, err := old.Propose(t.Context(), write(2)); err == nil {
			t.Fatal("a write without a majority is acknowledged")
		}
		if old.raft.LastIndex() == shared {
			t.Fatal("it is not even in the log")
		}
		next := l.nodes[l.leaderOf(t, followers(id, ids)...)]
		for i := range 5 {
			propose(t, next.Node, write(10+i))
		}
		_, wire := raft.NewInmemTransport("wire")
		wire.Connect(raft.ServerAddress(old.addr()), l.wires[old.addr()])
		at := logAt(t, next.Node, shared)
		var resp raft.AppendEntriesResponse
		err := wire.AppendEntries(raft.ServerID(id), raft.ServerAddress(old.addr()), &raft.AppendEntriesRequest{
			RPCHeader:    raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(next.cfg.NodeID), Addr: []byte(next.addr())},
			Term:         next.raft.CurrentTerm(),
			PrevLogEntry: shared, PrevLogTerm: at.Term, LeaderCommitIndex: next.raft.CommitIndex(),
		}, &resp)
		if err != nil || !resp.Success {
			t.Fatal(resp, err)
		}
		synctest.Wait()
		if has(t, old.Node, 2) {
			t.Error("it has applied what was never committed")
		}
		l.mend(id)
		<-time.After(time.Second)
		l.end(t)
	})
}
