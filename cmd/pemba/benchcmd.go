package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/bench"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// benchOptions say what is measured.
type benchOptions struct {
	mode        string
	callers     []int
	duration    time.Duration
	rounds      int
	connections int

	tuples   int
	seed     uint64
	order    uint64
	load     bool
	loadOnly bool

	spawn     bool
	cacheSize byteSize // of a spawned server
	out       string
}

func (a *app) benchCommand() *cobra.Command {
	o := &benchOptions{cacheSize: 64 << 20}
	cmd := a.client(&cobra.Command{
		Use:   "bench",
		Short: "Measure a server: unary check against an echo, in a closed loop",
		Long: `Measure a server. Callers ask uniform random questions about a generated
population of the cloud example, each its next when the last is answered; no
question comes twice. By default runs of Check and of Echo (a call of the same
server with the same bytes that does nothing) alternate, and the medians of
their ratios are printed.

--load writes schema and population first; --spawn starts a server of its own
in a temporary directory, loads it, and stops it afterwards.`,
		Example: `  pemba bench --spawn --callers 1,64
  pemba bench --load --mode check --duration 10s`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.spawn && cmd.Flags().Changed("addr") {
				return usage(cmd, "--spawn starts a server of its own: give no --addr")
			}
			return a.bench(cmd.Context(), o)
		},
	})
	f := cmd.Flags()
	f.StringVar(&o.mode, "mode", "both", "what to call: echo, check, or both in turn")
	f.IntSliceVar(&o.callers, "callers", []int{64}, "numbers of concurrent callers, each measured by itself")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "length of one run")
	f.IntVar(&o.rounds, "rounds", 5, "runs of each, with --mode both")
	f.IntVar(&o.connections, "connections", 1, "connections that the callers share; one is what a gRPC client has by itself")
	f.IntVar(&o.tuples, "tuples", 100_000, "size of the population")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the population")
	f.Uint64Var(&o.order, "order", 0, "seed of the order of the questions; 0 = another one each time, so that no run repeats the last one's")
	f.BoolVar(&o.load, "load", false, "write the cloud example's schema and the population first")
	f.BoolVar(&o.loadOnly, "load-only", false, "write them and measure nothing")
	f.BoolVar(&o.spawn, "spawn", false, "measure a server of its own")
	f.Var(&o.cacheSize, "cache-size", "with --spawn: the server's memory for its cache, 0 = no cache")
	f.StringVar(&o.out, "out", "", "write the report as JSON to this `FILE`, too")
	return cmd
}

func (o *benchOptions) validate() error {
	if m := bench.Mode(o.mode); m != bench.Echo && m != bench.Check && o.mode != "both" {
		return fmt.Errorf("--mode %q: it is echo, check or both", o.mode)
	}
	for _, n := range append([]int{o.rounds, o.connections}, o.callers...) {
		if n < 1 {
			return fmt.Errorf("--callers, --rounds and --connections are at least 1, not %d", n)
		}
	}
	if o.duration <= 0 {
		return fmt.Errorf("--duration %s: it must be positive, as 2s", o.duration)
	}
	return nil
}

func (a *app) bench(ctx context.Context, o *benchOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	tuneCollector() // the load generator's garbage is not what is measured
	population, err := bench.NewPopulation(o.tuples, o.seed)
	if err != nil {
		return fmt.Errorf("--tuples: %w", err)
	}
	server := "given by address"
	if o.spawn {
		spawned, err := spawnServer(ctx, "--cache-size", o.cacheSize.String())
		if err != nil {
			return err
		}
		defer spawned.stop()
		a.addrs = spawned.addr
		server = "own process, cache " + o.cacheSize.String()
	}
	s, err := a.dial()
	if err != nil {
		return err
	}
	defer s.Close()
	if o.load || o.loadOnly || o.spawn {
		if err := a.load(ctx, s, population); err != nil {
			return err
		}
	}
	if o.loadOnly {
		return nil
	}
	report, err := a.measure(ctx, o, population)
	if err != nil {
		return err
	}
	report.Server = server
	return a.printReport(o, report)
}

