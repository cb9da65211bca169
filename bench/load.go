package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Mode is what a load calls.
type Mode string

const (
	Echo  Mode = "echo"  // BenchService.Echo: what gRPC costs on this server
	Check Mode = "check" // PermissionService.Check
)

// Load is a closed loop: each caller has one call in flight and makes the next
// when it is answered. Both modes send the same requests.
type Load struct {
	Conns     []*grpc.ClientConn // callers are spread over them; at least one
	Mode      Mode
	Callers   int
	Duration  time.Duration // how long to run; 0 = until Requests are made
	Requests  int64         // most calls to make; 0 = no bound
	Questions *Questions    // its order goes on from one run to the next
	Tenant    string        // "" = the default tenant
}

// Result is one run of a Load. Latencies are in microseconds.
type Result struct {
	Mode         Mode    `json:"mode"`
	Callers      int     `json:"callers"`
	Requests     int64   `json:"requests"`
	Seconds      float64 `json:"seconds"`
	PerSecond    float64 `json:"per_second"`
	Mean         float64 `json:"mean_us"`
	P50          int64   `json:"p50_us"`
	P90          int64   `json:"p90_us"`
	P99          int64   `json:"p99_us"`
	P999         int64   `json:"p999_us"`
	Max          int64   `json:"max_us"`
	AllowedShare float64 `json:"allowed_share,omitempty"`
}

const maxLatency = time.Minute

// Run makes the calls. The first call that fails ends the run with its error;
// so does the end of ctx.
func (l *Load) Run(ctx context.Context) (Result, error) {
	if len(l.Conns) == 0 || l.Callers < 1 || l.Duration <= 0 && l.Requests <= 0 {
		return Result{}, errors.New("a load needs a connection, a caller, and a duration or a number of requests")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stop atomic.Bool
	if l.Duration > 0 {
		defer time.AfterFunc(l.Duration, func() { stop.Store(true) }).Stop()
	}
	var left atomic.Int64
	left.Store(l.Requests)
	callers := make([]caller, l.Callers)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range callers {
		c := &callers[i]
		c.load, c.call = l, l.call(l.Conns[i%len(l.Conns)])
		c.stop, c.left = &stop, &left
		wg.Go(func() {
			if err := c.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Result{}, fmt.Errorf("run %s load: %w", l.Mode, err)
	}
	return l.result(callers, time.Since(start)), nil
}

type callFunc func(context.Context, *pb.CheckRequest, ...grpc.CallOption) (*pb.CheckResponse, error)

func (l *Load) call(conn *grpc.ClientConn) callFunc {
	if l.Mode == Echo {
		return pb.NewBenchServiceClient(conn).Echo
	}
	return pb.NewPermissionServiceClient(conn).Check
}

// caller is one closed loop; only its own goroutine touches its counters.
type caller struct {
	load    *Load
	call    callFunc
	stop    *atomic.Bool
	left    *atomic.Int64
	times   *hdrhistogram.Histogram
	allowed int64
}

func (c *caller) run(ctx context.Context) error {
	c.times = hdrhistogram.New(1, maxLatency.Microseconds(), 3)
	for !c.stop.Load() && (c.load.Requests == 0 || c.left.Add(-1) >= 0) {
		q := c.load.Questions.Next()
		request := q.Request(c.load.Tenant)
		start := time.Now()
		answer, err := c.call(ctx, request)
		if err != nil {
			if status.Code(err) == codes.Canceled && ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%s %s %s: %w", q.Object, q.Permission, q.Subject, err)
		}
		_ = c.times.RecordValue(min(time.Since(start), maxLatency).Microseconds())
		if answer.GetDecision() == pb.Decision_DECISION_ALLOWED {
			c.allowed++
		}
	}
	return nil
}

func (l *Load) result(callers []caller, took time.Duration) Result {
	all := hdrhistogram.New(1, maxLatency.Microseconds(), 3)
	var allowed int64
	for i := range callers {
		all.Merge(callers[i].times)
		allowed += callers[i].allowed
	}
	n := all.TotalCount()
	return Result{
		Mode:         l.Mode,
		Callers:      l.Callers,
		Requests:     n,
		Seconds:      took.Seconds(),
		PerSecond:    float64(n) / took.Seconds(),
		Mean:         all.Mean(),
		P50:          all.ValueAtQuantile(50),
		P90:          all.ValueAtQuantile(90),
		P99:          all.ValueAtQuantile(99),
		P999:         all.ValueAtQuantile(99.9),
		Max:          all.Max(),
		AllowedShare: float64(allowed) / float64(max(n, 1)),
	}
}
