package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
)

// request makes one request after the other, for one caller.
type request interface {
	// prepare chooses what the next do asks, outside of what is timed.
	prepare()
	// do makes the request, which was due at a time, and enters it into t.
	do(ctx context.Context, due time.Time, t *tally) error
	// String describes the request for an error.
	String() string
}

// writer is a request that leaves tuples behind.
type writer interface {
	cleanUp(ctx context.Context) error
}

// singleCaller has one request in flight at a time.
type singleCaller struct {
	load     *Load
	random   *rand.Rand
	mix      Mix
	total    float64
	requests []request // of each share of the mix
	tally    []*tally
}

// refusedPause is how long a caller whom the server had no room for stays away.
const refusedPause = 5 * time.Millisecond

func (c *singleCaller) run(ctx context.Context, p *pace) error {
	for {
		i := 0
		if len(c.mix) > 1 {
			i = c.mix.draw(c.random, c.total)
		}
		c.requests[i].prepare()
		due, ok := p.next(ctx)
		if !ok {
			return nil
		}
		switch err := c.requests[i].do(ctx, due, c.tally[i]); {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case refused(err):
			c.tally[i].refused++
			pause(ctx, refusedPause)
		default:
			return fmt.Errorf("%s: %w", c.requests[i], err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (c *singleCaller) tallies() []*tally { return c.tally }

func (c *singleCaller) cleanUp(ctx context.Context) error {
	for _, r := range c.requests {
		if w, ok := r.(writer); ok {
			return w.cleanUp(ctx)
		}
	}
	return nil
}

func (l *Load) request(op Op, conn *grpc.ClientConn, source *Source, random *rand.Rand) request {
	batch := l.batchOf(op)
	switch op {
	case Batch, BatchEcho:
		return newBatchRequest(l, op, conn, source, batch)
	case ListObjects, ListSubjects:
		return newListRequest(l, op, conn, source, random)
	case Write:
		return newWriteRequest(l, conn, batch)
	}
	return newCheckRequest(l, op, conn, source)
}
