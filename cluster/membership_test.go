package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// refusedAs checks that err is a refusal for a reason.
func refusedAs(t *testing.T, err error, reason string) {
	t.Helper()
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != reason {
		t.Errorf("got %v; want %s", err, reason)
	}
}

// grown is n1 alone, joined by n2 and n3.
func (l *lab) grown(t *testing.T) []string {
	t.Helper()
	l.start(t, l.config("n1"))
	l.start(t, l.config("n2", "n1"))
	l.start(t, l.config("n3", "n1", "n2"))
	ids := []string{"n1", "n2", "n3"}
	l.ready(t, ids...)
	l.voting(t, "n1", ids...)
	return ids
}

func TestJoin_FreshNodesBecomeVoters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		start := time.Now()
		ids := l.grown(t)
		t.Log("three voters after", time.Since(start))
		for i, id := range ids {
			propose(t, l.nodes[id].Node, write(i))
		}
		l.kill("n1")
		l.leaderOf(t, "n2", "n3")
		propose(t, l.nodes["n2"].Node, write(7))
		l.end(t)
	})
}

func TestJoin_NonvoterStaysOneUntilPromoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.start(t, l.config("n1"))
		cfg := l.config("r1", "n1")
		cfg.Nonvoter = true
		r1 := l.start(t, cfg)
		l.ready(t, "n1", "r1")
		<-time.After(10 * time.Second)
		l.voting(t, "r1", "n1")
		propose(t, r1, write(1))
		if err := r1.PromoteNode(t.Context(), "r1"); err != nil {
			t.Fatal(err)
		}
		l.voting(t, "r1", "n1", "r1")
		if err := r1.DemoteNode(t.Context(), "r1", false); err != nil {
			t.Fatal(err)
		}
		l.voting(t, "r1", "n1")
		l.kill("r1")
		l.start(t, cfg)
		l.ready(t, "r1")
		<-time.After(10 * time.Second)
		l.voting(t, "r1", "n1")
		l.end(t)
	})
}

func TestJoin_SameDiskComesBackUnderANewAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.grown(t)
		for _, id := range ids { // leader and followers
			cfg := l.nodes[id].cfg
			l.kill(id)
			cfg.AdvertiseAddr, cfg.Join = id+"-moved:7", ids
			n := l.start(t, cfg)
			l.ready(t, id)
			eventually(t, "the new address is known", func() bool {
				m, _ := n.member(id)
				return string(m.Address) == cfg.AdvertiseAddr && n.announced.Load()
			})
			propose(t, n, write(1))
		}
		l.end(t)
	})
}

// A disk that has voted and is gone must not vote a second time.
func TestJoin_WipedDiskIsRefusedUntilRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grown(t)
		cfg := l.nodes["n3"].cfg
		l.kill("n3")
		cfg.Disk = labDisk()
		wiped := l.start(t, cfg)
		<-time.After(20 * time.Second)
		if wiped.stage() != Fresh || wiped.Ready() || wiped.raft.LastIndex() > 0 {
			t.Errorf("stage %s, ready %v, log up to %d", wiped.stage(), wiped.Ready(), wiped.raft.LastIndex())
		}
		_, err := l.nodes["n1"].cfg.Peers.Peer(l.nodes[l.leaderOf(t, "n1", "n2")].addr()).Join(t.Context(), wiped.joinRequest())
		refusedAs(t, err, "OTHER_DISK")
		if !strings.Contains(fmt.Sprint(err), "pemba cluster remove n3") {
			t.Errorf("it does not say what to do: %v", err)
		}

		// n1 and n2 are all there is of the quorum: it must be no help.
		leader := l.leaderOf(t, "n1", "n2")
		l.cut(followers(leader, []string{"n1", "n2"})[0])
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := l.nodes[leader].Propose(ctx, write(1)); err == nil {
			t.Error("a wiped disk has made up a quorum")
		}
		l.mend(followers(leader, []string{"n1", "n2"})[0])
		l.leaderOf(t, "n1", "n2")

		if err := l.nodes["n1"].RemoveNode(t.Context(), "n3", false); err != nil {
			t.Fatal(err)
		}
		l.ready(t, "n3")
		l.voting(t, "n3", "n1", "n2", "n3")
		l.end(t)
	})
}

func TestRemove_NodeEndsAndDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.grown(t)
		victim := followers(l.leaderOf(t, ids...), ids)[0]
		n := l.nodes[victim]
		if err := n.RemoveNode(t.Context(), victim, false); err != nil {
			t.Fatal(err)
		}
		<-n.Failed()
		if !errors.Is(n.Err(), ErrRemoved) {
			t.Errorf("got %v", n.Err())
		}
		l.kill(victim)
		n.cfg.Join = ids
		again := l.start(t, n.cfg)
		<-again.Failed()
		if !errors.Is(again.Err(), ErrRemoved) {
			t.Errorf("got %v", again.Err())
		}
		l.kill(victim)
		rest := followers(victim, ids)
		l.voting(t, rest[0], rest...)
		l.end(t)
	})
}

