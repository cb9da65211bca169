//go:build linux

package histories

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// setup says what a cluster is made of.
type setup struct {
	program program
	nodes   int
	cut     bool          // give nodes networks of their own, if this process may
	disk    int64         // size of a disk of each node's own in bytes, if this process may make one; 0 = the machine's
	horizon time.Duration // 0 = the program's default
	env     []string      // of all nodes
}

// cluster is a cluster of processes on this machine. Its owner closes it, which
// ends them all.
type cluster struct {
	setup
	dir   string
	net   *network
	nodes []*node

	mu    sync.Mutex
	names int // ids given so far; guarded by mu
	conns []*grpc.ClientConn
}

// launch starts a cluster and waits until all nodes are ready.
func launch(ctx context.Context, dir string, s setup) (*cluster, error) {
	c := &cluster{setup: s, dir: dir}
	var err error
	if s.cut && s.nodes > 1 && canUnshare() == nil {
		c.net, err = separate(s.nodes)
	} else {
		c.net, err = loopback(s.nodes)
	}
	if err != nil {
		return nil, err
	}
	for i := range s.nodes {
		if err == nil {
			err = c.prepare(i)
		}
	}
	for _, n := range c.nodes {
		if err == nil {
			err = c.start(n)
		}
	}
	if err == nil {
		err = c.awaitAll(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, c.logs())
		c.close()
		return nil, err
	}
	return c, nil
}

// prepare makes the home of a node.
func (c *cluster) prepare(place int) error {
	n := &node{place: place, site: c.net.sites[place], id: c.newName(), dir: filepath.Join(c.dir, fmt.Sprint("node", place+1))}
	for _, dir := range []string{n.disk(), n.control()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if c.hasDisks() {
		if err := n.makeDisk(c.disk); err != nil {
			return err
		}
	}
	var err error
	if n.grpc, err = c.address(n.site.ip, "50051"); err != nil {
		return err
	}
	if n.raft, err = c.address(n.site.ip, "7000"); err != nil {
		return err
	}
	conn, err := c.dial(n.grpc)
	if err != nil {
		return err
	}
	c.nodes, c.conns = append(c.nodes, n), append(c.conns, conn)
	return nil
}

// hasDisks reports whether each node has a disk of its own.
func (c *cluster) hasDisks() bool { return c.disk > 0 && c.net.canCut() && canMount() == nil }

// newName returns an id that no node had before.
func (c *cluster) newName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names++
	return fmt.Sprintf("n%d", c.names)
}

// address returns an address at ip: with the given port where ip is the node's
// own, else with a free one.
func (c *cluster) address(ip, port string) (string, error) {
	if c.net.canCut() {
		return net.JoinHostPort(ip, port), nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (c *cluster) dial(addr string) (*grpc.ClientConn, error) {
	quick := backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 200 * time.Millisecond}
	return grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(c.net.dial),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: quick, MinConnectTimeout: dialTimeout}))
}

// start starts the process of n on whatever its disk has.
func (c *cluster) start(n *node) error {
	args := []string{"serve", "--node-id", n.name(), "--data-dir", n.dataDir(), "--grpc-addr", n.grpc, "--admin-addr", "off"}
	if c.net.canCut() {
		args = append(args, "--insecure", "--open", "--insecure-nodes")
	}
	if c.horizon > 0 {
		args = append(args, "--horizon", c.horizon.String())
	}
	if len(c.nodes) > 1 {
		args = append(args, "--raft-addr", n.raft, "--join", c.addresses())
		if n.name() == fmt.Sprintf("n%d", n.place+1) { // one of the founders
			args = append(args, "--bootstrap-expect", fmt.Sprint(len(c.nodes)))
		}
	}
	return n.start(c.program.path, args, append([]string{"PEMBA_FAULT_DIR=" + n.control()}, c.env...))
}

// addresses lists where clients reach the nodes.
func (c *cluster) addresses() string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, n.grpc)
	}
	return strings.Join(all, ",")
}

// awaitAll returns once every node serves.
func (c *cluster) awaitAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, n := range c.nodes {
		if err := until(ctx, func() error { return c.isReady(ctx, n) }); err != nil {
			return fmt.Errorf("node %s does not get ready: %w", n.name(), err)
		}
	}
	return nil
}

func (c *cluster) isReady(ctx context.Context, n *node) error {
	st, err := c.status(ctx, n)
	switch {
	case err != nil:
		return err
	case !st.GetReady():
		return errors.New("it is catching up")
	case st.GetLeaderId() == "":
		return errors.New("it knows no leader")
	}
	return nil
}

// isWhole says why not every node is a voter that has caught up, nil = each is.
func (c *cluster) isWhole(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := c.isReady(ctx, n); err != nil {
			return err
		}
		st, err := c.status(ctx, n)
		if err != nil {
			return err
		}
		voters := 0
		for _, m := range st.GetMembers() {
			if m.GetVoter() {
				voters++
			}
		}
		if voters != len(c.nodes) {
			return fmt.Errorf("%d of %d nodes vote", voters, len(c.nodes))
		}
	}
	return nil
}

// status asks n how it is.
func (c *cluster) status(ctx context.Context, n *node) (*pb.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return pb.NewClusterServiceClient(c.conns[n.place]).Status(ctx, &pb.StatusRequest{})
}

// leader returns the node that says that it leads, in the highest term; nil =
// none does.
func (c *cluster) leader(ctx context.Context) *node {
	var found *node
	var term uint64
	for _, n := range c.nodes {
		if !n.answers() {
			continue
		}
		st, err := c.status(ctx, n)
		if err == nil && st.GetState() == pb.NodeState_NODE_STATE_LEADER && st.GetTerm() > term {
			found, term = n, st.GetTerm()
		}
	}
	return found
}

// close ends everything. It may be called twice.
func (c *cluster) close() {
	for _, n := range c.nodes {
		if n.current() != nil {
			_ = n.kill()
		}
	}
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
	if c.net != nil {
		c.net.close()
		c.net = nil
	}
}

// logs returns the ends of all nodes' logs.
func (c *cluster) logs() string {
	var b strings.Builder
	for _, n := range c.nodes {
		fmt.Fprintf(&b, "--- %s\n%s\n", n.name(), n.tail(20))
	}
	return b.String()
}
