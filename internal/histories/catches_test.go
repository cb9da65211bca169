//go:build linux

package histories

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A knownBug is one that the harness must catch, with the plan that provokes it.
type knownBug struct {
	name    string // as package faulty knows it, perhaps with a remark after a blank
	faults  []string
	env     []string
	horizon time.Duration
	disk    int64
	nodes   int           // 0 = 3
	length  time.Duration // of a round; 0 = 8 s
	most    time.Duration // of all rounds
	pester  bool
	signs   []string // a finding that has one of them is about this bug
}

var knownBugs = []knownBug{
	{name: "stale-read", faults: []string{"cut off the leader", "stop"}, most: time.Minute, signs: []string{"real time: "}},
	{name: "early-ack", faults: []string{"kill all"}, most: 2 * time.Minute,
		signs: []string{"acknowledged write: ", "TOKEN_AHEAD", "does not exist", "real time: ", "UNKNOWN_TENANT"}},
	{name: "no-sync", faults: []string{"power loss of all"}, most: 2 * time.Minute, disk: 192 << 20,
		signs: []string{"acknowledged write: ", "TOKEN_AHEAD", "real time: ", "FOREIGN_TOKEN", "does not get ready", "UNKNOWN_TENANT"}},
	{name: "cache-for-ever", faults: []string{"kill"}, most: time.Minute, signs: []string{"answer: "}},
	{name: "snapshot-drops", faults: []string{"kill"}, most: time.Minute, env: []string{"PEMBA_FAULT_SNAPSHOT_BYTES=32768"},
		signs: []string{"tells another history", "the state of ", "acknowledged write: ", "says false at revision", "exports "}},
	{name: "local-horizon", faults: []string{"part one pair"}, most: time.Minute, horizon: 3 * time.Second, signs: []string{"the state of "}},
	{name: "no-wait", faults: []string{"lag", "deafen"}, most: time.Minute, signs: []string{"level: ", "new enemy"}},
	{name: "no-wait for tenants", faults: []string{"lag", "deafen"}, most: time.Minute, signs: []string{"check in tenant ", "tenant t"}},
	{name: "stale-any", faults: []string{"freeze"}, most: 2 * time.Minute, length: 30 * time.Second, pester: true, signs: []string{"staleness: "}},
	{name: "heartbeat-fast-path", most: 30 * time.Minute, length: time.Minute, faults: []string{"slow network", "bounce the leader"},
		signs: []string{"two leaders: ", "acknowledged write: ", "tells another history", "the state of "}},
}

// TestHistory_CatchesBug runs a cluster with a known bug until the harness says
// that something is wrong. It must.
func TestHistory_CatchesBug(t *testing.T) {
	seed, length := simulation(t)
	if length == 0 {
		t.Skip("takes minutes; set PEMBA_SIM")
	}
	for _, b := range knownBugs {
		t.Run(b.name, func(t *testing.T) {
			fault, _, _ := strings.Cut(b.name, " ")
			p := plan{
				setup: setup{program: built(t, true), nodes: cmp.Or(b.nodes, 3), cut: true, horizon: b.horizon, disk: b.disk, env: append(b.env, "PEMBA_FAULT="+fault)},
				seed:  seed, length: cmp.Or(b.length, 8*time.Second), faults: b.faults, pester: b.pester, logf: t.Logf, quiet: true,
			}
			if b.disk > 0 && canMount() != nil {
				t.Skip(canMount())
			}
			p.catch(t, b)
		})
	}
}

// catch carries out rounds until one has a finding with a sign of b.
func (p plan) catch(t *testing.T, b knownBug) {
	t.Helper()
	began := time.Now()
	for ; time.Since(began) < b.most; p.seed++ {
		findings, err := p.carryOut(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			if slices.ContainsFunc(b.signs, func(sign string) bool { return strings.Contains(f, sign) }) {
				t.Logf("caught after %v, seed %d: %d findings, one is: %s", time.Since(began).Round(time.Second), p.seed, len(findings), f)
				return
			}
			t.Logf("seed %d: it may be something else: %s", p.seed, f)
		}
	}
	t.Errorf("not caught within %v", b.most)
}
