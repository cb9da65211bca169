package authz

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/pemba-authz/pemba/cluster"
)

// What a node may say in ordinary trouble is never INTERNAL.
func TestNodeError_HasACode(t *testing.T) {
	for err, want := range map[error]Code{
		fmt.Errorf("%w: %w", cluster.ErrUnknownOutcome, cluster.ErrClosed):      UnknownOutcome,
		fmt.Errorf("%w: %w", cluster.ErrNotProposed, cluster.ErrNotLeader):      Unavailable,
		fmt.Errorf("%w: leader n1 at x: %v", cluster.ErrNotLeader, "no answer"): Unavailable,
		cluster.ErrClosed: Unavailable,
		fmt.Errorf("%w: %w", cluster.ErrFailed, errors.New("the disk hangs")): Unavailable,
		cluster.ErrDiskFull:                    Unavailable,
		cluster.ErrOverloaded:                  ResourceExhausted,
		cluster.ErrTooLarge:                    Invalid,
		cluster.ErrLevel:                       FailedPrecondition,
		fmt.Errorf("9: %w", cluster.ErrFuture): OutOfRange,
		context.DeadlineExceeded:               DeadlineExceeded,
		context.Canceled:                       Canceled,
		fmt.Errorf("%w: %w", cluster.ErrNotProposed, &Error{Code: Unavailable, Reason: "SHUTTING_DOWN"}): Unavailable,
	} {
		if got := nodeError(err); got.Code != want {
			t.Errorf("%v: code %d, want %d", err, got.Code, want)
		}
	}
}

// A front door that stops ends its contexts with the error to tell: whoever waits
// in the node then is told that, and not of an internal error.
func TestWatch_TellsWhyItsContextEnded(t *testing.T) {
	w := newWorld(t)
	going := &Error{Code: Unavailable, Reason: "SHUTTING_DOWN", Message: "this node is going down"}
	stopping := &world{New(w.node, w.checker, Options{Part: func(ctx context.Context, _ string) (context.Context, func(error)) {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(going)
		return ctx, func(error) {}
	}}), t}
	p, err := parseToken(w.touch("doc:a#viewer@user:ann"))
	if err != nil {
		t.Fatal(err)
	}
	p.revision += 10
	for range 100 {
		_, err = stopping.Watch(t.Context(), WatchRequest{From: p.text()})
		if reasonOf(t, err) != "TOKEN_AHEAD" { // the node was faster
			break
		}
	}
	if reasonOf(t, err) != "SHUTTING_DOWN" {
		t.Errorf("got %v", err)
	}
}