// load writes the cloud example's schema and the population.
func (a *app) load(ctx context.Context, s *servers, population *bench.Population) error {
	schema, err := bench.Schema()
	if err != nil {
		return err
	}
	if _, err := a.writeSchema(ctx, s, schema); err != nil {
		return err
	}
	start := time.Now()
	w := a.writer(s, writeOptions{operation: pb.Update_OPERATION_TOUCH, batch: defaultBatch})
	for t := range population.Tuples() {
		if err := w.add(ctx, t, input{text: t.String()}); err != nil {
			return w.failed(err)
		}
	}
	if err := w.flush(ctx); err != nil {
		return w.failed(err)
	}
	fmt.Fprintf(a.err, "loaded %d tuples in %s\n", w.written, time.Since(start).Round(10*time.Millisecond))
	return nil
}

// measure runs the load against the first address.
func (a *app) measure(ctx context.Context, o *benchOptions, population *bench.Population) (*bench.Report, error) {
	first, err := a.dial()
	if err != nil {
		return nil, err
	}
	order := o.order
	if order == 0 {
		order = uint64(time.Now().UnixNano())
	}
	load := bench.Load{Mode: bench.Mode(o.mode), Duration: o.duration, Tenant: a.tenant, Questions: population.Questions(order)}
	for range o.connections {
		conn, err := dialOne(first.addrs[0])
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		load.Conns = append(load.Conns, conn)
	}
	report := &bench.Report{
		Time: time.Now().UTC(), Commit: bench.Commit(), Machine: bench.ThisMachine(),
		Tuples: o.tuples, Seed: o.seed, Order: order, Connections: o.connections,
	}
	for _, load.Callers = range o.callers {
		if o.mode == "both" {
			c, err := bench.Compare(ctx, load, o.rounds)
			if err != nil {
				return nil, a.benchError(err, load.Conns[0])
			}
			report.Comparisons = append(report.Comparisons, c)
			continue
		}
		r, err := load.Run(ctx)
		if err != nil {
			return nil, a.benchError(err, load.Conns[0])
		}
		report.Runs = append(report.Runs, r)
	}
	return report, nil
}

// benchError lets a failed call be explained as that of any other command.
func (a *app) benchError(err error, conn *grpc.ClientConn) error {
	if st, ok := statusOf(err); ok {
		return &remoteError{addr: conn.Target()[len("passthrough:///"):], status: st}
	}
	return err
}

func (a *app) printReport(o *benchOptions, report *bench.Report) error {
	if o.out != "" {
		data, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.out, append(data, '\n'), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", o.out, rootCause(err))
		}
	}
	if a.json {
		return printJSON(a.out, report)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(report.Runs) > 0 {
		fmt.Fprintln(w, "mode\tcallers\tper second\tp50\tp90\tp99\tp99.9\tmax\tallowed\t")
	}
	for _, r := range report.Runs {
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%d µs\t%d µs\t%d µs\t%d µs\t%d µs\t%.0f %%\t\n",
			r.Mode, r.Callers, r.PerSecond, r.P50, r.P90, r.P99, r.P999, r.Max, 100*r.AllowedShare)
	}
	if len(report.Comparisons) > 0 {
		fmt.Fprintln(w, "callers\techo/s\tcheck/s\tratio\techo p99\tcheck p99\tratio\tallowed\t")
	}
	for _, c := range report.Comparisons {
		fmt.Fprintf(w, "%d\t%.0f\t%.0f\t%.2f\t%.0f µs\t%.0f µs\t%.2f\t%.0f %%\t\n",
			c.Callers, c.EchoPerSecond, c.CheckPerSecond, c.ThroughputRatio, c.EchoP99, c.CheckP99, c.P99Ratio, 100*c.AllowedShare)
	}
	return w.Flush()
}
