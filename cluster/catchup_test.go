package cluster

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

func withKind(k store.Kind) store.Command { return store.Command{Kind: k, Actor: "test"} }

// A follower whose log the leader has compacted gets a snapshot, and says how
// old its views are until it has it.
func TestSnapshot_InstalledOnALaggingFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, func(c *Config) { c.TrailingBytes, c.SnapshotBytes = 1, 100_000 })
		leader := l.leaderOf(t, ids...)
		late := followers(leader, ids)[0]
		l.cut(late)
		for i := range 3000 {
			propose(t, l.nodes[leader].Node, write(i))
		}
		if s := l.nodes[leader].Status(); s.SnapshotIndex == 0 {
			t.Fatal("no snapshot")
		}
		<-time.After(20 * time.Second)
		if d := l.nodes[late].LastContact(); d < 20*time.Second {
			t.Errorf("a follower cut off for 20 s says its views are %v old", d)
		}
		l.mend(late)
		l.leaderOf(t, ids...)
		rev, err := l.nodes[late].ReadIndex(t.Context())
		if err == nil {
			err = l.nodes[late].Wait(t.Context(), rev)
		}
		if err != nil || !has(t, l.nodes[late].Node, 2999) {
			t.Error("it has not caught up", err)
		}
		eventually(t, "fresh views", func() bool { return l.nodes[late].LastContact() < time.Second })
		fresh := l.config("n4", "n1", "n2")
		l.start(t, fresh)
		l.ready(t, "n4")
		if !has(t, l.nodes["n4"].Node, 2999) {
			t.Error("a fresh member is ready without its state")
		}
		l.end(t)
	})
}

// A majority that answers a follower's question was asked after the follower
// began to: what merely comes in may be old, and does not make views fresh.
func TestFreshness_NeedsAnAnswerNotAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		late := l.nodes[followers(leader, ids)[0]]
		l.cut(late.cfg.NodeID)
		<-time.After(20 * time.Second)
		rev := propose(t, l.nodes[leader].Node, write(1)).Revision
		late.transport.listen(raft.RPC{Command: &raft.AppendEntriesRequest{
			Term: late.raft.CurrentTerm(), LeaderCommitIndex: late.raft.CommitIndex(),
		}}) // from before the cut
		if late.store.Revision() >= rev {
			t.Fatal("it has what was written while it was cut off")
		}
		if d := late.LastContact(); d < 20*time.Second {
			t.Errorf("an old message makes its views %v old", d)
		}
		l.mend(late.cfg.NodeID)
		eventually(t, "fresh views", func() bool { return late.LastContact() < time.Second })
		l.end(t)
	})
}

// A leader that was stopped for a while and goes on does not know yet that
// another one leads.
func TestFreshness_OfALeaderIsThatOfItsMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		leader := l.nodes[l.leaderOf(t, ids...)]
		eventually(t, "a majority's answer", func() bool { return leader.LastContact() == 0 })
		<-time.After(20 * time.Second)
		leader.fresh.since.Store(1) // as if nothing had run in the meantime
		if d := leader.LastContact(); d < 19*time.Second {
			t.Errorf("its views are said to be %v old", d)
		}
		l.end(t)
	})
}

// After two of three disks are lost, the third goes on alone: tokens of before
// are of another incarnation, and the lost come back empty or not at all.
func TestRecover_MakesOneMemberGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		for i := range 50 {
			propose(t, l.nodes["n1"].Node, write(i))
		}
		cfgs := map[string]Config{}
		for _, id := range ids {
			cfgs[id] = l.nodes[id].cfg
			if err := l.nodes[id].Snapshot(); err != nil {
				t.Fatal(err)
			}
			propose(t, l.nodes["n2"].Node, write(100))
		}
		cluster, _ := l.nodes["n1"].Store().Cluster()
		for _, id := range ids {
			l.kill(id)
		}
		got, err := Recover(cfgs["n3"])
		if err != nil || got.Incarnation != 2 || fmt.Sprint(got.Lost) != "[n1 n2]" {
			t.Fatalf("%+v, %v", got, err)
		}
		n := l.start(t, cfgs["n3"])
		l.ready(t, "n3")
		if id, incarnation := n.Store().Cluster(); id != cluster || incarnation != 2 || !has(t, n, 49) || !has(t, n, 100) {
			t.Errorf("cluster %s (was %s), incarnation %d", id, cluster, incarnation)
		}
		propose(t, n, write(200))

		l.start(t, cfgs["n1"]) // it still has its disk
		<-time.After(15 * time.Second)
		if l.nodes["n1"].Ready() {
			t.Error("a member of before the recovery serves")
		}
		_, err = l.nodes["n1"].cfg.Peers.Peer(n.addr()).Join(t.Context(), l.nodes["n1"].joinRequest())
		refusedAs(t, err, "OTHER_CLUSTER")
		l.kill("n1")
		cfg := cfgs["n1"]
		cfg.Disk = labDisk()
		l.start(t, cfg)
		l.ready(t, "n1")
		l.voting(t, "n1", "n1", "n3")

		l.kill("n3") // the incarnation is moved once
		l.start(t, cfgs["n3"])
		l.ready(t, "n3")
		if _, incarnation := l.nodes["n3"].Store().Cluster(); incarnation != 2 {
			t.Errorf("incarnation %d after a restart", incarnation)
		}
		l.end(t)
	})
}

func TestRecover_InterruptedIsNotForgotten(t *testing.T) {
	cfg := must(quiet(fastDir(t)).withDefaults())
	n := open(t, cfg)
	propose(t, n, write(1))
	closed(t, n)
	d, err := openDisk(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newNode(cfg, d).beginRecovery(nil); err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if n, err := Start(cfg); err == nil {
		n.Close()
		t.Fatal("it starts")
	}
	if r, err := Recover(cfg); err != nil || r.Incarnation != 2 {
		t.Fatal(r, err)
	}
	n = open(t, cfg)
	if _, incarnation := n.Store().Cluster(); incarnation != 2 || !has(t, n, 1) {
		t.Errorf("incarnation %d", incarnation)
	}
	if id := n.disk.self.get(); id.Generation != 1 || id.Recovery != nil {
		t.Errorf("%+v", id)
	}
}

func TestRecover_RefusesAnEmptyDir(t *testing.T) {
	if _, err := Recover(quiet(fastDir(t))); err == nil {
		t.Error("an empty dir is recovered")
	}
	cfg := quiet(fastDir(t))
	open(t, cfg)
	if _, err := Recover(cfg); !errors.Is(err, ErrLocked) {
		t.Errorf("the dir of a running node: %v", err)
	}
}
