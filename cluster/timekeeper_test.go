package cluster

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pemba-authz/pemba/store"
)

const year = 365 * 24 * time.Hour

// ahead is how far the time of the newest command is ahead of the truth.
func ahead(n *Node) time.Duration { return time.Duration(n.Store().Time() - time.Now().UnixNano()) }

// writing proposes a command on n, and checks that the time it has is the truth,
// but for the room of each wrong clock.
func writing(t *testing.T, n *Node, wrong int) {
	t.Helper()
	last := n.Store().Time()
	propose(t, n, write(1))
	if d := ahead(n); d > time.Duration(wrong)*(time.Duration(clockRoom)+time.Second)+time.Second || d < -time.Minute || n.Store().Time() < last {
		t.Errorf("a command on %s is %v ahead of the truth", n.cfg.NodeID, d)
	}
}

func TestTime_LeaderWhoseClockJumpsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		writing(t, l.nodes[leader].Node, 1)
		l.setClock(leader, year)
		for range 120 {
			<-time.After(time.Second)
			writing(t, l.nodes[leader].Node, 1)
		}
		if off := l.nodes[leader].Status().ClockOff; off < year-time.Hour {
			t.Errorf("its status says %v", off)
		}
		l.setClock(leader, 0)
		writing(t, l.nodes[leader].Node, 1)
		if off := l.nodes[leader].Status().ClockOff; off != 0 {
			t.Errorf("after the clock is right again, its status says %v", off)
		}
		l.end(t)
	})
}

func TestTime_LeaderWhoseClockJumpsBackGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		writing(t, l.nodes[leader].Node, 1)
		l.setClock(leader, -time.Hour)
		for range 20 {
			<-time.After(time.Second)
			writing(t, l.nodes[leader].Node, 1)
			if d := ahead(l.nodes[leader].Node); d < -time.Second {
				t.Fatalf("the time stands still: %v behind", -d)
			}
		}
		l.end(t)
	})
}

// The office goes round between nodes whose clocks differ, and every replica has
// the same time, which never runs back: all judge what has expired alike.
func TestTime_LeadersWithSkewedClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		l.setClock("n1", 8*time.Second)
		l.setClock("n2", -40*time.Minute)
		l.setClock("n3", 3*year)
		var last int64
		for round := range 12 {
			to := ids[round%3]
			if _, err := l.nodes[ids[0]].TransferLeadership(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			<-time.After(5 * time.Second)
			l.leaderOf(t, ids...)
			writing(t, l.nodes[to].Node, 2)
			rev := l.nodes[to].Store().Revision()
			now := l.nodes[to].Store().Time()
			if now <= last {
				t.Errorf("the time of %s is %v behind its predecessor's", to, time.Duration(last-now))
			}
			last = now
			for _, id := range ids {
				if err := l.nodes[id].Wait(t.Context(), rev); err != nil {
					t.Fatal(err)
				}
				if got := l.nodes[id].Store().Time(); got != now {
					t.Errorf("%s has the time %d, %s %d", id, got, to, now)
				}
			}
		}
		l.end(t)
	})
}

// A node that starts with a wrong clock and leads before it has seen a command
// asks the others.
func TestTime_FreshLeaderAsksTheOthers(t *testing.T) {
	for _, wrong := range []time.Duration{year, -year} {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				ids := l.trio(t, nil)
				writing(t, l.nodes["n1"].Node, 1)
				cfgs := map[string]Config{}
				for _, id := range ids {
					cfgs[id] = l.nodes[id].cfg
					l.kill(id)
				}
				<-time.After(3 * time.Hour)
				l.setClock("n2", wrong)
				for _, id := range ids {
					l.start(t, cfgs[id])
				}
				l.ready(t, ids...)
				if _, err := l.nodes["n1"].TransferLeadership(t.Context(), "n2"); err != nil {
					t.Fatal(err)
				}
				l.leaderOf(t, ids...)
				writing(t, l.nodes["n2"].Node, 1)
				l.end(t)
			})
		})
	}
}

// Where all clocks were set, as after the machines have slept, the cluster does
// not stay behind.
func TestTime_MajorityIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		writing(t, l.nodes["n1"].Node, 1)
		for _, id := range ids {
			l.setClock(id, time.Hour)
		}
		<-time.After(3 * time.Second)
		propose(t, l.nodes["n1"].Node, write(1))
		<-time.After(3 * time.Second)
		propose(t, l.nodes["n1"].Node, write(1))
		n := l.nodes[l.leaderOf(t, ids...)]
		if d := ahead(n.Node); d < time.Hour-time.Second {
			t.Errorf("%v ahead, all clocks by 1 h", d)
		}
		c := write(2)
		c.RequestID = requestID(time.Now().Add(time.Hour))
		propose(t, n.Node, c)
		l.end(t)
	})
}

// A node that is alone has only one clock. It takes a jump for a mistake at
// first, one of more than a day until it is started again.
func TestTime_NodeAloneWaitsBeforeItBelievesItself(t *testing.T) {
	for _, jump := range []time.Duration{8 * time.Hour, year} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				cfg := l.config("n1")
				n := l.start(t, cfg)
				l.ready(t, "n1")
				writing(t, n, 1)
				l.setClock("n1", jump)
				<-time.After(45 * time.Second)
				writing(t, n, 1)
				<-time.After(5 * time.Minute)
				propose(t, n, write(1))
				believed := ahead(n) > jump-time.Second
				if want := jump < 24*time.Hour; believed != want {
					t.Errorf("%v ahead of the truth, the clock %v", ahead(n), jump)
				}
				l.stop("n1")
				n = l.start(t, cfg)
				l.ready(t, "n1")
				propose(t, n, write(1))
				if ahead(n) < jump-time.Second {
					t.Errorf("%v ahead of the truth after a restart, the clock %v", ahead(n), jump)
				}
				l.end(t)
			})
		})
	}
}

// What a wrong clock would break for good: request ids stay usable, and each
// takes effect once.
func TestTime_RequestIDsSurviveAWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := l.trio(t, nil)
		leader := l.leaderOf(t, ids...)
		l.setClock(leader, year)
		propose(t, l.nodes[leader].Node, write(1))
		c := write(2)
		c.RequestID, c.Updates[0].Op = requestID(time.Now()), store.OpCreate
		first := propose(t, l.nodes[leader].Node, c)
		next := followers(leader, ids)[0]
		if _, err := l.nodes[leader].TransferLeadership(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		l.leaderOf(t, ids...)
		if again := propose(t, l.nodes[next].Node, c); !again.Replayed || again.Revision != first.Revision {
			t.Errorf("again: %+v, first %+v", again, first)
		}
		l.end(t)
	})
}

func TestTime_WrongClockIsLoggedAsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		var out lines
		cfg := l.config("n1")
		cfg.Logger = out.logger()
		l.start(t, cfg)
		l.ready(t, "n1")
		l.setClock("n1", year)
		<-time.After(3 * time.Minute)
		l.setClock("n1", 0)
		<-time.After(3 * time.Second)
		said := out.matching("far apart")
		if len(said) < 2 || len(said) > 5 || !strings.Contains(said[0], "level=ERROR") {
			t.Errorf("in 3 minutes: %q", said)
		}
		if len(out.matching("agree again")) != 1 {
			t.Error("that it is right again is not logged")
		}
		l.end(t)
	})
}
