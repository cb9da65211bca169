package bench

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/api/node"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// BenchmarkCatchUp lets one of three nodes, over loopback and on real files, catch
// up with 1,000,000 tuples that were imported while it was down, by the log alone
// and by a snapshot, and shows what that does to 16 writers at the leader. All
// three share the machine and the process, whose memory is given.
//
//	go test -run '^$' -bench CatchUp -benchtime 1x ./bench
func BenchmarkCatchUp(b *testing.B) {
	for _, by := range []string{"log", "snapshot"} {
		b.Run("by="+by, func(b *testing.B) {
			for range b.N {
				benchCatchUp(b, by == "snapshot")
			}
		})
	}
}

func benchCatchUp(b *testing.B, bySnapshot bool) {
	const tuples = 1_000_000
	f := newCohort(b, func(c *cluster.Config) {
		if bySnapshot {
			c.TrailingBytes = 1 << 20
		} else {
			c.SnapshotBytes, c.SnapshotEntries = 1<<40, 1<<40
		}
	})
	leader := f.leader(b)
	late := (leader + 1) % 3
	if err := f.nodes[late].Close(); err != nil {
		b.Fatal(err)
	}
	f.importTuples(b, leader, tuples)
	if bySnapshot {
		if err := f.nodes[leader].Snapshot(); err != nil {
			b.Fatal(err)
		}
	}
	before := f.drive(b, leader, func() { <-time.After(10 * time.Second) })
	idle := memoryInUse()
	var took time.Duration
	peak := &atomic.Uint64{}
	during := f.drive(b, leader, func() {
		stop := watchMemory(peak)
		defer stop()
		start := time.Now()
		f.start(b, late)
		goal := f.nodes[leader].Store().Revision()
		if err := f.nodes[late].Wait(b.Context(), goal); err != nil {
			b.Fatal(err)
		}
		if err := f.nodes[late].AwaitReady(b.Context()); err != nil {
			b.Fatal(err)
		}
		took = time.Since(start)
	})
	if got := f.nodes[late].Status().SnapshotIndex > 0; got != bySnapshot {
		b.Errorf("a snapshot at the late node: %v", got)
	}
	b.ReportMetric(float64(f.again.Load()), "repeated")
	b.ReportMetric(took.Seconds(), "s-to-catch-up")
	b.ReportMetric(before.rate, "writes/s-before")
	b.ReportMetric(during.rate, "writes/s-during")
	b.ReportMetric(before.p99, "p99-ms-before")
	b.ReportMetric(during.p99, "p99-ms-during")
	b.ReportMetric(float64(idle)/(1<<20), "MiB-before")
	b.ReportMetric(float64(peak.Load())/(1<<20), "MiB-peak")
}

// cohort is three nodes of one process.
type cohort struct {
	nodes  [3]*cluster.Node
	cfgs   [3]cluster.Config
	sights *directory
	again  atomic.Int64 // writes that were repeated
}

func newCohort(b *testing.B, change func(*cluster.Config)) *cohort {
	b.Helper()
	quiet := slog.New(slog.DiscardHandler)
	f := &cohort{sights: &directory{nodes: map[string]*cluster.Node{}}}
	for i := range f.cfgs {
		f.cfgs[i] = cluster.Config{
			NodeID: fmt.Sprint("n", i+1), DataDir: filepath.Join(b.TempDir(), fmt.Sprint(i)), RaftAddr: freeAddr(b),
			Join: []string{"c1", "c2", "c3"}, BootstrapExpect: 3, ClientAddr: fmt.Sprint("c", i+1), MinFreeDisk: -1, Logger: quiet,
		}
		change(&f.cfgs[i])
		f.start(b, i)
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	for _, n := range f.nodes {
		if err := n.AwaitReady(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() {
		for _, n := range f.nodes {
			n.Close()
		}
	})
	return f
}

func (f *cohort) start(b *testing.B, i int) {
	b.Helper()
	cfg := f.cfgs[i]
	cfg.Peers, cfg.Discovery = node.New(cfg.Logger), f.sights
	n, err := cluster.Start(cfg)
	if err != nil {
		b.Fatal(err)
	}
	f.nodes[i] = n
	f.sights.add(cfg.ClientAddr, n)
}

func (f *cohort) leader(b *testing.B) int {
	b.Helper()
	for range 1000 {
		i := slices.IndexFunc(f.nodes[:], func(n *cluster.Node) bool { return n.Status().State == "Leader" })
		if i >= 0 {
			return i
		}
		<-time.After(10 * time.Millisecond)
	}
	b.Fatal("no leader")
	return -1
}

// importTuples writes tuples at node i, 1,000 a command, four commands at a time.
func (f *cohort) importTuples(b *testing.B, i, tuples int) {
	b.Helper()
	const batch = 1000
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for from := next.Add(batch) - batch; from < int64(tuples); from = next.Add(batch) - batch {
				c := store.Command{Kind: store.KindWrite, Tenant: cluster.DefaultTenant, Actor: "bench"}
				for k := from; k < from+batch; k++ {
					c.Updates = append(c.Updates, store.Update{Op: store.OpTouch, Tuple: tuple.Tuple{
						Object: tuple.Object{Type: "document", ID: fmt.Sprint("import-", k)}, Relation: "viewer",
						Subject: tuple.Subject{Type: "user", ID: fmt.Sprint("u", k%10_000)},
					}})
				}
				f.write(b, i, c)
			}
		})
	}
	wg.Wait()
}

// write repeats c at node i until it is done: a disk that others keep busy may
// cost a leader its office.
func (f *cohort) write(b *testing.B, i int, c store.Command) {
	for {
		out, err := f.nodes[i].Propose(b.Context(), c)
		if err == nil {
			err = out.Err()
		}
		switch {
		case err == nil:
			return
		case f.again.Add(1) > 10_000 || b.Context().Err() != nil:
			b.Error(err)
			return
		}
	}
}

// driven is what writers saw.
type driven struct {
	rate, p99 float64 // writes a second; milliseconds
}

// drive has 16 writers write one tuple at a time at node i while f runs.
func (f *cohort) drive(b *testing.B, i int, run func()) driven {
	b.Helper()
	var stop atomic.Bool
	var next atomic.Int64
	var wg sync.WaitGroup
	times := make([][]time.Duration, 16)
	start := time.Now()
	for w := range times {
		wg.Go(func() {
			for !stop.Load() {
				begun := time.Now()
				f.write(b, i, benchCommand(next.Add(1)))
				times[w] = append(times[w], time.Since(begun))
			}
		})
	}
	run()
	stop.Store(true)
	wg.Wait()
	all := slices.Concat(times...)
	slices.Sort(all)
	return driven{float64(len(all)) / time.Since(start).Seconds(), all[len(all)*99/100].Seconds() * 1000}
}

// memoryInUse is what the process has of the system and uses, as Go counts it.
func memoryInUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// watchMemory keeps the highest memoryInUse in peak until stop is called.
func watchMemory(peak *atomic.Uint64) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			peak.Store(max(peak.Load(), memoryInUse()))
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-done }
}
