package node

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/cluster"
)

func TestPeers_AnyNodeTakesWritesAndReadIndexes(t *testing.T) {
	members := founded(t, nil)
	var wg sync.WaitGroup
	for i, m := range members {
		for w := range 8 {
			wg.Go(func() {
				for k := range 25 {
					out, err := m.Propose(deadline(t), write(i*1000+w*100+k))
					if err == nil {
						err = out.Err()
					}
					rev, readErr := m.ReadIndex(deadline(t))
					if err := errors.Join(err, readErr); err != nil || rev < out.Revision {
						t.Errorf("node %d: wrote at %d, read index %d: %v", i, out.Revision, rev, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	sameState(t, members)
	nodes, err := members[1].Nodes(deadline(t), true)
	if err != nil || len(nodes) != 3 {
		t.Fatal(nodes, err)
	}
	for _, n := range nodes {
		if n.Problem != "" || n.Hash == nil || *n.Hash != *nodes[0].Hash {
			t.Errorf("%+v", n)
		}
	}
}

func TestPeers_WritesGoOnWhenTheLeaderStops(t *testing.T) {
	members := founded(t, nil)
	old, rest := leader(t, members)
	if _, err := rest[0].Propose(deadline(t), write(1)); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- old.Close() }()
	var longest time.Duration
	for i, end := 0, time.Now().Add(2*time.Second); time.Now().Before(end); i++ {
		start := time.Now()
		if out, err := rest[0].Propose(deadline(t), write(i)); err != nil || out.Err() != nil {
			t.Fatal(err, out)
		}
		longest = max(longest, time.Since(start))
	}
	t.Log("longest pause", longest)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	sameState(t, rest)
}

func TestPort_MutualTLSWithAllowList(t *testing.T) {
	ca := newAuthority(t)
	members := founded(t, func(c *cluster.Config) { c.NodeTLS = ca.tls(c.NodeID, "n1", "n2", "n3", "n4") })
	_, rest := leader(t, members)
	if _, err := rest[0].Propose(deadline(t), write(1)); err != nil {
		t.Fatal(err)
	}
	for name, tls := range map[string]*cluster.NodeTLS{
		"no TLS": nil, "another CA": newAuthority(t).tls("n4", "n1", "n2", "n3"), "not on the list": ca.tls("n5", "n1", "n2", "n3"),
	} {
		cfg := config(t, "n4")
		cfg.Join, cfg.NodeTLS = members[0].cfg.Join, tls
		m := start(t, cfg, listenClients(t))
		if err := m.AwaitReady(within(t, 2*time.Second)); err == nil {
			t.Errorf("%s: it has joined", name)
		}
	}
	cfg := config(t, "n4")
	cfg.Join, cfg.NodeTLS = members[0].cfg.Join, ca.tls("n4", "n1", "n2", "n3")
	ready(t, start(t, cfg, listenClients(t)))
}

// A member that joins late gets a snapshot, through the port and TLS, while
// writes go on.
func TestPort_CarriesSnapshots(t *testing.T) {
	ca := newAuthority(t)
	change := func(c *cluster.Config) {
		c.NodeTLS = ca.tls(c.NodeID, "n1", "n2", "n3", "n4")
		c.SnapshotBytes, c.TrailingBytes = 50_000, 1
	}
	members := founded(t, change)
	first, _ := leader(t, members)
	var wg sync.WaitGroup
	for w := range 2 { // few, so that there are many entries
		wg.Go(func() {
			ctx := deadline(t)
			for i := 0; i < 400; {
				out, err := first.Propose(ctx, write(w*1000+i))
				switch {
				case err == nil && out.Err() == nil:
					i++
				case ctx.Err() != nil || err == nil:
					t.Error(out, err)
					return
				} // a busy machine may cost the leader its office: again
			}
		})
	}
	wg.Wait()
	if first.Status().SnapshotIndex == 0 {
		t.Fatal("the leader has taken no snapshot")
	}
	cfg := config(t, "n4")
	change(&cfg)
	cfg.Join = members[0].cfg.Join
	late := start(t, cfg, listenClients(t))
	ready(t, late)
	if late.Status().SnapshotIndex == 0 {
		t.Error("it got the log, not the snapshot")
	}
	sameState(t, append(members, late))
}
