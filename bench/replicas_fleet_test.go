//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A fleet is nodes as processes of their own, whose processor time the system
// tells apart. They end with the benchmark, and with this process however that ends.
type fleet struct {
	b       *testing.B
	program string
	starts  chan func() // run on a thread that lives as long as the benchmark
}

// newFleet builds the program.
func newFleet(b *testing.B) *fleet {
	b.Helper()
	// The load generator's garbage is not what is measured.
	before := debug.SetGCPercent(400)
	b.Cleanup(func() { debug.SetGCPercent(before) })
	f := &fleet{b: b, program: filepath.Join(b.TempDir(), "pemba"), starts: make(chan func())}
	build := exec.Command("go", "build", "-o", f.program, "github.com/pemba-authz/pemba/cmd/pemba")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the program: %v\n%s", err, out)
	}
	go func() {
		// The kernel ends a process when the thread that has started it ends; other
		// threads of a Go program come and go.
		runtime.LockOSThread()
		for start := range f.starts {
			start()
		}
	}()
	b.Cleanup(func() { close(f.starts) })
	return f
}

// A process is one node of a fleet.
type process struct {
	b    *testing.B
	name string
	addr string // for clients
	cmd  *exec.Cmd
	log  string // file
}

// start starts a node that serves at addr. It may not be ready yet.
func (f *fleet) start(name, addr string, args ...string) *process {
	f.b.Helper()
	dir := f.b.TempDir()
	s := &process{b: f.b, name: name, addr: addr, log: filepath.Join(dir, "log")}
	log, err := os.Create(s.log)
	if err != nil {
		f.b.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(f.program, append([]string{
		"serve", "--node-id", name, "--data-dir", filepath.Join(dir, "data"), "--grpc-addr", addr, "--log-level", "warn",
	}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	f.starts <- func() { started <- s.cmd.Start() }
	if err := <-started; err != nil {
		f.b.Fatalf("start node %s: %v", name, err)
	}
	f.b.Cleanup(func() {
		if f.b.Failed() {
			text, _ := os.ReadFile(s.log)
			f.b.Logf("node %s:\n%s", name, text)
		}
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	return s
}

// single starts a node that is alone and holds p, and returns when it is ready.
func (f *fleet) single(p *Population, name string, args ...string) *process {
	f.b.Helper()
	s := f.start(name, freeAddr(f.b), append([]string{"--admin-addr", "off"}, args...)...)
	f.await("node "+name, func(ctx context.Context) error { return s.isReady(ctx, 1) })
	f.install(p, s)
	return s
}

// A trio is a cluster of three voters, and perhaps others.
type trio struct {
	leader    *process
	term      uint64
	followers []*process // other voters
	replicas  []*process // nonvoters
}

func (g *trio) all() []*process {
	return slices.Concat([]*process{g.leader}, g.followers, g.replicas)
}

// stillLed fails if there was another leader meanwhile: figures about the leader
// would be those of two.
func (g *trio) stillLed(b *testing.B) {
	b.Helper()
	if st := g.leader.status(b.Context()); st.GetTerm() != g.term {
		b.Fatalf("the leader of term %d lost its office while it was measured, term %d: the machine is too busy", g.term, st.GetTerm())
	}
}

// cluster starts three voters and some nonvoters that hold p, and returns when
// each of them knows all and has caught up.
func (f *fleet) cluster(p *Population, replicas int) *trio {
	f.b.Helper()
	var servers []*process
	var founders []string
	for range 3 {
		founders = append(founders, freeAddr(f.b))
	}
	join := []string{"--admin-addr", "off", "--join", strings.Join(founders, ",")}
	for i, addr := range founders {
		args := append([]string{"--raft-addr", freeAddr(f.b), "--bootstrap-expect", "3"}, join...)
		servers = append(servers, f.start(fmt.Sprint("n", i+1), addr, args...))
	}
	for i := range replicas {
		args := append([]string{"--raft-addr", freeAddr(f.b), "--nonvoter"}, join...)
		servers = append(servers, f.start(fmt.Sprint("r", i+1), freeAddr(f.b), args...))
	}
	for _, s := range servers {
		f.await("node "+s.name, func(ctx context.Context) error { return s.isReady(ctx, len(servers)) })
	}
	f.install(p, servers...)
	g := &trio{replicas: servers[3:]}
	for _, s := range servers[:3] {
		if st := s.status(f.b.Context()); st.GetState() == pb.NodeState_NODE_STATE_LEADER {
			g.leader, g.term = s, st.GetTerm()
		} else {
			g.followers = append(g.followers, s)
		}
	}
	if g.leader == nil {
		f.b.Fatal("no node leads")
	}
	return g
}

// install writes p through the first of servers, and returns when all have it.
// On a busy machine leaders may change meanwhile; writing again changes nothing.
func (f *fleet) install(p *Population, servers ...*process) {
	f.b.Helper()
	conn := servers[0].dial(nil)
	f.await("install", func(ctx context.Context) error {
		_, err := p.Install(ctx, conn, "")
		return err
	})
	revision := servers[0].status(f.b.Context()).GetAppliedRevision()
	for _, s := range servers {
		f.await("node "+s.name, func(ctx context.Context) error {
			if applied := s.status(ctx).GetAppliedRevision(); applied < revision {
				return fmt.Errorf("it has applied %d of %d", applied, revision)
			}
			return nil
		})
	}
}

// await tries until f returns nil.
func (f *fleet) await(what string, try func(context.Context) error) {
	f.b.Helper()
	ctx, cancel := context.WithTimeout(f.b.Context(), time.Minute)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			f.b.Fatalf("%s: %v", what, err)
		}
	}
}

// isReady says why s is not ready in a cluster of so many members.
func (s *process) isReady(ctx context.Context, members int) error {
	st := s.status(ctx)
	switch {
	case st == nil:
		return errors.New("it does not answer")
	case !st.GetReady():
		return errors.New("it has not caught up")
	case members > 1 && len(st.GetMembers()) != members:
		return fmt.Errorf("it knows %d of %d members", len(st.GetMembers()), members)
	}
	return nil
}

// status is nil when s does not answer.
func (s *process) status(ctx context.Context) *pb.StatusResponse {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := dialServer(s.addr)
	if err != nil {
		return nil
	}
	defer conn.Close()
	st, err := pb.NewClusterServiceClient(conn).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return nil
	}
	return st
}

func dialServer(addr string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
}

// dial returns a connection whose checks ask for a level; nil = any.
func (s *process) dial(level *pb.Consistency) *grpc.ClientConn {
	s.b.Helper()
	conn, err := dialServer(s.addr, grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
			if check, ok := request.(*pb.CheckRequest); ok {
				check.Consistency = level
			}
			return call(ctx, method, request, reply, cc, options...)
		}))
	if err != nil {
		s.b.Fatal(err)
	}
	s.b.Cleanup(func() { conn.Close() })
	return conn
}

func dialAll(servers []*process, level *pb.Consistency) []*grpc.ClientConn {
	var conns []*grpc.ClientConn
	for _, s := range servers {
		conns = append(conns, s.dial(level))
	}
	return conns
}

var atLatest = &pb.Consistency{Level: &pb.Consistency_Latest{Latest: &pb.Consistency_LatestLevel{}}}
