package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// flow reads the messages of a streaming method and takes the stream up again
// when it breaks.
type flow[C, Q, R any] struct {
	client func(grpc.ClientConnInterface) C
	method func(C, context.Context, *Q, ...grpc.CallOption) (grpc.ServerStreamingClient[R], error)

	request func() *Q      // what is wanted now; nil = nothing more
	take    func(*R) error // gets each message; its error ends the flow

	quiet time.Duration // longest silence between two messages, 0 = --timeout
	lost  func(error)   // told when the flow breaks; may be nil
}

// run returns when a stream ends, or with the error that no attempt will change.
func (f *flow[C, Q, R]) run(ctx context.Context, r *retry) error {
	for {
		question := f.request()
		if question == nil {
			return nil
		}
		came, err := f.attempt(ctx, r, question)
		if came {
			r.progressed()
		}
		if err == nil {
			return nil
		}
		if err := r.next(ctx, err); err != nil {
			return err
		}
		if came && f.lost != nil {
			f.lost(err)
		}
	}
}

// attempt reads one stream of one server, and reports whether a message came.
func (f *flow[C, Q, R]) attempt(ctx context.Context, r *retry, question *Q) (came bool, err error) {
	s := r.servers
	conn, err := s.conn()
	if err != nil {
		return false, err
	}
	w := watchSilence(ctx)
	defer w.stop()
	w.begin(r.share())
	var to peer.Peer
	defer func() { r.sent = r.sent || to.Addr != nil }()
	stream, err := f.method(f.client(conn), w.ctx, question, grpc.Peer(&to))
	for err == nil {
		var reply *R
		if reply, err = stream.Recv(); err != nil {
			break
		}
		w.end()
		came = true
		if err := f.take(reply); err != nil {
			return came, err
		}
		w.begin(cmp.Or(f.quiet, s.timeout))
	}
	if errors.Is(err, io.EOF) {
		return came, nil
	}
	return came, w.error(s.remote(err))
}

// silence cancels a context when it lasts too long. One goroutine uses it.
type silence struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

var errHangs = errors.New("the server hangs")

func watchSilence(ctx context.Context) *silence {
	w := &silence{}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(time.Hour, func() { w.cancel(errHangs) })
	w.timer.Stop()
	return w
}

// begin says that something is awaited from now on, end that it came.
func (w *silence) begin(most time.Duration) { w.timer.Reset(most) }
func (w *silence) end()                     { w.timer.Stop() }

func (w *silence) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// error is err, or that a server did not answer in time if that was its cause.
func (w *silence) error(err error) error {
	var remote *remoteError
	if errors.Is(context.Cause(w.ctx), errHangs) && errors.As(err, &remote) {
		remote.status = status.New(codes.DeadlineExceeded, errHangs.Error())
	}
	return err
}
