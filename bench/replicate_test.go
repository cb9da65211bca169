package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"github.com/pemba-authz/pemba/api/node"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// BenchmarkReplicate writes one tuple at a time with 256 writers on three nodes
// whose logs are on disk and synced: pemba's cluster, with validated commands
// and a state machine that stores them, beside Raft and its bolt log alone,
// with the same grouping and a state machine that does nothing. Quote the ratio
// of one run: go test -run '^$' -bench Replicate -count 5 ./bench
func BenchmarkReplicate(b *testing.B) {
	const writers = 256
	b.Run("plain", func(b *testing.B) { drive(b, writers, openPlain(b)) })
	b.Run("pemba", func(b *testing.B) { drive(b, writers, openNodes(b)) })
}

// drive reports the median latency beside the rate.
func drive(b *testing.B, writers int, write func(i int64) error) {
	var next atomic.Int64
	times := make([][]time.Duration, writers)
	var wg sync.WaitGroup
	b.ResetTimer()
	for w := range writers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				start := time.Now()
				if err := write(i); err != nil {
					b.Error(err)
					return
				}
				times[w] = append(times[w], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(times...)
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

func benchCommand(i int64) store.Command {
	return store.Command{Kind: store.KindWrite, Tenant: cluster.DefaultTenant, Actor: "bench", Updates: []store.Update{{Op: store.OpTouch, Tuple: tuple.Tuple{
		Object: tuple.Object{Type: "document", ID: fmt.Sprint("d", i)}, Relation: "viewer", Subject: tuple.Subject{Type: "user", ID: fmt.Sprint("u", i%1000)},
	}}}}
}

// openNodes opens three nodes of pemba, and returns how to write at the leader.
func openNodes(b *testing.B) func(int64) error {
	b.Helper()
	quiet := slog.New(slog.DiscardHandler)
	var addrs []string
	for range 3 {
		addrs = append(addrs, freeAddr(b))
	}
	sights := &directory{nodes: map[string]*cluster.Node{}}
	nodes := make([]*cluster.Node, 3)
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	for i := range nodes {
		n, err := cluster.Start(cluster.Config{
			NodeID: fmt.Sprint("n", i+1), DataDir: filepath.Join(b.TempDir(), fmt.Sprint(i)), RaftAddr: addrs[i], Join: []string{"c1", "c2", "c3"}, BootstrapExpect: 3,
			ClientAddr: fmt.Sprint("c", i+1), Peers: node.New(quiet), Discovery: sights, MinFreeDisk: -1, Logger: quiet,
		})
		if err != nil {
			b.Fatal(err)
		}
		nodes[i] = n
		sights.add(fmt.Sprint("c", i+1), n)
		b.Cleanup(func() { n.Close() })
	}
	for _, n := range nodes {
		if err := n.AwaitReady(ctx); err != nil {
			b.Fatal(err)
		}
	}
	leader := nodes[slices.IndexFunc(nodes, func(n *cluster.Node) bool { return n.Status().State == "Leader" })]
	return func(i int64) error {
		out, err := leader.Propose(context.Background(), benchCommand(i))
		if err != nil {
			return err
		}
		return out.Err()
	}
}

// directory is how the nodes of one process find each other.
type directory struct {
	mu    sync.Mutex
	nodes map[string]*cluster.Node // guarded by mu
}

func (d *directory) add(addr string, n *cluster.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes[addr] = n
}

func (d *directory) Discover(_ context.Context, addr string) ([]cluster.Sighting, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.nodes[addr]; n != nil {
		return []cluster.Sighting{n.Sight()}, nil
	}
	return nil, fmt.Errorf("nobody at %s", addr)
}

func freeAddr(b *testing.B) string {
	b.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer lis.Close()
	return lis.Addr().String()
}

// nothing is a state machine that does nothing.
type nothing struct{}

func (nothing) Apply(*raft.Log) any                  { return nil }
func (nothing) ApplyBatch(logs []*raft.Log) []any    { return make([]any, len(logs)) }
func (nothing) Snapshot() (raft.FSMSnapshot, error)  { return nothing{}, nil }
func (nothing) Restore(r io.ReadCloser) error        { return r.Close() }
func (nothing) Persist(sink raft.SnapshotSink) error { return sink.Close() }
func (nothing) Release()                             {}

// openPlain opens three members of plain Raft, and returns how to write at the
// leader: callers' commands are grouped as pemba groups them, up to 128 or 256
// KiB an entry with two entries in flight.
func openPlain(b *testing.B) func(int64) error {
	b.Helper()
	rafts := make([]*raft.Raft, 3)
	var members raft.Configuration
	transports := make([]*raft.NetworkTransport, 3)
	for i := range transports {
		t, err := raft.NewTCPTransportWithLogger("127.0.0.1:0", nil, 3, 10*time.Second, hclog.NewNullLogger())
		if err != nil {
			b.Fatal(err)
		}
		transports[i] = t
		members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(fmt.Sprint("n", i+1)), Address: t.LocalAddr()})
	}
	for i := range rafts {
		dir := b.TempDir()
		log, err := raftboltdb.New(raftboltdb.Options{Path: filepath.Join(dir, "raft.db"), BoltOptions: &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType}})
		if err != nil {
			b.Fatal(err)
		}
		snaps, err := raft.NewFileSnapshotStoreWithLogger(dir, 1, hclog.NewNullLogger())
		if err != nil {
			b.Fatal(err)
		}
		conf := raft.DefaultConfig()
		conf.LocalID, conf.Logger, conf.BatchApplyCh, conf.MaxAppendEntries = members.Servers[i].ID, hclog.NewNullLogger(), true, 256
		conf.CommitTimeout = 5 * time.Millisecond
		if err := raft.BootstrapCluster(conf, log, log, snaps, transports[i], members); err != nil {
			b.Fatal(err)
		}
		r, err := raft.NewRaft(conf, nothing{}, log, log, snaps, transports[i])
		if err != nil {
			b.Fatal(err)
		}
		rafts[i] = r
		b.Cleanup(func() {
			r.Shutdown().Error()
			log.Close()
		})
	}
	return newGrouper(b, awaitLeader(b, rafts)).write
}

