package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
)

// maxReply bounds one message from a server.
const maxReply = 16 << 20

// servers are the addresses that a command may ask, the one that answered last
// first. One goroutine uses it.
type servers struct {
	addrs   []string
	conns   []*grpc.ClientConn // of addrs, nil = not dialled yet
	current int
	timeout time.Duration
}

// dial takes the addresses of --addr; connections are made when they are needed.
func (a *app) dial() (*servers, error) {
	s := &servers{timeout: a.timeout}
	for addr := range strings.SplitSeq(a.addrs, ",") {
		addr = strings.TrimSpace(addr)
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			return nil, fmt.Errorf("--addr %q: an address is written HOST:PORT, as 127.0.0.1:50051", addr)
		}
		s.addrs = append(s.addrs, addr)
	}
	s.conns = make([]*grpc.ClientConn, len(s.addrs))
	return s, nil
}

func dialOne(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply)))
}

func (s *servers) conn() (*grpc.ClientConn, error) {
	if s.conns[s.current] == nil {
		conn, err := dialOne(s.addrs[s.current])
		if err != nil {
			return nil, err
		}
		s.conns[s.current] = conn
	}
	return s.conns[s.current], nil
}

func (s *servers) Close() {
	for _, conn := range s.conns {
		if conn != nil {
			conn.Close()
		}
	}
}

// call asks one server after the other until one answers, each once.
func (s *servers) call(ctx context.Context, ask func(context.Context, *grpc.ClientConn) error) error {
	var err error
	for range s.addrs {
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		err = s.ask(ctx, ask)
		cancel()
		if !unavailable(err) {
			return err
		}
		s.current = (s.current + 1) % len(s.addrs)
	}
	return err
}

// persist is call for requests that are safe to repeat, writes with a request
// id among them: it goes round again until the timeout is over.
func (s *servers) persist(ctx context.Context, ask func(context.Context, *grpc.ClientConn) error) error {
	const firstPause, longestPause = 50 * time.Millisecond, time.Second
	end := time.Now().Add(s.timeout)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := s.call(ctx, ask)
		if !unavailable(err) && !unknownOutcome(err) {
			return err
		}
		if time.Until(end) < pause {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ask makes one attempt; a failed one is a *remoteError.
func (s *servers) ask(ctx context.Context, ask func(context.Context, *grpc.ClientConn) error) error {
	conn, err := s.conn()
	if err != nil {
		return err
	}
	return s.remote(ask(ctx, conn))
}

// remote turns a gRPC error into a *remoteError of the server asked.
func (s *servers) remote(err error) error {
	if st, ok := statusOf(err); ok {
		return &remoteError{s.addrs[s.current], st}
	}
	return err
}

func unavailable(err error) bool {
	var remote *remoteError
	return errors.As(err, &remote) && remote.status.Code() == codes.Unavailable
}

// unknownOutcome reports whether a write may or may not have happened.
func unknownOutcome(err error) bool {
	var remote *remoteError
	return errors.As(err, &remote) && reasonOf(remote.status) == "UNKNOWN_OUTCOME"
}
