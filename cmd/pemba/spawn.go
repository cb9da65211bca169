package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"syscall"

	"github.com/pemba-authz/pemba/bench"
)

// spawned is a server process of this program's own.
type spawned struct {
	cmd  *exec.Cmd
	dir  string
	addr string
}

var readyLine = regexp.MustCompile(`serves gRPC on (\S+),`)

// spawnServer starts "pemba serve" on a free loopback port and a temporary
// directory, and returns when it is ready. The caller stops it.
func spawnServer(ctx context.Context, args ...string) (*spawned, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program to start: %w", err)
	}
	dir, err := os.MkdirTemp("", "pemba-bench-*")
	if err != nil {
		return nil, err
	}
	args = append([]string{"serve", "--data-dir", dir, "--grpc-addr", "127.0.0.1:0", "--log-level", "warn"}, args...)
	s := &spawned{cmd: exec.CommandContext(ctx, self, args...), dir: dir}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start a server: %w", err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	ready := readyLine.FindStringSubmatch(line)
	if ready == nil {
		s.stop()
		return nil, errors.New("the server that was started did not become ready")
	}
	go io.Copy(io.Discard, out)
	s.addr = ready[1]
	return s, nil
}

// resident is the memory that the server holds, in bytes; 0 = not known. s may be nil.
func (s *spawned) resident() int64 {
	if s == nil {
		return 0
	}
	return bench.ResidentMemory(s.cmd.Process.Pid)
}

// stop ends the server and removes its data.
func (s *spawned) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	os.RemoveAll(s.dir)
}
