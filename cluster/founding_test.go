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
			for i, other := range ids {
				if r, ok, err := n.memberRecord(other); !ok || err != nil || r.Disk != l.nodes[other].disk.self.get().DiskID {
					t.Errorf("record %d on %s: %+v %v %v", i, id, r, ok, err)
				}
			}
		}
		propose(t, l.nodes["n1"].Node, write(1))
		propose(t, l.nodes["n2"].Node, write(2))
		propose(t, l.nodes["n3"].Node, write(3))
		l.end(t)
	})
}
