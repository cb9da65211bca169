package bench

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// BenchmarkImport imports a population into a node of this process whose batches
// have been made before: what the server alone takes of them. Beside it stands
// how fast this disk takes the same bytes of log, in pieces of the same size that
// are synced one by one. BenchmarkRestart reports the import over gRPC.
//
//	PEMBA_BENCH_TUPLES=10000000 go test -run '^$' -bench 'Import$' -benchtime 1x -timeout 1h ./bench
func BenchmarkImport(b *testing.B) {
	p := planned(b, Plan{Workload: IAM, Tuples: benchTuples(b)})
	var took time.Duration
	var written, piece int
	for b.Loop() {
		s := serviceOf(b, p)
		run, err := s.Import(b.Context(), authz.Caller{}, authz.ImportRequest{})
		if err != nil {
			b.Fatal(err)
		}
		sequence := uint64(0)
		for some := range batches(p, 250) {
			start := time.Now()
			sequence = importSome(b, run, sequence, some)
			took += time.Since(start)
			for _, batch := range some {
				piece = len(entryOf(batch))
				written += piece
			}
		}
		run.Close()
	}
	b.ReportMetric(float64(p.Size()*b.N)/took.Seconds(), "tuples/s")
	b.ReportMetric(float64(written)/took.Seconds()/1e6, "log-MB/s")
	b.ReportMetric(rawLog(b, 200, piece)/1e6, "disk-MB/s")
	b.ReportMetric(float64(written)/float64(p.Size()*b.N), "log-B/tuple")
	b.ReportMetric(0, "ns/op")
}

// serviceOf is a single node with p's schema.
func serviceOf(b *testing.B, p *Population) *authz.Service {
	b.Helper()
	s := service(b, -1)
	source, err := p.Schema()
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := s.WriteSchema(b.Context(), authz.Caller{}, authz.WriteSchemaRequest{Source: source}); err != nil {
		b.Fatal(err)
	}
	return s
}

// batches yields the batches of p's import, some at a time.
func batches(p *Population, some int) func(yield func([][]tuple.Tuple) bool) {
	return func(yield func([][]tuple.Tuple) bool) {
		var all [][]tuple.Tuple
		var batch []tuple.Tuple
		n := 0
		for t := range p.Tuples() {
			batch = append(batch, t)
			if n++; len(batch) == importBatch || n == p.Size() {
				all, batch = append(all, batch), nil
			}
			if len(all) == some || n == p.Size() {
				if !yield(all) {
					return
				}
				all = nil
			}
		}
	}
}

// importSome adds batches and returns the sequence of the last, once it is durable.
func importSome(b *testing.B, run *authz.Import, sequence uint64, some [][]tuple.Tuple) uint64 {
	b.Helper()
	added := make(chan error, 1)
	go func() {
		for i, batch := range some {
			if err := run.Add(b.Context(), sequence+uint64(i)+1, batch); err != nil {
				added <- err
				return
			}
		}
		added <- nil
	}()
	for range some {
		if _, err := run.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-added; err != nil {
		b.Fatal(err)
	}
	return sequence + uint64(len(some))
}

// entryOf is what the log holds of a batch.
func entryOf(batch []tuple.Tuple) []byte {
	c := store.Command{Kind: store.KindWrite, Tenant: authz.DefaultTenant}
	for _, t := range batch {
		c.Updates = append(c.Updates, store.Update{Op: store.OpTouch, Tuple: t})
	}
	e := store.Entry{Commands: []store.Command{c}}
	return e.Append(nil)
}

// rawLog returns how many bytes a second this disk takes, in synced pieces.
func rawLog(b *testing.B, pieces, size int) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	piece := make([]byte, size)
	start := time.Now()
	for range pieces {
		if _, err := f.Write(piece); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(pieces*size) / time.Since(start).Seconds()
}
