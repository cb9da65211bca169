// Package node is the front door for the other nodes of a cluster: the part of
// the node port that is not Raft, over gRPC. It answers them through
// cluster.Service, and asks them as cluster.Peers. See DESIGN.md.
package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/pemba-authz/pemba/cluster"
	nodev1 "github.com/pemba-authz/pemba/proto/pemba/node/v1"
)

const (
	maxMessage    = 4 << 20                // bytes; a group of commands is at most 1 MiB and a bit
	window        = 4 << 20                // bytes on their way, of a stream and of a connection
	closeGrace    = 500 * time.Millisecond // for answers under way when the node stops
	probeAfter    = 10 * time.Second       // an idle connection is probed; gRPC allows no less
	probeTimeout  = 5 * time.Second        // and cut when the probe is not answered
	probeMinimum  = 5 * time.Second        // peers that probe more often are cut
	connectWithin = 2 * time.Second        // a try to connect, at least
)

// Peers is cluster.Peers over gRPC. It keeps one connection to each member that
// it was asked for.
type Peers struct {
	log    *slog.Logger
	server *grpc.Server

	mu     sync.Mutex
	dial   cluster.DialFunc            // guarded by mu; nil before Serve
	conns  map[string]*grpc.ClientConn // guarded by mu; by address
	closed bool                        // guarded by mu
}

// New makes Peers for cluster.Config. A nil log means slog.Default().
func New(log *slog.Logger) *Peers {
	if log == nil {
		log = slog.Default()
	}
	return &Peers{log: log, conns: map[string]*grpc.ClientConn{}, server: grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: probeAfter, Timeout: probeTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: probeMinimum, PermitWithoutStream: true}),
	)}
}

// Serve implements cluster.Peers.
func (p *Peers) Serve(s *cluster.Service, lis net.Listener, dial cluster.DialFunc) {
	p.mu.Lock()
	p.dial = dial
	p.mu.Unlock()
	if lis == nil {
		return
	}
	nodev1.RegisterNodeServiceServer(p.server, &server{service: s})
	go func() { // ends with Close
		if err := p.server.Serve(lis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			p.log.Error("serve other nodes", "err", err)
		}
	}()
}

// Peer implements cluster.Peers.
func (p *Peers) Peer(addr string) cluster.Peer { return &peer{p, addr} }

var errClosed = errors.New("this node is going down")

// conn returns the connection to addr, which connects when it is first used.
func (p *Peers) conn(addr string) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, errClosed
	case p.dial == nil:
		return nil, errors.New("this node has no port for other nodes")
	case p.conns[addr] != nil:
		c := p.conns[addr]
		if c.GetState() == connectivity.TransientFailure {
			c.ResetConnectBackoff() // somebody has a reason to believe that the node is back
		}
		return c, nil
	}
	dial := p.dial
	c, err := grpc.NewClient("passthrough:///"+addr,
		// The port has its own TLS, inside of which connections are told apart.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return dial(ctx, addr) }),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: connectWithin,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: probeAfter, Timeout: probeTimeout, PermitWithoutStream: true}),
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return nil, err
	}
	p.conns[addr] = c
	return c, nil
}

// Close implements cluster.Peers.
func (p *Peers) Close() error {
	stopped := make(chan struct{})
	go func() {
		p.server.GracefulStop()
		close(stopped)
	}()
	timer := time.AfterFunc(closeGrace, p.server.Stop)
	<-stopped
	timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var err error
	for _, c := range p.conns {
		err = errors.Join(err, c.Close())
	}
	return err
}
