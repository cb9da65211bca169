package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// quiet is the configuration of a test node in dir.
func quiet(dir string) Config {
	return Config{DataDir: dir, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// fastDir is a dir for files that the test must be able to damage, and that need
// not survive a power loss: in memory, where there is enough of it.
func fastDir(t testing.TB) string {
	t.Helper()
	const memory, plenty = "/dev/shm", 1 << 30
	if free, err := freeDisk(memory); err == nil && free > plenty {
		if dir, err := os.MkdirTemp(memory, "pemba-test"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			return dir
		}
	}
	return t.TempDir()
}

// inMemory replaces the files of a node; give it to the next one to restart.
func inMemory() *Disk {
	s := raft.NewInmemStore()
	return &Disk{Log: s, Stable: s, Snapshots: &memorySnapshots{}}
}

func open(t testing.TB, cfg Config) *Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func closed(t testing.TB, n *Node) {
	t.Helper()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// write is the command that creates tuple i.
func write(i int) store.Command {
	return store.Command{
		Kind: store.KindWrite, Tenant: DefaultTenant, Actor: "test",
		Updates: []store.Update{{Op: store.OpTouch, Tuple: viewer(i)}},
	}
}

func viewer(i int) tuple.Tuple {
	return tuple.Tuple{
		Object: tuple.Object{Type: "doc", ID: fmt.Sprint(i)}, Relation: "viewer",
		Subject: tuple.Subject{Type: "user", ID: "ann"},
	}
}

func propose(t testing.TB, n *Node, c store.Command) store.Outcome {
	t.Helper()
	out, err := n.Propose(t.Context(), c)
	if err == nil {
		err = out.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// has reports whether tuple i is there at the newest revision.
func has(t testing.TB, n *Node, i int) bool {
	t.Helper()
	v, err := n.Store().View(DefaultTenant, 0)
	if err != nil {
		t.Fatal(err)
	}
	for got := range v.Tuples(tuple.Filter{Type: "doc", ID: fmt.Sprint(i)}) {
		return got == viewer(i)
	}
	return false
}

type state struct {
	Revision uint64
	Sum      [32]byte
}

func stateOf(t testing.TB, n *Node) state {
	t.Helper()
	if err := n.Store().Verify(); err != nil {
		t.Fatal(err)
	}
	rev, sum := n.Store().Hash()
	return state{rev, sum}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// replay applies what n's log holds beyond s's revision to s.
func replay(t testing.TB, n *Node, s *store.Store) {
	t.Helper()
	last := must(n.logs.LastIndex())
	for i := s.Revision() + 1; i <= last; i++ {
		var e raft.Log
		if err := n.logs.GetLog(i, &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == raft.LogCommand {
			s.Apply(i, e.Data)
		}
	}
}

func logAt(t testing.TB, n *Node, index uint64) raft.Log {
	t.Helper()
	var e raft.Log
	if err := n.logs.GetLog(index, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// matching returns the lines that have part in them.
func (l *lines) matching(part string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, part) {
			out = append(out, line)
		}
	}
	return out
}

// bulk is a record of so many bytes.
func bulk(i, size int) store.RecordUpdate {
	return store.RecordUpdate{Key: fmt.Sprint("bulk/", i), Value: make([]byte, size)}
}
