package cluster

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Raft's second try at an heir that has failed could keep the leader from ever
// writing again. The other voter can take over all the same, and the leader lead
// again later.
func TestTransfer_NoSecondTryAtAnHeirThatFailed(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		n, rest := l.nodes[leader], followers(leader, ids)
		l.part(leader, rest[0])
		propose(t, n.Node, write(0))
		<-time.After(350 * time.Millisecond) // raft waits longer and longer between its tries
		if _, err := n.TransferLeadership(t.Context(), rest[0]); err == nil {
			t.Fatal("an heir that hears nothing has taken over")
		}
		_, err := n.TransferLeadership(t.Context(), rest[0])
		refusedAs(t, err, "HEIR_FAILED")
		if got, err := n.TransferLeadership(t.Context(), ""); err != nil || got != rest[1] {
			t.Errorf("%s has taken over, want %s: %v", got, rest[1], err)
		}
		l.heal()
		l.leaderOf(t, ids...)
		if _, err := n.TransferLeadership(t.Context(), leader); err != nil {
			t.Error(err)
		}
		propose(t, n.Node, write(1))
	})
}

// Where raft's own choice would be the heir that has failed, nobody is tried.
func TestTransfer_RefusedWhenEveryHeirHasFailed(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		n := l.nodes[leader]
		for _, id := range followers(leader, ids) {
			m, _ := n.member(id)
			n.handover.spend(m.ID, n.raft.CurrentTerm())
		}
		_, err := n.TransferLeadership(t.Context(), "")
		refusedAs(t, err, "HEIR_FAILED")
		l.cut(leader)
		l.leaderOf(t, followers(leader, ids)...)
		l.heal()
		l.leaderOf(t, ids...)
		if _, err := n.TransferLeadership(t.Context(), leader); err != nil {
			t.Error(err)
		}
		if _, err := n.TransferLeadership(t.Context(), ""); err != nil {
			t.Errorf("in a later term: %v", err)
		}
	})
}

// The nearest heir is the one whose log reaches furthest, of those that answer.
func TestTransfer_ChoosesTheVoterThatLagsLeast(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.trio(t, nil)
		for i := range 6 {
			leader := l.leaderOf(t, ids...)
			n, rest := l.nodes[leader], followers(leader, ids)
			lags := rest[i%2]
			l.part(leader, lags)
			propose(t, n.Node, write(i))
			<-time.After(200 * time.Millisecond) // a heartbeat
			if got, err := n.TransferLeadership(t.Context(), ""); err != nil || got == lags {
				t.Errorf("%s has taken over, which lags: %v", got, err)
			}
			l.heal()
		}
	})
}

// While raft waits for an heir's answer it takes no writes.
func TestTransfer_HangingHeirIsGivenUp(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		n := l.nodes[leader]
		release := l.hang(leader)
		began := time.Now()
		if _, err := n.TransferLeadership(t.Context(), followers(leader, ids)[0]); err == nil {
			t.Error("an heir that was not told has taken over")
		}
		propose(t, n.Node, write(0))
		if took := time.Since(began); took > 4*n.Node.cfg.ElectionTimeout {
			t.Errorf("nothing could be written for %v", took)
		}
		release()
	})
}

// entangle makes raft believe, on a node that comes to lead, that a transfer of an
// earlier term is still under way, until release is called.
func (l *lab) entangle(t *testing.T, ids []string) (leader string, release func()) {
	t.Helper()
	leader = l.leaderOf(t, ids...)
	n := l.nodes[leader]
	n.transport.patience = time.Hour
	release = l.hang(leader)
	if _, err := n.TransferLeadership(t.Context(), followers(leader, ids)[0]); err == nil {
		t.Fatal("an heir that was not told has taken over")
	}
	l.cut(leader)
	l.leaderOf(t, followers(leader, ids)...)
	l.heal()
	eventually(t, "it leads again", func() bool {
		n.TransferLeadership(t.Context(), leader)
		return n.IsLeader()
	})
	return leader, release
}

func TestLeader_WaitsForTheEndOfAnEarlierTransfer(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		ids := l.trio(t, nil)
		leader, release := l.entangle(t, ids)
		<-time.After(2 * time.Second)
		if n := l.nodes[leader]; n.tenure.Load().isReady() {
			t.Error("it is ready, and can write nothing")
		}
		release() // the heir hears of it after all, and may take over
		eventually(t, "a leader that writes", func() bool { return shortly(t, l.nodes[leader].Node, 0) == nil })
		if err := l.nodes[leader].Err(); err != nil {
			t.Error(err)
		}
	})
}

// A transfer that never ends is healed by a restart, and the others go on.
func TestLeader_FailsOverATransferThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		leader, release := l.entangle(t, ids)
		n := l.nodes[leader]
		eventually(t, "it fails", func() bool { return n.Err() != nil })
		if !strings.Contains(n.Err().Error(), "transfer") {
			t.Error(n.Err())
		}
		l.kill(leader)
		release()
		l.start(t, n.cfg)
		l.ready(t, leader)
		propose(t, l.nodes[l.leaderOf(t, ids...)].Node, write(0))
		l.end(t)
	})
}
