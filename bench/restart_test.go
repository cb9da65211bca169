//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkRestart imports a population into a node, a process of its own, over
// gRPC, then ends the node and starts it again: after an orderly stop, and after
// kill -9, which leaves it more of the log to apply. It reports the import, too.
// It measures once, so -benchtime says nothing.
//
//	PEMBA_BENCH_TUPLES=10000000 go test -run '^$' -bench 'Restart' -benchtime 1x -timeout 1h ./bench
func BenchmarkRestart(b *testing.B) {
	p := planned(b, Plan{Workload: IAM, Tuples: benchTuples(b)})
	f := newFleet(b)
	s := f.start("n1", freeAddr(b), "--admin-addr", "off")
	f.await("node n1", func(ctx context.Context) error { return s.isReady(ctx, 1) })
	used := s.processorTime()
	in, err := p.Install(b.Context(), s.dial(nil), "")
	if err != nil {
		b.Fatal(err)
	}
	reported := map[string]float64{
		"imported/s":          in.PerSecond,
		"import-cpu-ns/tuple": float64((s.processorTime() - used).Nanoseconds()) / float64(p.Size()),
	}
	want := s.status(b.Context()).GetAppliedRevision()
	data := filepath.Join(filepath.Dir(s.log), "data")
	for _, end := range []struct {
		name   string
		signal syscall.Signal
	}{{"stop", syscall.SIGTERM}, {"kill", syscall.SIGKILL}} {
		if err := s.cmd.Process.Signal(end.signal); err != nil {
			b.Fatal(err)
		}
		_ = s.cmd.Wait() // killed is an error
		start := time.Now()
		s = f.start("n1", freeAddr(b), "--admin-addr", "off", "--data-dir", data)
		f.await("node n1", func(ctx context.Context) error { return s.isReady(ctx, 1) })
		reported["s-after-"+end.name] = time.Since(start).Seconds()
		reported["cpu-s-after-"+end.name] = s.processorTime().Seconds()
		if got := s.status(b.Context()).GetAppliedRevision(); got < want {
			b.Errorf("revision %d after %s, was %d", got, end.name, want)
		}
	}
	reported["peak-B/tuple"] = float64(s.memory("VmHWM")) / float64(p.Size())
	<-time.After(8 * time.Second) // memory is given back when there is no load
	reported["idle-B/tuple"] = float64(s.memory("RssAnon")) / float64(p.Size())
	for b.Loop() { // what is measured does not repeat
	}
	for unit, value := range reported {
		b.ReportMetric(value, unit)
	}
	b.ReportMetric(0, "ns/op")
}

// memory is a size of the process as /proc calls it, in bytes.
func (s *process) memory(name string) int64 {
	return procKilobytes(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid), name) * 1024
}

// startWith is start with more in the environment.
func (f *fleet) startWith(env map[string]string, name, addr string, args ...string) *process {
	f.b.Helper()
	for key, value := range env {
		was, is := os.LookupEnv(key)
		os.Setenv(key, value)
		defer func() {
			if os.Unsetenv(key); is {
				os.Setenv(key, was)
			}
		}()
	}
	return f.start(name, addr, args...)
}
