//go:build linux

package histories

import (
	"os"
	"strconv"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	builds.remove()
	os.Exit(code)
}

// simulation reads the seed, and how long a run lasts: 0 = the least.
func simulation(t *testing.T) (seed uint64, length time.Duration) {
	t.Helper()
	seed = uint64(time.Now().UnixNano())
	var err error
	if text := os.Getenv("PEMBA_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("PEMBA_SEED: %v", err)
		}
	}
	if text := os.Getenv("PEMBA_SIM"); text != "" {
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("PEMBA_SIM: %v", err)
		}
	}
	t.Logf("PEMBA_SEED=%d", seed)
	return seed, length
}

// survive carries a plan out and wants nothing to be wrong.
func survive(t *testing.T, p plan) {
	t.Helper()
	p.logf = t.Logf
	t.Logf("seed %d: %d nodes, with seams: %v, own disks: %v, horizon: %v, hectic: %v", p.seed, p.nodes, p.program.faulty, p.disk > 0, p.horizon, p.hectic)
	findings, err := p.carryOut(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Errorf("seed %d: %s", p.seed, f)
	}
}

func built(t *testing.T, faulty bool) program {
	t.Helper()
	p, err := builds.build(faulty)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestHistory_OneNode kills the only node.
func TestHistory_OneNode(t *testing.T) {
	seed, length := simulation(t)
	if length == 0 {
		t.Parallel()
	}
	survive(t, plan{
		setup: setup{program: built(t, false), nodes: 1}, seed: seed,
		length: max(2*time.Second, length/10), faults: []string{"kill", "end"},
	})
}

// roundTime is how long one round of a long run lasts.
const roundTime = 30 * time.Second

// TestHistory_Cluster lets go wrong what can go wrong with three nodes: once
// for a few seconds, or, with PEMBA_SIM, one round after the other, by turns with
// the seams of package faulty and snapshots all the time, on disks that can be
// full and lose power, with five nodes, with a short horizon, and with hardly a
// pause between faults.
func TestHistory_Cluster(t *testing.T) {
	seed, length := simulation(t)
	p := plan{setup: setup{program: built(t, false), nodes: 3, cut: true}, seed: seed, length: 6 * time.Second}
	if length == 0 {
		t.Parallel()
		survive(t, p)
		return
	}
	p.length = min(length, roundTime)
	end := time.Now().Add(length)
	for round := uint64(0); round == 0 || time.Now().Before(end); round++ {
		p.seed = seed + round
		p.program, p.nodes, p.disk, p.horizon, p.env = built(t, round%2 == 1), 3, 0, 0, nil
		if p.seed%5 == 4 {
			p.nodes = 5
		}
		if p.seed%3 == 2 {
			p.disk = 192 << 20
		}
		if p.seed%7 == 6 {
			p.horizon = 5 * time.Second
		}
		p.hectic = p.seed%4 >= 2
		if p.program.faulty {
			p.env = []string{"PEMBA_FAULT_SNAPSHOT_BYTES=65536"}
		}
		t.Run("round", func(t *testing.T) { survive(t, p) })
	}
}

// TestHistory_Staleness freezes nodes for longer than an answer at "any" may be
// old, and asks them before they can have heard of anything new.
func TestHistory_Staleness(t *testing.T) {
	seed, length := simulation(t)
	if length == 0 {
		t.Skip("takes a minute; set PEMBA_SIM")
	}
	p := plan{setup: setup{program: built(t, false), nodes: 3, cut: true}, seed: seed,
		length: max(time.Minute, length/4), faults: []string{"freeze", "freeze the leader"}, pester: true}
	if err := canUnshare(); err != nil {
		t.Skip(err)
	}
	survive(t, p)
}

// TestHistory_Laggards lets nodes learn late what is committed, while clients go
// from node to node with their tokens.
func TestHistory_Laggards(t *testing.T) {
	seed, length := simulation(t)
	if length == 0 {
		t.Skip("takes half a minute; set PEMBA_SIM")
	}
	survive(t, plan{setup: setup{program: built(t, true), nodes: 3, cut: true}, seed: seed,
		length: max(roundTime, length/4), faults: []string{"lag", "slow network", "deafen", "stop", "bounce"}})
}
