package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// captured is a snapshot as a leader sends it.
func sendSnapshot(t *testing.T, l *lab, from, to string, meta *raft.SnapshotMeta, term uint64) raft.InstallSnapshotResponse {
	t.Helper()
	_, content, err := l.nodes[from].disk.snaps.Open(meta.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	sender, receiver := l.nodes[from], l.nodes[to]
	var resp raft.InstallSnapshotResponse
	err = l.wires[sender.addr()].InstallSnapshot(raft.ServerID(to), raft.ServerAddress(receiver.addr()), &raft.InstallSnapshotRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(from), Addr: []byte(sender.addr())},
		Term:      term, Leader: []byte(sender.addr()), SnapshotVersion: raft.SnapshotVersionMax,
		LastLogIndex: meta.Index, LastLogTerm: meta.Term,
		Configuration: raft.EncodeConfiguration(meta.Configuration), ConfigurationIndex: meta.ConfigurationIndex, Size: meta.Size,
	}, &resp, content)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// A snapshot that was on its way for too long must not take from a follower what
// it has acknowledged since.
func TestInstall_LateSnapshotTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		follower := followers(leader, ids)[0]
		propose(t, l.nodes[leader].Node, write(1))
		if err := l.nodes[leader].Snapshot(); err != nil {
			t.Fatal(err)
		}
		snapshots, err := l.nodes[leader].disk.snaps.List()
		if err != nil || len(snapshots) == 0 {
			t.Fatal(snapshots, err)
		}
		rev := propose(t, l.nodes[leader].Node, write(2)).Revision
		if err := l.nodes[follower].Wait(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		late := l.nodes[follower]
		last, err := late.logs.LastIndex()
		if err != nil {
			t.Fatal(err)
		}
		resp := sendSnapshot(t, l, leader, follower, snapshots[0], late.raft.CurrentTerm())
		if !resp.Success {
			t.Error("the leader would send the snapshot again for ever")
		}
		if got := late.store.Revision(); got < rev {
			t.Errorf("the store went back to revision %d from %d", got, rev)
		}
		if now, err := late.logs.LastIndex(); err != nil || now < last {
			t.Errorf("the log ends at %d, before it was %d: %v", now, last, err)
		}
		<-time.After(time.Second)
		l.end(t)
	})
}
