//go:build linux

package histories

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// TestHistory_Failover prints what clients notice when the leader is lost: by
// kill -9, and by an orderly end. With PEMBA_SIM it does each for that long, but
// at most 50 times.
func TestHistory_Failover(t *testing.T) {
	seed, length := simulation(t)
	if length == 0 {
		t.Skip("takes a minute; set PEMBA_SIM")
	}
	p := plan{setup: setup{program: built(t, false), nodes: 3, cut: true}, seed: seed, logf: t.Logf}
	for _, c := range []struct {
		name            string
		signal          syscall.Signal
		median, longest time.Duration // that are promised
	}{
		{"kill", syscall.SIGKILL, 3 * time.Second, 6 * time.Second},
		{"end", syscall.SIGTERM, 500 * time.Millisecond, 500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := p.loseLeaders(t, c.signal, length)
			t.Log(got)
			if got.median() > c.median || got.longest() > c.longest {
				t.Errorf("writes are to go on within %v in the median and %v at worst", c.median, c.longest)
			}
			for _, f := range got.failed() {
				t.Errorf("a read at any failed %s", f)
			}
		})
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
