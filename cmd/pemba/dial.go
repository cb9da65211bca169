package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	"github.com/pemba-authz/pemba/proto/codec"
)

// maxReply bounds one message from a server.
const maxReply = 16 << 20

// servers are the addresses that a command may ask, the one that answered last
// first. One goroutine uses it.
type servers struct {
	addrs   []string
	conns   []*grpc.ClientConn // of addrs, nil = not dialled yet
	options []grpc.DialOption
	tls     bool // they secure connections
	current int
	timeout time.Duration
	doubt   bool // an attempt of the last request may have been carried out, though no answer said so
}

// dial takes the addresses of --addr; connections are made when they are needed.
func (a *app) dial() (*servers, error) {
	if a.timeout <= 0 {
		return nil, fmt.Errorf("--timeout %s: it must be longer than 0, as 10s", a.timeout)
	}
	s := &servers{timeout: a.timeout}
	for addr := range strings.SplitSeq(a.addrs, ",") {
		addr = strings.TrimSpace(addr)
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			return nil, fmt.Errorf("--addr %q: an address is written HOST:PORT, as 127.0.0.1:50051", addr)
		}
		s.addrs = append(s.addrs, addr)
	}
	var err error
	if s.options, err = a.dialOptions(s.addrs); err != nil {
		return nil, err
	}
	s.tls = a.tls.wanted()
	s.conns = make([]*grpc.ClientConn, len(s.addrs))
	return s, nil
}

// dialOne takes the options of one address; the credentials are the caller's.
func dialOne(addr string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	pause := backoff.DefaultConfig
	pause.MaxDelay = time.Second // a server that restarts is found soon
	return grpc.NewClient("passthrough:///"+addr, append(slices.Clone(options),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: pause, MinConnectTimeout: 20 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply), grpc.ForceCodecV2(codec.Codec{})))...)
}

func (s *servers) conn() (*grpc.ClientConn, error) {
	if s.conns[s.current] == nil {
		conn, err := dialOne(s.addrs[s.current], s.options...)
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

// request makes one attempt at a call.
type request func(context.Context, grpc.ClientConnInterface) error

// call asks one server after the other until one answers, each once.
func (s *servers) call(ctx context.Context, r request) error {
	s.doubt = false
	return s.round(ctx, time.Now().Add(s.timeout), r)
}

// persist is call for requests that are safe to repeat, writes with a request
// id among them: it goes round again until the timeout is over.
func (s *servers) persist(ctx context.Context, r request) error {
	end := time.Now().Add(s.timeout)
	s.doubt = false
	var said error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := s.round(ctx, end, r)
		if !silent(err) && !unknownOutcome(err) || ctx.Err() != nil {
			return err
		}
		said = reasoned(said, err)
		if time.Until(end) < 2*pause { // an attempt needs time, too
			return said
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// round asks each server once, until one answers. Those that are left share the
// time that is left, so that one that hangs does not cost the others theirs.
func (s *servers) round(ctx context.Context, end time.Time, r request) error {
	var said error
	for left := len(s.addrs); left > 0; left-- {
		share := time.Until(end) / time.Duration(left)
		attempt, cancel := context.WithTimeout(ctx, share)
		err := s.ask(attempt, r)
		cancel()
		if !silent(err) {
			return err
		}
		said = reasoned(said, err)
		s.advance()
	}
	return said
}

// reasoned is the error to report of attempts that failed: the last one of those
// that say most. before is that of the earlier attempts, nil = there were none.
func reasoned(before, err error) error {
	if before == nil || telling(err) >= telling(before) {
		return err
	}
	return before
}

// telling is greater the more err says: a refusal with a reason, a server that is
// there and too slow, one that is not there.
func telling(err error) int {
	switch {
	case remoteReason(err) != "":
		return 2
	case codeOf(err) == codes.DeadlineExceeded:
		return 1
	}
	return 0
}

// advance turns to the next server.
func (s *servers) advance() { s.current = (s.current + 1) % len(s.addrs) }

// ask makes one attempt; a failed one is a *remoteError.
func (s *servers) ask(ctx context.Context, r request) error {
	conn, err := s.conn()
	if err != nil {
		return err
	}
	t := &traced{ClientConn: conn}
	err = s.remote(r(ctx, t))
	if t.peer.Addr != nil && unsettled(err) {
		s.doubt = true
	}
	return err
}

// traced tells whether a unary call went out on a connection: peer.Addr is set.
type traced struct {
	*grpc.ClientConn
	peer peer.Peer
}

func (t *traced) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return t.ClientConn.Invoke(ctx, method, args, reply, append(opts, grpc.Peer(&t.peer))...)
}

// inDoubt is the error of a write that failed with err. It begins with what if
// an attempt may have been carried out and no later answer settled that: only
// what a server found true at the moment of the write does.
func (s *servers) inDoubt(err error, what string) error {
	if !s.doubt || codeOf(err) == codes.AlreadyExists || remoteReason(err) == "PRECONDITION_FAILED" {
		return err
	}
	return &doubtError{what, err}
}

// doubtError says what may or may not have happened when err came.
type doubtError struct {
	what string
	err  error
}

func (e *doubtError) Error() string { return e.what + ": " + e.err.Error() }
func (e *doubtError) Unwrap() error { return e.err }

// remote turns a gRPC error into a *remoteError of the server asked.
func (s *servers) remote(err error) error {
	if st, ok := statusOf(err); ok {
		return &remoteError{addr: s.addrs[s.current], status: st, tls: s.tls}
	}
	return err
}

func codeOf(err error) codes.Code {
	var remote *remoteError
	if !errors.As(err, &remote) {
		return codes.OK
	}
	return remote.status.Code()
}

// silent reports whether another server may answer where this one did not.
func silent(err error) bool {
	code := codeOf(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}

// unknownOutcome reports whether a server says that a write may or may not happen.
func unknownOutcome(err error) bool {
	return remoteReason(err) == "UNKNOWN_OUTCOME"
}

// remoteReason is the reason that a server gives for err, "" = none.
func remoteReason(err error) string {
	var remote *remoteError
	if !errors.As(err, &remote) {
		return ""
	}
	return reasonOf(remote.status)
}

// unsettled reports whether a request that went out may have been carried out: a
// server that says UNAVAILABLE with a reason has not begun it.
func unsettled(err error) bool {
	var remote *remoteError
	if !errors.As(err, &remote) {
		return false
	}
	switch remote.status.Code() {
	case codes.DeadlineExceeded, codes.Canceled:
		return true
	case codes.Unavailable:
		return reasonOf(remote.status) == ""
	}
	return unknownOutcome(err)
}