func awaitLeader(b *testing.B, rafts []*raft.Raft) *raft.Raft {
	b.Helper()
	for {
		for _, r := range rafts {
			if r.State() == raft.Leader && r.VerifyLeader().Error() == nil {
				return r
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-b.Context().Done():
			b.Fatal("no leader")
		}
	}
}

// grouper gathers what waits while two entries are in flight.
type grouper struct {
	raft  *raft.Raft
	slots chan struct{}
	queue chan *grouped
}

type grouped struct {
	data []byte
	done chan error
}

func newGrouper(b *testing.B, r *raft.Raft) *grouper {
	g := &grouper{raft: r, slots: make(chan struct{}, 2), queue: make(chan *grouped, 1024)}
	go g.run(b.Context())
	return g
}

func (g *grouper) write(i int64) error {
	c := benchCommand(i)
	c.Time = time.Now().UnixNano()
	w := &grouped{data: c.Append(nil), done: make(chan error, 1)}
	g.queue <- w
	return <-w.done
}

func (g *grouper) run(ctx context.Context) {
	for {
		g.slots <- struct{}{}
		var group []*grouped
		select {
		case w := <-g.queue:
			group = append(group, w)
		case <-ctx.Done():
			return
		}
		var commands [][]byte
		for size := len(group[0].data); len(group) < 128 && len(g.queue) > 0 && size < 256<<10; {
			w := <-g.queue
			group, size = append(group, w), size+len(w.data)
		}
		for _, w := range group {
			commands = append(commands, w.data)
		}
		future := g.raft.Apply(store.JoinEntry(commands), 0)
		go func() {
			err := future.Error()
			for _, w := range group {
				w.done <- err
			}
			<-g.slots
		}()
	}
}
