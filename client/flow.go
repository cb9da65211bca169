package client

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc/codes"

	"google.golang.org/grpc"
)

// A flow is a stream of messages that goes on by itself: when it breaks, it is
// asked for again behind what has come, on the next server.
type flow[R any] struct {
	client *Client

	// open asks conn for what is left.
	open func(ctx context.Context, conn *grpc.ClientConn) (grpc.ServerStreamingClient[R], error)

	// take is given each message.
	take func(message *R) wish

	// patience bounds the silence before a server is given up. The whole may
	// take as long as its context lets it.
	patience time.Duration

	// endless says that a flow never ends well and that a server which does not
	// answer is waited for; otherwise it is given up when none has for patience.
	endless bool
}

// A wish is what the taker of messages wants next.
type wish uint8

const (
	more     wish = iota
	complete      // nothing: all has come, whatever the stream says behind it
	enough        // nothing, although there may be more
)

// run returns when all of the flow has come or no more is wanted, with nil, or
// with an *Error.
func (f *flow[R]) run(ctx context.Context) error {
	c := f.client
	first, tried, pause := c.first(), uint64(0), firstPause
	end := time.Now().Add(f.patience)
	for {
		s := c.pick(first, tried)
		tried |= s.bit
		came, err := f.attempt(ctx, s)
		if err == nil {
			return nil
		}
		if came {
			tried, pause, end = s.bit, firstPause, time.Now().Add(f.patience)
		}
		e := errorOf(s.addr, err)
		if errors.Is(err, errSilent) {
			e = &Error{Code: codes.DeadlineExceeded, Addr: s.addr, Message: "no answer in time"}
		}
		what := cureOf(e)
		if what == nothing || ctx.Err() != nil || c.closed.Err() != nil || !f.endless && time.Now().After(end) {
			return c.final(ctx, e)
		}
		if what == elsewhere {
			c.suspect(s)
		}
		if tried == c.all() {
			if !c.sleep(ctx, pause) {
				return c.final(ctx, e)
			}
			tried, pause = 0, min(2*pause, longestPause)
		}
	}
}

var errSilent = errors.New("the server says nothing")

// attempt takes messages from s until there are no more, or none comes for
// patience. came reports whether any has come.
func (f *flow[R]) attempt(ctx context.Context, s *server) (came bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(f.patience, func() { cancel(errSilent) })
	defer silence.Stop()
	stream, err := f.open(f.client.outgoing(ctx), s.conn)
	for err == nil {
		var message *R
		if message, err = stream.Recv(); err != nil {
			break
		}
		silence.Stop() // what the taker does with it takes as long as it takes
		came = true
		wish := f.take(message)
		if wish == enough {
			return came, nil
		}
		silence.Reset(f.patience)
		if wish == complete {
			_, _ = stream.Recv() // lets the stream end well
			return came, nil
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		if f.endless {
			return came, &Error{Code: codes.Unavailable, Addr: s.addr, Message: "the stream has ended"}
		}
		return came, nil
	case context.Cause(ctx) == errSilent:
		return came, errSilent
	}
	return came, err
}
