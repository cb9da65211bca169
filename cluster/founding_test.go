package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestFounding_ThreeFreshNodesFormOneCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		start := time.Now()
		ids := l.trio(t, nil)
		t.Log("ready after", time.Since(start))
		cluster := l.nodes["n1"].Status().ClusterID
		for _, id := range ids {
			n := l.nodes[id]
			if got := n.Status().ClusterID; got != cluster || len(n.voters()) != 3 {
				t.Errorf("%s: cluster %s, voters %v", id, got, n.voters())
			}
			for _, other := range ids {
				eventually(t, "the disk of "+other+" is known on "+id, func() bool {
					r, _, err := n.memberRecord(other)
					return err == nil && r.Disk == l.nodes[other].disk.self.get().DiskID
				})
			}
		}
		propose(t, l.nodes["n1"].Node, write(1))
		propose(t, l.nodes["n2"].Node, write(2))
		propose(t, l.nodes["n3"].Node, write(3))
		l.end(t)
	})
}

func TestFounding_ExpectingOnlyItselfFoundsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		cfg := l.config("n1", "n1")
		cfg.BootstrapExpect = 1
		n := l.start(t, cfg)
		l.ready(t, "n1")
		propose(t, n, write(1))
		l.end(t)
	})
}

// Nodes that expect different numbers found nothing, rather than two clusters.
func TestFounding_DisagreementFoundsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ids := []string{"n1", "n2", "n3"}
		for i, id := range ids {
			cfg := l.config(id, ids...)
			cfg.BootstrapExpect = 2 + i%2
			l.start(t, cfg)
		}
		<-time.After(30 * time.Second)
		if c := l.clusters(); len(c) > 1 {
			t.Errorf("clusters %v", c)
		}
	})
}
