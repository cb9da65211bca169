package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// other is a cluster of one at n9, beside n1 to n3.
func (l *lab) other(t *testing.T) string {
	t.Helper()
	n := l.start(t, l.config("n9"))
	l.ready(t, "n9")
	id, _ := n.Store().Cluster()
	return id
}

func TestEnrol_MemberIsRefusedWhenToldToJoinAnotherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		theirs := l.other(t)
		ids := l.trio(t, nil)
		ours, _ := l.nodes["n1"].Store().Cluster()
		for _, join := range [][]string{{"n9"}, {"nowhere", "n9", "n2"}} {
			cfg := l.nodes["n1"].cfg
			l.kill("n1")
			mine := cfg
			cfg.Join, cfg.BootstrapExpect = join, 0
			n := l.start(t, cfg)
			<-n.Failed()
			err := n.AwaitReady(t.Context())
			if !errors.Is(n.Err(), ErrOtherCluster) || !strings.Contains(n.Err().Error(), ours) || !strings.Contains(n.Err().Error(), theirs) {
				t.Errorf("join %v: %v", join, n.Err())
			}
			if err != nil && strings.Contains(err.Error(), "has failed") {
				t.Errorf("nothing is wrong with the node: %v", err)
			}
			l.kill("n1")
			l.start(t, mine)
			l.ready(t, ids...)
		}
		l.stop("n9")
		l.end(t)
	})
}

func TestEnrol_MemberGoesOnWhereNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.other(t)
		ids := l.trio(t, nil)
		cfg := l.nodes["n1"].cfg
		l.kill("n1")
		l.cut("n9")
		cfg.Join = []string{"n9"}
		n := l.start(t, cfg)
		l.ready(t, ids...)
		propose(t, n, write(1))
		<-time.After(time.Minute)
		if n.Err() != nil {
			t.Fatal(n.Err())
		}
		l.mend("n9") // then it is found out
		<-n.Failed()
		if !errors.Is(n.Err(), ErrOtherCluster) {
			t.Error(n.Err())
		}
		l.kill("n1")
		l.kill("n9")
		l.end(t)
	})
}

// What a healthy node says of itself must not frighten anybody.
func TestEnrol_HealthyNodesSayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		var out lines
		cfg := l.config("n1")
		cfg.Logger = out.logger()
		for range 2 { // founding and starting again
			l.start(t, cfg)
			l.ready(t, "n1")
			<-time.After(time.Minute)
			l.stop("n1")
		}
		if said := append(out.matching("level=WARN"), out.matching("level=ERROR")...); len(said) > 0 {
			t.Errorf("%q", said)
		}
	})
}

func TestEnrol_MemberWithoutALeaderSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		var out lines
		ids := l.trio(t, func(c *Config) {
			if c.NodeID == "n1" {
				c.Logger = out.logger()
			}
		})
		<-time.After(10 * time.Second)
		for _, id := range ids {
			l.cut(id)
		}
		<-time.After(time.Minute)
		if len(out.matching("no answer from a leader")) == 0 {
			t.Error("a member says nothing of having no leader")
		}
		for _, said := range out.matching("not a member") {
			if strings.Contains(said, "stage=member") {
				t.Errorf("a member says %q", said)
			}
		}
		l.heal()
		l.leaderOf(t, ids...)
		l.end(t)
	})
}

func TestEnrol_RemovedNodeDoesNotSayThatItHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		var out lines
		l.start(t, l.config("n1"))
		cfg := l.config("n2", "n1")
		cfg.Logger = out.logger()
		n := l.start(t, cfg)
		l.ready(t, "n1", "n2")
		l.voting(t, "n1", "n1", "n2")
		if err := l.nodes["n1"].RemoveNode(t.Context(), "n2", false); err != nil {
			t.Fatal(err)
		}
		<-n.Failed()
		_, err := n.ReadIndex(context.Background())
		if !errors.Is(err, ErrFailed) || !errors.Is(err, ErrRemoved) || strings.Contains(err.Error(), "failed") {
			t.Errorf("got %v", err)
		}
		synctest.Wait() // it ends first, and says so then
		if said := out.matching("has failed"); len(said) > 0 || len(out.matching("was removed")) == 0 {
			t.Errorf("it says %q", said)
		}
		l.kill("n2")
		l.end(t)
	})
}
