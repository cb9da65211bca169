package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/client"
)

// Load is callers that make requests of a server. It is a value: it can be
// changed and run again, but not at the same time.
type Load struct {
	Conns     []*grpc.ClientConn // callers are spread over them; at least one, unless there are Clients
	Merging   []*client.Client   // of Merged, beside Conns; callers are spread over them
	Clients   []Client           // instead of Conns, for other systems; callers are spread over them
	Op        Op
	Mix       Mix // of Mixed; nil = DefaultMix
	Callers   int
	Duration  time.Duration // how long to run; 0 = until Requests are made
	Requests  int64         // most requests to make; 0 = no bound
	Rate      float64       // requests a second of all callers, due at fixed times; 0 = each caller's next when the last is answered
	Batch     int           // checks or tuples of a request; 0 = 100 for batches, else 1
	InFlight  int           // requests that a stream's caller has under way; 0 = 64
	Questions *Questions    // its order goes on from one run to the next
	Tenant    string        // "" = the default tenant
	Verify    int           // answers of a run that Measure compares with the reference; 0 = none
}

func (l *Load) validate() error {
	switch {
	case len(l.Conns)+len(l.Clients) == 0 || l.Callers < 1 || l.Duration <= 0 && l.Requests <= 0:
		return errors.New("a load needs a connection, a caller, and a duration or a number of requests")
	case !l.Op.Valid():
		return fmt.Errorf("%q is no operation", l.Op)
	case l.Op == Merged && len(l.Merging) == 0:
		return errors.New("a load of merged checks needs a client that merges")
	case len(l.Clients) > 0 && !slices.Contains(clientOps, l.Op):
		return fmt.Errorf("%s is an operation of pemba's native API only", l.Op)
	case l.Rate > 0 && l.arrivals() < 1:
		return fmt.Errorf("%g requests/s: not one is due in %s", l.Rate, l.Duration)
	}
	return nil
}

func (l *Load) batch() int { return l.batchOf(l.Op) }

func (l *Load) batchOf(op Op) int {
	if l.Batch > 0 {
		return l.Batch
	}
	return op.defaultBatch()
}

func (l *Load) inFlight() int {
	if l.InFlight > 0 {
		return l.InFlight
	}
	return 64
}

// Run makes the requests. The first that fails ends the run with its error; so
// does the end of ctx. A request that the server has no room for does not fail:
// it is counted as refused.
func (l *Load) Run(ctx context.Context) (Result, error) {
	if err := l.validate(); err != nil {
		return Result{}, err
	}
	callers := make([]runner, l.Callers)
	for i := range callers {
		callers[i] = l.caller(i)
	}
	defer cleanUp(ctx, callers)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := l.begin(ctx)
	var wg sync.WaitGroup
	for _, c := range callers {
		wg.Go(func() {
			if err := c.run(ctx, p); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Result{}, fmt.Errorf("run %s load: %w", l.Op, err)
	}
	tallies := make([][]*tally, len(callers))
	for i, c := range callers {
		tallies[i] = c.tallies()
	}
	return l.summarize(p, tallies), nil
}

// runner is one caller. Its error is that of the request that failed.
type runner interface {
	run(ctx context.Context, p *pace) error
	tallies() []*tally // after run
	cleanUp(ctx context.Context) error
}

// cleanUp removes what the callers have written, as far as the server lets it.
func cleanUp(ctx context.Context, callers []runner) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range callers {
		wg.Go(func() { _ = c.cleanUp(ctx) }) // a run that went well stays one
	}
	wg.Wait()
}

// caller returns the i-th caller. Callers are made before the clock starts and
// in order, so that a run is the same for the same seed.
func (l *Load) caller(i int) runner {
	random := newRandom(l.Questions.seed + uint64(i))
	source := l.Questions.Source()
	share := (l.Verify + l.Callers - 1) / l.Callers
	if l.Op.streams() {
		return newStreamCaller(l, l.Conns[i%len(l.Conns)], source, newTally(l.Op, newSample(l.Op, share, random)))
	}
	c := &singleCaller{load: l, random: random, mix: Mix{{l.Op, 1}}}
	if l.Op == Mixed {
		c.mix = l.Mix
		if c.mix == nil {
			c.mix = DefaultMix()
		}
	}
	c.total = c.mix.total()
	for _, s := range c.mix {
		kept := int(float64(share)*s.Weight/c.total + 0.999)
		c.tally = append(c.tally, newTally(s.Op, newSample(s.Op, kept, random)))
		if len(l.Clients) > 0 {
			c.requests = append(c.requests, l.clientRequest(s.Op, l.Clients[i%len(l.Clients)], source, random))
		} else if s.Op == Merged {
			c.requests = append(c.requests, &mergedRequest{client: l.Merging[i%len(l.Merging)], tenant: l.Tenant, source: source})
		} else {
			c.requests = append(c.requests, l.request(s.Op, l.Conns[i%len(l.Conns)], source, random))
		}
	}
	return c
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// refused reports whether err says that the server had no room.
func refused(err error) bool { return status.Code(err) == codes.ResourceExhausted }