// A leader that ends in the midst of a removal leaves no id that nobody can use
// or remove.
func TestRemove_InterruptedLeavesTheIDFree(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.grown(t)
		leader := l.nodes[l.leaderOf(t, ids...)].Node
		victim := followers(leader.cfg.NodeID, ids)[0]
		cfg := l.nodes[victim].cfg
		r, _, err := leader.memberRecord(victim)
		if err != nil {
			t.Fatal(err)
		}
		r.Removed = true
		if err := leader.setMember(victim, &r); err != nil {
			t.Fatal(err)
		}
		if err := leader.raft.RemoveServer(raft.ServerID(victim), 0, 0).Error(); err != nil {
			t.Fatal(err)
		}
		old := l.nodes[victim]
		<-old.Failed()
		if !errors.Is(old.Err(), ErrRemoved) {
			t.Error(old.Err())
		}
		l.kill(victim)
		cfg.Disk = labDisk()
		cfg.Join = followers(victim, ids)
		l.start(t, cfg)
		l.ready(t, victim)
		l.voting(t, victim, ids...)
	})
}

// A node that was accepted and whose disk was then lost can be removed.
func TestRemove_AcceptedButNeverComes(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		l.grown(t)
		leader := l.nodes[l.leaderOf(t, "n1", "n2", "n3")].Node
		if err := leader.setMember("n4", &record{Disk: "lost", Addr: "n4:7", Voter: true, Level: 1}); err != nil {
			t.Fatal(err)
		}
		l.start(t, l.config("n4", "n1"))
		<-time.After(10 * time.Second)
		if l.nodes["n4"].stage() != Fresh {
			t.Error("another disk is accepted")
		}
		if err := l.nodes["n2"].RemoveNode(t.Context(), "n4", false); err != nil {
			t.Fatal(err)
		}
		l.ready(t, "n4")
		l.voting(t, "n4", "n1", "n2", "n3", "n4")
	})
}

func TestRemove_LeaderHandsOverFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.grown(t)
		old := l.leaderOf(t, ids...)
		n := l.nodes[old]
		if err := n.RemoveNode(t.Context(), old, false); err != nil {
			t.Fatal(err)
		}
		rest := followers(old, ids)
		if now := l.leaderOf(t, rest...); now == old {
			t.Error("it still leads")
		}
		<-n.Failed()
		l.kill(old)
		propose(t, l.nodes[rest[0]].Node, write(1))
		l.voting(t, rest[0], rest...)
		l.end(t)
	})
}

func TestOperations_RefuseWhatWouldStopTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.grown(t)
		leader := l.leaderOf(t, ids...)
		rest := followers(leader, ids)
		n := l.nodes[leader]
		refusedAs(t, n.RemoveNode(t.Context(), "n9", false), "UNKNOWN_NODE")
		refusedAs(t, n.PromoteNode(t.Context(), "n9"), "UNKNOWN_NODE")
		_, err := n.TransferLeadership(t.Context(), "n9")
		refusedAs(t, err, "UNKNOWN_NODE")
		l.cut(rest[0])
		<-time.After(5 * time.Second)
		refusedAs(t, n.RemoveNode(t.Context(), rest[1], false), "QUORUM")
		refusedAs(t, n.DemoteNode(t.Context(), rest[1], false), "QUORUM")
		_, err = n.TransferLeadership(t.Context(), rest[0])
		refusedAs(t, err, "SILENT")
		// The silent one may go.
		if err := n.RemoveNode(t.Context(), rest[0], false); err != nil {
			t.Error(err)
		}
		l.kill(rest[0])
		if err := n.DemoteNode(t.Context(), rest[1], true); err != nil {
			t.Error(err)
		}
		refusedAs(t, n.RemoveNode(t.Context(), leader, true), "LAST_VOTER")
		_, err = n.TransferLeadership(t.Context(), "")
		refusedAs(t, err, "LAST_VOTER")
		l.end(t)
	})
}

func TestTransfer_GoesWhereItIsAskedFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.grown(t)
		for _, asked := range ids {
			for _, to := range ids {
				got, err := l.nodes[asked].TransferLeadership(t.Context(), to)
				if err != nil || got != to {
					t.Errorf("asked %s for %s: %s, %v", asked, to, got, err)
				}
				l.leaderOf(t, ids...)
			}
		}
		l.end(t)
	})
}

func TestAddNode_InvitesAFreshNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grown(t)
		l.start(t, l.config("n4", "nowhere"))
		<-time.After(3 * time.Second)
		id, err := l.nodes["n2"].AddNode(t.Context(), "n4")
		if err != nil || id != "n4" {
			t.Fatal(id, err)
		}
		l.ready(t, "n4")
		l.voting(t, "n4", "n1", "n2", "n3", "n4")
		_, err = l.nodes["n2"].AddNode(t.Context(), "n4")
		refusedAs(t, err, "NOT_FRESH")
		l.end(t)
	})
}

