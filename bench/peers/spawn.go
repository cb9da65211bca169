package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"syscall"
)

// spawned is a pemba of this program's own.
type spawned struct {
	cmd         *exec.Cmd
	dir         string
	addr, admin string
	version     string // "" = it does not say
}

var readyLine = regexp.MustCompile(`serves gRPC on (\S+),`)

// spawn starts a pemba binary on free ports of loopback and a temporary
// directory, and returns when it is ready. The caller stops it.
func spawn(ctx context.Context, binary string) (*spawned, error) {
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pemba-peers-*")
	if err != nil {
		return nil, err
	}
	s := &spawned{dir: dir, admin: admin}
	s.cmd = exec.CommandContext(ctx, binary, "serve", "--data-dir", dir, "--grpc-addr", "127.0.0.1:0", "--admin-addr", admin, "--log-level", "warn")
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	ready := readyLine.FindStringSubmatch(line)
	if ready == nil {
		s.stop()
		return nil, errors.New("the pemba that was started did not become ready")
	}
	go io.Copy(io.Discard, out)
	s.addr, s.version = ready[1], versionOf(ctx, binary)
	return s, nil
}

// freeAddress is one that nobody listens on now; somebody may soon.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (s *spawned) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	os.RemoveAll(s.dir)
}
