//go:build linux

package histories

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// TestHistory_Failover prints what clients notice when the leader is lost: by
// kill -9, and by an orderly end. With PEMBA_SIM it does so for that long, but at
// most 50 times each.
func TestHistory_Failover(t *testing.T) {
	seed, length := simulation(t)
	if length == 0 {
		t.Skip("takes a minute; set PEMBA_SIM")
	}
	p := plan{setup: setup{program: built(t, false), nodes: 3, cut: true}, seed: seed, logf: t.Logf}
	killed, ended := p.loseLeaders(t, syscall.SIGKILL, length/2), p.loseLeaders(t, syscall.SIGTERM, length/2)
	t.Logf("kill -9: %v", killed)
	t.Logf("SIGTERM: %v", ended)
	if killed.median() > 3*time.Second || killed.longest() > 6*time.Second {
		t.Error("after kill -9, writes are to go on within 3 s in the median and 6 s at worst")
	}
	if ended.longest() > 500*time.Millisecond {
		t.Error("writes are to pause for less than 500 ms when the leader ends in order")
	}
	for _, f := range append(killed.failed(), ended.failed()...) {
		t.Errorf("a read at any failed %s", f)
	}
}

func (p plan) loseLeaders(t *testing.T, sig syscall.Signal, length time.Duration) losses {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length+2*patience)
	defer cancel()
	r := &run{plan: p, history: &history{began: time.Now()}}
	var err error
	if r.cluster, err = launch(ctx, t.TempDir(), p.setup); err != nil {
		t.Fatal(err)
	}
	defer r.cluster.close()
	if err := r.writeSchema(ctx); err != nil {
		t.Fatal(err)
	}
	var out losses
	end := time.Now().Add(length)
	for len(out) < 3 || len(out) < 50 && time.Now().Before(end) {
		l, err := r.loseLeader(ctx, sig)
		if err != nil {
			t.Fatalf("loss %d: %v\n%s", len(out)+1, err, r.cluster.logs())
		}
		out = append(out, l)
	}
	for _, f := range r.history.faults {
		t.Error(f)
	}
	return out
}
