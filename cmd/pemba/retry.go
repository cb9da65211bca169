package main

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
)

// Pauses between rounds of attempts.
const firstPause, longestPause = 50 * time.Millisecond, time.Second

// retry says when a stream that broke is taken up again: on each server once,
// and, once it has begun, round after round until there is no progress for
// --timeout. One goroutine uses it.
type retry struct {
	servers *servers
	begun   bool // go round again
	endless bool // go round again for ever
	once    bool // not after a request has gone out on a connection
	sent    bool // one has

	end   time.Time // without progress until then it is given up
	left  int       // servers that this round has not tried
	pause time.Duration
	said  error // the last refusal that a server gave a reason for, since there was progress
}

func (s *servers) retry() *retry {
	return &retry{servers: s, end: time.Now().Add(s.timeout), left: len(s.addrs), pause: firstPause}
}

// share is the time that the next attempt may take until it makes progress.
// Servers that are left share what is left, so that one that hangs does not cost
// the others theirs.
func (r *retry) share() time.Duration { return time.Until(r.end) / time.Duration(r.left) }

// progressed begins --timeout anew.
func (r *retry) progressed() {
	r.begun, r.pause, r.said = true, firstPause, nil
	r.end, r.left = time.Now().Add(r.servers.timeout), len(r.servers.addrs)
}

// next waits for the moment of another attempt, which is on the next server.
// When there is none it returns err or, rather than one server's silence, the
// reason that another gave.
func (r *retry) next(ctx context.Context, err error) error {
	if ctx.Err() != nil || !broken(err) || r.once && r.sent {
		return err
	}
	r.said = reasoned(r.said, err)
	r.servers.advance()
	if r.left--; r.left > 0 {
		return nil
	}
	if !r.begun || !r.endless && time.Until(r.end) < 2*r.pause {
		return r.said
	}
	if err := sleep(ctx, r.pause); err != nil {
		return err
	}
	r.left, r.pause = len(r.servers.addrs), min(2*r.pause, longestPause)
	if r.endless {
		r.end = time.Now().Add(r.servers.timeout)
	}
	return nil
}

// sleep returns after d, or with ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// broken reports whether a stream that ended with err may go on where it ended,
// there or elsewhere.
func broken(err error) bool {
	if silent(err) || unknownOutcome(err) {
		return true
	}
	switch codeOf(err) {
	case codes.Canceled: // by a server that stops; the caller knows whether it was itself
		return true
	case codes.ResourceExhausted:
		switch remoteReason(err) {
		case "SLOW_READER", "TOO_MANY_READS", "TOO_MANY_STREAMS", "OVERLOADED":
			return true
		}
	}
	return false
}
