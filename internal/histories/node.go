//go:build linux

package histories

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A node is one process of a cluster with its data dir. Its id changes when its
// disk is wiped, its place never.
type node struct {
	place int // in cluster.nodes and network.sites
	site  *site
	grpc  string // HOST:PORT for clients
	raft  string // HOST:PORT for other nodes
	dir   string // home of data, log and control; as the node sees it

	mu   sync.Mutex // guards what follows
	id   string
	life *life // nil = not started
}

// A life is one run of a node's process.
type life struct {
	cmd     *exec.Cmd
	ended   chan struct{} // closed once the process has been waited for
	doomed  bool          // somebody means it to end; guarded by node.mu
	stopped bool          // SIGSTOP; guarded by node.mu
}

// name returns the node's present id.
func (n *node) name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.id
}

// rename gives the node another id, after its disk was wiped.
func (n *node) rename(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.id = id
}

// disk is where the node's own disk is mounted, if it has one.
func (n *node) disk() string    { return filepath.Join(n.dir, "disk") }
func (n *node) dataDir() string { return filepath.Join(n.disk(), "data") }
func (n *node) logFile() string { return filepath.Join(n.dir, "log") }

// control is the directory by which faults are asked for; see package faulty.
func (n *node) control() string { return filepath.Join(n.dir, "control") }

// start starts the process.
func (n *node) start(binary string, args, env []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life != nil {
		return fmt.Errorf("node %s runs", n.id)
	}
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := n.site.start(cmd); err != nil {
		return fmt.Errorf("start node %s: %w", n.id, err)
	}
	l := &life{cmd: cmd, ended: make(chan struct{})}
	n.life = l
	go func() {
		_ = cmd.Wait()
		close(l.ended)
	}()
	return nil
}

// current returns the run under way, nil if there is none.
func (n *node) current() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life
}

// signal sends sig to the process, which is meant to end if doom says so.
func (n *node) signal(sig syscall.Signal, doom bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life == nil {
		return fmt.Errorf("node %s does not run", n.id)
	}
	n.life.doomed = n.life.doomed || doom
	n.life.stopped = sig == syscall.SIGSTOP
	err := n.life.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// doom says that the process may end from now on.
func (n *node) doom() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life != nil {
		n.life.doomed = true
	}
}

// answers reports whether the process is there to answer.
func (n *node) answers() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life != nil && !n.life.stopped
}

// patience bounds every wait for a node. Machines that run tests may be busy.
const patience = 2 * time.Minute

// end waits for the process to end, with -9 after some time, and returns its
// exit status. -1 = a signal ended it.
func (n *node) end(wait time.Duration) int {
	l := n.current()
	if l == nil {
		return 0
	}
	select {
	case <-l.ended:
	case <-time.After(wait):
		_ = l.cmd.Process.Kill()
		<-l.ended
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.life = nil
	return l.cmd.ProcessState.ExitCode()
}

// kill is kill -9.
func (n *node) kill() error {
	if err := n.signal(syscall.SIGKILL, true); err != nil {
		return err
	}
	n.end(patience)
	return nil
}

// surprise says how the process ended although nobody meant it to, "" = it did
// not.
func (n *node) surprise() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life == nil || n.life.doomed {
		return ""
	}
	select {
	case <-n.life.ended:
		return fmt.Sprintf("node %s ended by itself: %v\n%s", n.id, n.life.cmd.ProcessState, n.tail(15))
	default:
		return ""
	}
}

// tail returns the last lines of the node's log.
func (n *node) tail(lines int) string {
	text, err := os.ReadFile(n.logFile())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// wipe removes the data dir.
func (n *node) wipe() error { return os.RemoveAll(n.site.path(n.dataDir())) }

// pause waits, and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// until calls f every few milliseconds until it returns nil, and returns its
// last error when ctx ends first.
func until(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// others returns the places of all nodes but those given.
func others(n int, but ...int) []int {
	var out []int
	for i := range n {
		if !slices.Contains(but, i) {
			out = append(out, i)
		}
	}
	return out
}

// spare takes doom back.
func (n *node) spare() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life != nil {
		n.life.doomed = false
	}
}