func TestReconcile_RemovesTheDeadButKeepsThreeVoters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		change := func(c Config) Config {
			c.DeadVoterAfter, c.DeadNonvoterAfter = time.Minute, 2*time.Minute
			return c
		}
		l.start(t, change(l.config("n1")))
		for _, id := range []string{"n2", "n3", "n4"} {
			l.start(t, change(l.config(id, "n1")))
		}
		r := l.config("r1", "n1")
		r.Nonvoter = true
		l.start(t, r)
		l.ready(t, "n1", "n2", "n3", "n4", "r1")
		l.voting(t, "n1", "n1", "n2", "n3", "n4")
		l.kill("n4")
		l.kill("r1")
		<-time.After(90 * time.Second)
		l.voting(t, "n1", "n1", "n2", "n3")
		if _, ok := l.nodes["n1"].member("r1"); !ok {
			t.Error("a nonvoter is removed too early")
		}
		<-time.After(40 * time.Second)
		if _, ok := l.nodes["n1"].member("r1"); ok {
			t.Error("a dead nonvoter is still a member")
		}
		l.kill("n3")
		<-time.After(5 * time.Minute)
		l.voting(t, "n1", "n1", "n2", "n3")
		l.end(t)
	})
}

func TestNodes_HashesAgreeWhileWritesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.grown(t)
		ctx, stop := context.WithCancel(t.Context())
		for i, id := range ids {
			go (&ledger{fates: map[int]error{}}).work(ctx, t, l.nodes[id].Node, i*1_000_000)
		}
		for range 10 {
			<-time.After(37 * time.Millisecond)
			nodes, err := l.nodes["n2"].Nodes(t.Context(), true)
			if err != nil || len(nodes) != 3 {
				t.Fatal(nodes, err)
			}
			for _, n := range nodes {
				if n.Problem != "" || n.Hash == nil || *n.Hash != *nodes[0].Hash || !n.Ready || !n.Voter {
					t.Errorf("%+v", n)
				}
			}
		}
		stop()
		<-time.After(5 * time.Second)
		l.cut("n3")
		nodes, err := l.nodes["n1"].Nodes(t.Context(), true)
		if err != nil || len(nodes) != 3 || nodes[2].Problem == "" || nodes[1].Hash == nil || *nodes[1].Hash != *nodes[0].Hash {
			t.Errorf("%+v, %v", nodes, err)
		}
		l.mend("n3")
		l.leaderOf(t, ids...)
		l.end(t)
	})
}

func TestLevel_RisesWithTheLastMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		for i, id := range ids {
			if got := l.nodes[id].clusterLevel(); got != 1 {
				t.Errorf("level %d with %d members of level 2", got, i)
			}
			if _, err := l.nodes[id].Propose(t.Context(), withKind(200)); !errors.Is(err, ErrLevel) || !errors.Is(err, ErrNotProposed) {
				t.Errorf("got %v", err)
			}
			cfg := l.nodes[id].cfg
			l.kill(id)
			cfg.Level = 2
			l.start(t, cfg)
			l.ready(t, id)
			<-time.After(10 * time.Second)
		}
		eventually(t, "level 2", func() bool { return l.nodes["n1"].clusterLevel() == 2 })
		old := l.config("n4", "n1")
		l.start(t, old)
		<-time.After(10 * time.Second)
		if stage := l.nodes["n4"].stage(); stage != Fresh {
			t.Errorf("a node of level 1 is %s", stage)
		}
		l.kill("n4")
		l.end(t)
	})
}

func TestConfig_RefusesWhatCouldMakeTwoClusters(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"more addresses than 2N-1":  func(c *Config) { c.BootstrapExpect, c.Join = 2, []string{"a", "b", "c", "d"} },
		"expecting without joining": func(c *Config) { c.BootstrapExpect = 3 },
		"a nonvoter that founds":    func(c *Config) { c.BootstrapExpect, c.Nonvoter, c.Join = 3, true, []string{"a"} },
		"no node port":              func(c *Config) { c.Transport, c.Join = nil, []string{"a"} },
		"no discovery":              func(c *Config) { c.Discovery, c.Join = nil, []string{"a"} },
		"plaintext off loopback":    func(c *Config) { c.Transport, c.RaftAddr = nil, "192.0.2.1:7" },
		"nothing to advertise":      func(c *Config) { c.Transport, c.RaftAddr, c.InsecureNodes = nil, "0.0.0.0:7", true },
	} {
		c := quiet(fastDir(t))
		_, c.Transport = raft.NewInmemTransport("n1")
		c.Peers, c.Discovery = &labPeers{}, &labDiscovery{}
		change(&c)
		if _, err := c.withDefaults(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
