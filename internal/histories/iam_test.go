//go:build linux

package histories

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/iam/credential"
)

// TestHistory_IAM grants and revokes while processes are killed, stopped and cut
// off, and holds every answer of Authorize against an oracle at the very revision
// that it names.
func TestHistory_IAM(t *testing.T) {
	seed, length := simulation(t)
	if length == 0 {
		t.Skip("takes half a minute; set PEMBA_SIM")
	}
	p := plan{
		setup: setup{program: built(t, false), nodes: 3, cut: true, env: []string{"PEMBA_IAM_MASTER_KEY=" + credential.NewMasterKey().Text()}},
		seed:  seed, length: max(roundTime, length/4), logf: t.Logf,
		faults: []string{"kill", "kill the leader", "stop", "stop the leader", "cut off", "cut off the leader", "bounce the leader"},
	}
	r := &iamRun{run: run{plan: p, history: &history{began: time.Now()}}, world: iamWorld{facts: map[string]*fact{}}}
	r.carryOut(t)
}

func (r *iamRun) carryOut(t *testing.T) {
	ctx := t.Context()
	var err error
	if r.cluster, err = launch(ctx, t.TempDir(), r.setup); err != nil {
		t.Fatal(err)
	}
	defer r.cluster.close()
	if err := r.found(ctx); err != nil {
		t.Fatalf("%v\n%s", err, r.cluster.logs())
	}
	r.workOnRights(ctx, t)
	settle, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if err := r.cluster.awaitAll(settle); err != nil {
		t.Fatalf("%v\n%s", err, r.cluster.logs())
	}
	if err := r.compareHashes(settle); err != nil {
		t.Fatal(err)
	}
	allowed, denied, unsure := r.check()
	t.Logf("seed %d: %d changes; %d allowed, %d denied, %d of which the oracle is not sure", r.seed, len(r.acks), allowed, denied, unsure)
	if allowed < 100 || denied < 100 || unsure > (allowed+denied)/2 {
		t.Error("that says too little")
	}
	if len(r.history.faults) > 0 {
		r.keep()
	}
	for _, f := range r.history.faults {
		t.Errorf("seed %d: %s", r.seed, f)
	}
}

// workOnRights lets clients and nemeses loose.
func (r *iamRun) workOnRights(ctx context.Context, t *testing.T) {
	ctx, cancel := context.WithTimeout(ctx, r.length)
	defer cancel()
	const changers = 4
	shares := make([][]iamChange, changers)
	for i, change := range r.world.changes() {
		shares[i%changers] = append(shares[i%changers], change)
	}
	var all sync.WaitGroup
	for _, own := range shares {
		c := r.newClient()
		all.Go(func() { r.changeFacts(ctx, c, own) })
	}
	for range 8 {
		c := r.newClient()
		all.Go(func() { r.askRights(ctx, c) })
	}
	all.Go(func() { r.guard(ctx, cancel) })
	if err := r.plague(ctx); err != nil {
		t.Error(err)
	}
	<-ctx.Done()
	all.Wait()
}

func TestIAMFact_IsKnownOutsideOfItsTurns(t *testing.T) {
	f := &fact{}
	f.begin(10, true)
	f.end(19, 20)
	f.begin(20, false)
	for rev, want := range map[uint64]truth{5: no, 19: no, 20: yes, 21: maybe} {
		if got := f.at(rev); got != want {
			t.Errorf("at %d: %d, want %d", rev, got, want)
		}
	}
	f.end(20, 30)
	for rev, want := range map[uint64]truth{20: yes, 25: maybe, 30: no} {
		if got := f.at(rev); got != want {
			t.Errorf("in the end, at %d: %d, want %d", rev, got, want)
		}
	}
}
