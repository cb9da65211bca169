//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/store"
)

// startsForEver is a data dir whose start does not end: the description of a
// snapshot is a pipe that nobody writes to. It returns once reached is closed.
func startsForEver(t *testing.T) (dir string, reached <-chan struct{}) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	node, err := cluster.Open(t.Context(), cluster.Config{DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = node.Close()
	}
	snapshot := filepath.Join(dir, "snapshots", "9-9-9")
	err = errors.Join(err, os.MkdirAll(snapshot, 0o700), syscall.Mkfifo(filepath.Join(snapshot, "meta.json"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		// Opening it waits for the reader.
		pipe, err := os.OpenFile(filepath.Join(snapshot, "meta.json"), os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { pipe.Close() })
	}()
	return dir, opened
}

// freeAddr is an address that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A node that is still starting tells clients at once that it does not serve,
// and ends at the first signal.
func TestServe_WhileItStarts(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(sig.String(), func(t *testing.T) {
			dir, reached := startsForEver(t)
			addr := freeAddr(t)
			cmd := exec.Command("pemba", "serve", "--data-dir", dir, "--grpc-addr", addr)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			watchdog := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
			defer watchdog.Stop()
			<-reached
			if conn, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a client connects to a node that cannot answer: %v, %v", conn, err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if cmd.Wait(); cmd.ProcessState.ExitCode() != want {
				t.Errorf("%v, want status %d", cmd.ProcessState, want)
			}
		})
	}
}

func TestServe_TakenAddressIsToldBeforeTheDataIsOpened(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := filepath.Join(t.TempDir(), "data")
	a := &app{out: io.Discard, err: io.Discard}
	err = a.serve(t.Context(), &serveOptions{grpcAddr: l.Addr().String(), dataDir: dir, horizon: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data dir: %v", err)
	}
}

// hanging is a log whose writes wait until it is closed, once it is told to.
type hanging struct {
	raft.LogStore
	hang chan struct{} // closed to make it hang
	done chan struct{}
}

func (h *hanging) StoreLogs(logs []*raft.Log) error {
	select {
	case <-h.hang:
		<-h.done
		return syscall.EIO
	default:
		return h.LogStore.StoreLogs(logs)
	}
}

// After the disk has failed neither requests nor the node are waited for.
func TestServe_EndsAtOnceWhenTheNodeFails(t *testing.T) {
	mem := raft.NewInmemStore()
	log := &hanging{hang: make(chan struct{}), done: make(chan struct{})}
	node, err := cluster.Open(t.Context(), cluster.Config{
		WriteDeadline: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Disk:    &cluster.Disk{Log: mem, Stable: mem, Snapshots: raft.NewInmemSnapshotStore()},
		WrapLog: func(l raft.LogStore) raft.LogStore { log.LogStore = l; return log },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	defer close(log.done)
	var said bytes.Buffer
	a := &app{out: io.Discard, err: &said}
	served := make(chan error, 1)
	go func() {
		o := &serveOptions{grpcAddr: "127.0.0.1:0", drain: time.Minute}
		log := slog.New(slog.DiscardHandler)
		rim, err := o.openRim(t.Context(), log)
		if err != nil {
			served <- err
			return
		}
		defer rim.close()
		served <- a.serveNode(t.Context(), o, log, node, rim, nil)
	}()
	close(log.hang)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := node.Propose(ctx, store.Command{Kind: store.KindHorizon, Actor: "test", Horizon: 1}); !errors.Is(err, cluster.ErrFailed) {
		t.Errorf("propose: %v", err)
	}
	failed := time.Now()
	if err := <-served; !errors.Is(err, errNodeFailed) {
		t.Errorf("serve: %v", err)
	}
	if took := time.Since(failed); took > 3*time.Second {
		t.Errorf("it lived on for %v", took)
	}
}
