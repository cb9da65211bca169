package cluster

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

func TestOpen_FoundsClusterInFreshDir(t *testing.T) {
	start := time.Now()
	n := open(t, quiet(fastDir(t)))
	if took := time.Since(start); took > 900*time.Millisecond {
		t.Errorf("a sole voter took %v to lead; it need not wait for a heartbeat timeout", took)
	}
	s := n.Status()
	if !n.Ready() || s.State != "Leader" || s.Leader != "n1" || len(s.ClusterID) != 36 || s.Incarnation != 1 {
		t.Errorf("status %+v", s)
	}
	if diff := cmp.Diff([]Member{{ID: "n1", Addr: "n1", Voter: true}}, s.Members); diff != "" {
		t.Error(diff)
	}
	if _, ok := n.Store().Tenant(DefaultTenant); !ok {
		t.Error("no default tenant")
	}
	if n.LastContact() != 0 {
		t.Error("a leader is in contact with itself")
	}
}

func TestOpen_RestartKeepsEveryWrite(t *testing.T) {
	cfg := quiet(fastDir(t))
	n := open(t, cfg)
	for i := range 100 {
		propose(t, n, write(i))
	}
	want, id := stateOf(t, n), n.Status().ClusterID
	closed(t, n)

	n = open(t, cfg)
	if diff := cmp.Diff(want, stateOf(t, n)); diff != "" {
		t.Error(diff)
	}
	if got := n.Status().ClusterID; got != id {
		t.Errorf("cluster id %s, was %s", got, id)
	}
}

func TestOpen_RestartFromSnapshotAndLog(t *testing.T) {
	cfg := quiet(fastDir(t))
	cfg.TrailingBytes = 1
	n := open(t, cfg)
	for i := range 600 {
		propose(t, n, write(i))
	}
	if err := n.Snapshot(); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		propose(t, n, write(1000+i))
	}
	s := n.Status()
	if first, _ := n.logs.FirstIndex(); first < 300 || s.SnapshotIndex < 600 {
		t.Errorf("log from %d, snapshot at %d", first, s.SnapshotIndex)
	}
	want := stateOf(t, n)
	closed(t, n)

	for range 2 { // the second time raft has nothing new to snapshot
		n = open(t, cfg)
		if diff := cmp.Diff(want, stateOf(t, n)); diff != "" {
			t.Error(diff)
		}
		if err := n.Snapshot(); err != nil {
			t.Fatal(err)
		}
		if rev, err := n.ReadIndex(t.Context()); err != nil || rev != want.Revision {
			t.Errorf("read index %d, %v; want %d", rev, err, want.Revision)
		}
		closed(t, n)
	}
}

func TestSnapshot_TakenAfterBytesOfLog(t *testing.T) {
	cfg := quiet(fastDir(t))
	cfg.SnapshotBytes = 10_000
	n := open(t, cfg)
	for i := 0; n.Status().SnapshotIndex == 0; i++ {
		if i > 10_000 {
			t.Fatal("no snapshot")
		}
		propose(t, n, write(i))
	}
}

func TestSnapshot_TwoStoresOnOneLogAgree(t *testing.T) {
	n := open(t, quiet(fastDir(t)))
	for i := range 300 {
		propose(t, n, write(i%70))
		if i == 140 {
			if err := n.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, r, err := n.disk.snaps.Open(must(n.disk.snaps.List())[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	other := store.New(store.Options{})
	if err := errors.Join(other.Restore(r), r.Close()); err != nil {
		t.Fatal(err)
	}
	replay(t, n, other)
	rev, sum := other.Hash()
	if diff := cmp.Diff(stateOf(t, n), state{rev, sum}); diff != "" {
		t.Error(diff)
	}
}

func TestOpen_FullDiskRefusesToFound(t *testing.T) {
	cfg := quiet(fastDir(t))
	cfg.FreeDisk = func() (int64, error) { return 12 << 20, nil }
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := Open(ctx, cfg)
	if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), "found the cluster") {
		t.Errorf("got %v", err)
	}
	cfg.FreeDisk = nil // once there is room, the same dir is founded
	propose(t, open(t, cfg), write(1))
}

// One of three cannot be ready; it says so until the caller leaves.
func TestOpen_WarnsWhileItWaitsForALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, log := quiet(""), &bytes.Buffer{}
		cfg.Disk, cfg.Logger = inMemory(), slog.New(slog.NewTextHandler(log, nil))
		_, cfg.Transport = raft.NewInmemTransport("n1")
		members := raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: "n1"}, {ID: "n2", Address: "n2"}}}
		conf := must(cfg.withDefaults())
		err := raft.BootstrapCluster(conf.raftConfig(), sealing{cfg.Disk.Log}, cfg.Disk.Stable, cfg.Disk.Snapshots, cfg.Transport, members)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 16*time.Second)
		defer cancel()
		if _, err := Open(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if n := strings.Count(log.String(), "still waiting"); n != 3 {
			t.Errorf("%d warnings in 16 s:\n%s", n, log)
		}
	})
}

func TestOpen_LockedDirRefused(t *testing.T) {
	cfg := quiet(fastDir(t))
	n := open(t, cfg)
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), cfg.DataDir) {
		t.Errorf("got %v", err)
	}
	closed(t, n)
	open(t, cfg)
}

func TestOpen_AnotherNodesDirRefused(t *testing.T) {
	cfg := quiet(fastDir(t))
	closed(t, open(t, cfg))
	cfg.NodeID = "n2"
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrForeignDir) {
		t.Errorf("got %v", err)
	}
}

func TestOpen_AnotherNodesLogRefused(t *testing.T) {
	a, b := quiet(fastDir(t)), quiet(fastDir(t))
	closed(t, open(t, a))
	closed(t, open(t, b))
	if err := os.Rename(filepath.Join(a.DataDir, "raft.db"), filepath.Join(b.DataDir, "raft.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), b); !errors.Is(err, ErrForeignDir) {
		t.Errorf("got %v", err)
	}
}

func TestClose_IsIdempotentAndEndsEverything(t *testing.T) {
	n := open(t, quiet(fastDir(t)))
	closed(t, n)
	closed(t, n)
	if _, err := n.Propose(t.Context(), write(1)); !errors.Is(err, ErrNotProposed) {
		t.Errorf("propose: %v", err)
	}
	if _, err := n.ReadIndex(t.Context()); !errors.Is(err, ErrClosed) && !errors.Is(err, ErrNotLeader) {
		t.Errorf("read index: %v", err)
	}
	if err := n.Wait(t.Context(), 1<<40); !errors.Is(err, ErrClosed) {
		t.Errorf("wait: %v", err)
	}
}

func TestOpen_RaftPortOffLoopbackRefused(t *testing.T) {
	cfg := quiet(fastDir(t))
	cfg.RaftAddr = "0.0.0.0:0"
	if _, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v", err)
	}
}

func TestOpen_OverTCP(t *testing.T) {
	cfg := quiet(fastDir(t))
	cfg.RaftAddr = "127.0.0.1:0"
	n := open(t, cfg)
	propose(t, n, write(1))
}
