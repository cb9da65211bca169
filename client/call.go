package client

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// static tells gRPC that a method's name is not made at run time.
var static = []grpc.CallOption{grpc.StaticMethod()}

// bound gives ctx the longest time of a call, unless it has a deadline.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.config.Timeout)
}

// read makes a call that may be repeated and sent to several servers at a time,
// until one answers or ctx ends. It returns in's answer, out or a message like it.
func (c *Client) read(ctx context.Context, method string, in, out proto.Message) (proto.Message, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	w := c.way()
	return c.readOn(ctx, &w, method, in, out)
}

// readOn is read from where w has come to. ctx has a deadline.
func (c *Client) readOn(ctx context.Context, w *way, method string, in, out proto.Message) (proto.Message, error) {
	for {
		reply, by, err := c.attempt(ctx, w.next(), &w.tried, w.first, method, in, out)
		if err == nil {
			return reply, nil
		}
		if err := w.failed(ctx, by, err); err != nil {
			return nil, err
		}
	}
}

// A way is the order in which a read goes from server to server.
type way struct {
	client *Client
	first  int
	tried  uint64 // a mask: the servers of this round
	pause  time.Duration
}

func (c *Client) way() way { return way{client: c, first: c.first(), pause: firstPause} }

// next returns the server to ask now.
func (w *way) next() *server {
	s := w.client.pick(w.first, w.tried)
	w.tried |= s.bit
	return s
}

// failed takes note of an attempt that ended with err and waits until the next
// one is due. Where there is none, it returns the error of the call.
func (w *way) failed(ctx context.Context, by *server, err error) error {
	c, e := w.client, errorOf(by.addr, err)
	what := cureOf(e)
	if what == nothing || ctx.Err() != nil {
		return c.final(ctx, e)
	}
	if what == elsewhere {
		c.suspect(by)
	}
	if w.tried != c.all() {
		return nil
	}
	if !c.sleep(ctx, w.pause) {
		return c.final(ctx, e)
	}
	w.tried, w.pause = 0, min(2*w.pause, longestPause)
	return nil
}

// all is the mask of every server.
func (c *Client) all() uint64 { return 1<<len(c.servers) - 1 }

// final is the error of a call whose last attempt ended with e. A call whose
// time is over says so, and what the last server said.
func (c *Client) final(ctx context.Context, e *Error) error {
	if c.closed.Err() != nil {
		return &Error{Code: codes.Canceled, Message: "the client is closed"}
	}
	switch ctx.Err() {
	case context.DeadlineExceeded:
		if e.Code != codes.DeadlineExceeded {
			e.Message = fmt.Sprintf("no answer in time; the last was %v: %s", e.Code, e.Message)
			e.Code = codes.DeadlineExceeded
		}
	case context.Canceled:
		e.Code = codes.Canceled
	}
	return e
}

// attempt asks s, and another server too when s takes long. It returns the first
// answer and whose it is. What it tries it adds to tried.
func (c *Client) attempt(ctx context.Context, s *server, tried *uint64, first int, method string, in, out proto.Message) (proto.Message, *server, error) {
	if len(c.servers) == 1 || c.config.HedgeAfter < 0 {
		return out, s, s.conn.Invoke(c.outgoing(ctx), method, in, out, static...)
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := c.hedge()
	h.begin(hedged{outer, s, c.pick(first, *tried), method, in, out, out.ProtoReflect().Type(), cancel})
	err := s.conn.Invoke(c.outgoing(ctx), method, in, out, static...)
	if h.end() {
		c.hedges.Put(h)
		if err == nil {
			s.answered()
		}
		return out, s, err
	}
	return h.settle(err, tried)
}
