package bench

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
)

// BenchmarkSnapshot takes snapshots of a population on disk, alone and while
// 2,000 checks and 200 writes of 10 tuples a second come over gRPC at fixed
// times; and it shows the latencies of these with and without a snapshot under
// way. Node and clients share the process and its processors.
//
//	PEMBA_BENCH_TUPLES=10000000 go test -run '^$' -bench 'Snapshot$' -benchtime 1x -timeout 1h ./bench
func BenchmarkSnapshot(b *testing.B) {
	p := planned(b, Plan{Workload: IAM, Tuples: benchTuples(b)})
	node, conn := serveNode(b)
	if _, err := p.Install(b.Context(), conn, ""); err != nil {
		b.Fatal(err)
	}
	load := pacedLoad{b: b, population: p, conn: conn}
	load.run(time.Second) // so that the first snapshot has something new, too
	var alone, beside, checks, writes, checksBeside, writesBeside []float64
	for b.Loop() {
		for range trials {
			alone = append(alone, snapshotOf(b, node).Seconds())
			c, w := load.run(5 * time.Second)
			checks, writes = append(checks, c), append(writes, w)
			took := time.Duration(0)
			var snapshot sync.WaitGroup
			snapshot.Go(func() { took = snapshotOf(b, node) })
			c, w = load.run(time.Duration(alone[0] * float64(time.Second))) // not longer than the snapshot
			checksBeside, writesBeside = append(checksBeside, c), append(writesBeside, w)
			snapshot.Wait()
			beside = append(beside, took.Seconds())
			load.run(time.Second / 5)
		}
	}
	b.ReportMetric(median(alone), "s-alone")
	b.ReportMetric(median(beside), "s-beside-load")
	b.ReportMetric(median(checks), "check-p99-µs")
	b.ReportMetric(median(checksBeside), "check-p99-µs-beside")
	b.ReportMetric(median(writes), "write-p99-µs")
	b.ReportMetric(median(writesBeside), "write-p99-µs-beside")
	b.ReportMetric(0, "ns/op")
}

func snapshotOf(b *testing.B, node *cluster.Node) time.Duration {
	b.Helper()
	start := time.Now()
	if err := node.Snapshot(); err != nil {
		b.Error(err)
	}
	return time.Since(start)
}

// pacedLoad is checks and writes at fixed times.
type pacedLoad struct {
	b          *testing.B
	population *Population
	conn       *grpc.ClientConn
}

// run returns the 99th percentiles of checks and writes in microseconds.
func (l *pacedLoad) run(length time.Duration) (checks, writes float64) {
	l.b.Helper()
	load := Load{Conns: []*grpc.ClientConn{l.conn}, Callers: 64, Duration: length, Questions: l.population.Questions(1, 0)}
	one := func(op Op, rate float64, batch int, p99 *float64) {
		load := load
		load.Op, load.Rate, load.Batch = op, rate, batch
		r, err := load.Run(l.b.Context())
		if err != nil {
			l.b.Error(err)
		}
		*p99 = float64(r.P99)
	}
	var both sync.WaitGroup
	both.Go(func() { one(Check, 2000, 0, &checks) })
	both.Go(func() { one(Write, 200, 10, &writes) })
	both.Wait()
	return checks, writes
}

// serveNode runs a single node with a server in this process, which takes no
// snapshots by itself.
func serveNode(b *testing.B) (*cluster.Node, *grpc.ClientConn) {
	b.Helper()
	node, err := cluster.Open(b.Context(), cluster.Config{DataDir: b.TempDir(), Logger: quiet, SnapshotBytes: 1 << 40, SnapshotEntries: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { node.Close() })
	checker, err := check.New(check.Options{MaxCost: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(checker.Close)
	server := native.New(native.Config{Service: authz.New(node, checker, authz.Options{}), Log: quiet})
	listener := listen(b)
	go server.Serve(listener)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	})
	server.SetReady(true)
	return node, connect(b, listener)
}
