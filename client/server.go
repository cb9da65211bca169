package client

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// A server is one address with what is remembered of it.
type server struct {
	addr  string
	bit   uint64 // in masks of servers
	conn  *grpc.ClientConn
	ready atomic.Bool  // the connection is up
	down  atomic.Bool  // it failed to answer; probe is to find out when it does again
	slow  atomic.Int32 // times in a row that another server was quicker by far

	merger *merger // of checks

	pause   time.Duration // before the next probe; only the one probe uses it
	upAgain time.Time     // when the last probe succeeded; the same
}

// Ranks of servers, the best last.
const (
	failing = iota
	connecting
	healthy
)

func (s *server) rank() int {
	switch {
	case s.down.Load():
		return failing
	case !s.ready.Load():
		return connecting
	}
	return healthy
}

// follow keeps the connection up and notes whether it is, until ctx ends.
func (s *server) follow(ctx context.Context) {
	for {
		state := s.conn.GetState()
		s.ready.Store(state == connectivity.Ready)
		if state == connectivity.Idle {
			s.conn.Connect()
		}
		if state == connectivity.Shutdown || !s.conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}

const (
	firstProbe   = 50 * time.Millisecond
	longestProbe = 5 * time.Second
	probeAnswer  = time.Second
	proven       = 10 * time.Second // a server that fails again sooner is probed less often
)

// probe asks for the server's health until it is well or ctx ends. A server
// whose probes succeed while calls fail comes back more and more slowly.
func (s *server) probe(ctx context.Context) {
	if s.pause == 0 || time.Since(s.upAgain) > proven {
		s.pause = firstProbe
	}
	for {
		timer := time.NewTimer(s.pause/2 + rand.N(s.pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		s.pause = min(2*s.pause, longestProbe)
		if s.isWell(ctx) {
			s.upAgain = time.Now()
			s.slow.Store(0)
			s.down.Store(false)
			return
		}
	}
}

func (s *server) isWell(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, probeAnswer)
	defer cancel()
	reply, err := healthpb.NewHealthClient(s.conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if status.Code(err) == codes.Unimplemented {
		return true
	}
	return err == nil && reply.GetStatus() == healthpb.HealthCheckResponse_SERVING
}

// tooSlow is how often in a row another server must be quicker, by the time that
// a read waits before it asks that one.
const tooSlow = 3

// answered notes that s has answered.
func (s *server) answered() {
	if s.slow.Load() != 0 {
		s.slow.Store(0)
	}
}
