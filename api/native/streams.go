package native

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
)

// streams is what the streaming methods of a server share.
type streams struct {
	reads    chan struct{} // holds one element for each read, list and deletion under way
	watches  chan struct{} // for each watch, import and stream of checks
	stall    time.Duration
	beat     time.Duration   // between two heartbeats of a watch
	tick     time.Duration   // of a frame that takes long; 0 = frameTick
	stopping context.Context // ends when Shutdown begins
}

// enter takes one of the places for reads; the caller leaves.
func (s *streams) enter() (leave func(), err error) {
	return takePlace(s.reads, "TOO_MANY_READS", "reads and lists")
}

// stay takes one of the places for what lasts as long as its client wants.
func (s *streams) stay() (leave func(), err error) {
	return takePlace(s.watches, "TOO_MANY_STREAMS", "watches, imports and streams of checks")
}

func takePlace(places chan struct{}, reason, what string) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, &authz.Error{Code: authz.ResourceExhausted, Reason: reason,
			Message: fmt.Sprintf("%d %s are under way", cap(places), what), Fix: "try again shortly"}
	}
}

// sendWithin waits for the client to take reply, but not for ever: a stream may
// keep a view in memory. When it gives up, the end of the handler ends the send.
func sendWithin[T any](stream grpc.ServerStreamingServer[T], reply *T, stall time.Duration) error {
	done := make(chan error, 1)
	go func() { done <- stream.Send(reply) }()
	timer := time.NewTimer(stall)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return slowReader(stall)
	}
}

func slowReader(stall time.Duration) *authz.Error {
	return &authz.Error{Code: authz.ResourceExhausted, Reason: "SLOW_READER",
		Message: fmt.Sprintf("the client took nothing for %v", stall), Fix: "read faster, or a smaller part"}
}

func shuttingDown() error {
	return &authz.Error{Code: authz.Unavailable, Reason: "SHUTTING_DOWN", Message: "this node is going down", Fix: "try another node"}
}

// lasting returns the stream's context, which also ends when the server stops.
func (s *streams) lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	forget := context.AfterFunc(s.stopping, func() { cancel(errStopping) })
	return ctx, func() {
		forget()
		cancel(nil)
	}
}

var errStopping = shuttingDown()

// stopped returns the error to tell when ctx, from lasting, has ended with err.
func stopped(ctx context.Context, err error) error {
	if context.Cause(ctx) == errStopping {
		return errStopping
	}
	return err
}
