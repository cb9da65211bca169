package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/client"
)

// benchOptions say what is measured.
type benchOptions struct {
	ops      []string
	compare  bool
	callers  []int
	duration time.Duration
	rounds   int
	rate     float64
	batch    int
	inFlight int
	mix      string
	verify   int

	connections int

	plan     bench.Plan
	order    uint64
	dist     string
	zipf     float64
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
		Short: "Measure a server under load: checks, batches, streams, lists, writes",
		Long: `Measure a server. Callers make requests about a generated population; --callers
says how many, --op of which kind:

  check           one question, unary
  batch           --batch questions in one message
  merged          one question, by package client, which sends those of several callers together
  stream          one stream for each caller, --in-flight requests under way on it
  list-objects    all objects of a type that a subject reaches
  list-subjects   all subjects of a type that reach an object
  write           tuples of a population of their own, deleted again
  mixed           a random one at a time, as --mix says
  echo, batch-echo, stream-echo   the same bytes, and no decision

Several operations are measured in turn, in rounds, and the medians are printed.
check, batch and stream run beside their echo, which shows what gRPC costs, and merged
beside check, unless --compare=false; the ratios are of the items (checks, results, tuples) a second,
to that or else to the first operation, and are taken within a round.

By default a caller's next request follows the answer to its last: a closed loop.
With --rate, requests are due at fixed times, whether or not a caller is free, and
latencies count from there, so that a server that stands still is charged for all
who would have waited. If the rate is not reached, the report says so.

--workload chooses what the population is, a tuple count and a shape of it:

  iam      the cloud example: roles inherited over four levels, nested groups
  docs     shared documents in folders in folders, nested groups, banned users
  social   profiles with followers, a few of them with very many, and posts
  nested   documents shared with groups nested --depth deep, of --members users

A sample of the answers is compared with a reference that shares no code with the
server's; a wrong answer is an error. --load writes schema and population first;
--spawn starts a server of its own in a temporary directory, loads it, and stops
it afterwards.`,
		Example: `  pemba bench --spawn --callers 1,64
  pemba bench --load --op check,batch,stream --compare=false
  pemba bench --op mixed --mix check=95,list=4,write=1 --rate 5000 --duration 30s
  pemba bench --spawn --workload nested --depth 20 --tuples 1000000
  pemba bench --op check --dist zipf --json`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.spawn && cmd.Flags().Changed("addr") {
				return usage(cmd, "--spawn starts a server of its own: give no --addr")
			}
			if !cmd.Flags().Changed("compare") && o.rate > 0 {
				o.compare = false
			}
			return a.bench(cmd.Context(), o)
		},
	})
	o.addFlags(cmd)
	return cmd
}

func (o *benchOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&o.ops, "op", []string{"check"}, "`operations` to measure in turn, as above")
	f.BoolVar(&o.compare, "compare", true, "measure check, batch and stream beside their echo, merged beside check (with --rate: only if asked for)")
	f.IntSliceVar(&o.callers, "callers", []int{64}, "numbers of concurrent callers, each measured by itself")
	f.Float64Var(&o.rate, "rate", 0, "requests a second of all callers together, due at fixed times; 0 = as fast as answers come")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "length of one run")
	f.IntVar(&o.rounds, "rounds", 5, "runs of each operation")
	f.IntVar(&o.batch, "batch", 0, "checks or tuples of one request; 0 = 100 for batch, else 1")
	f.IntVar(&o.inFlight, "in-flight", 64, "requests that each stream has under way")
	f.StringVar(&o.mix, "mix", bench.DefaultMix().String(), "shares of the operations of mixed; list = both lists")
	f.IntVar(&o.connections, "connections", 1, "connections that the callers share; one is what a gRPC client has by itself")
	addPlanFlags(f, &o.plan)
	f.Uint64Var(&o.order, "order", 0, "seed of the order of the questions; 0 = another one each time, so that no run repeats the last one's")
	f.StringVar(&o.dist, "dist", "uniform", "how often a question comes: `uniform` (no repetition) or zipf")
	f.Float64Var(&o.zipf, "zipf", 1.1, "with --dist zipf: the exponent, larger than 1")
	f.IntVar(&o.verify, "verify", 1000, "answers of each operation to compare with the reference; 0 = none")
	f.BoolVar(&o.load, "load", false, "write the workload's schema and the population first")
	f.BoolVar(&o.loadOnly, "load-only", false, "write them and measure nothing")
	f.BoolVar(&o.spawn, "spawn", false, "measure a server of its own")
	f.Var(&o.cacheSize, "cache-size", "with --spawn: the server's memory for its cache, 0 = no cache")
	f.StringVar(&o.out, "out", "", "write the report as JSON to this `FILE`, too")
}

func (o *benchOptions) validate() error {
	for _, op := range o.ops {
		if !bench.Op(op).Valid() {
			return fmt.Errorf("--op %q: it is one of %s", op, joinOps(bench.Ops))
		}
	}
	for _, n := range append([]int{o.rounds, o.connections, o.inFlight}, o.callers...) {
		if n < 1 {
			return fmt.Errorf("--callers, --rounds, --connections and --in-flight are at least 1, not %d", n)
		}
	}
	switch {
	case len(o.ops) == 0 || len(o.callers) == 0:
		return fmt.Errorf("--op and --callers name at least one each")
	case o.duration <= 0:
		return fmt.Errorf("--duration %s: it must be positive, as 2s", o.duration)
	case !(o.rate >= 0 && o.rate <= 1e7):
		return fmt.Errorf("--rate %g: it is a number of requests a second, as 5000", o.rate)
	case o.rate > 0 && o.rate*o.duration.Seconds() < 1:
		return fmt.Errorf("--rate %g: no request is due within --duration %s", o.rate, o.duration)
	case o.batch < 0 || o.batch > 1000:
		return fmt.Errorf("--batch %d: it is 1 to 1,000", o.batch)
	case o.dist != "uniform" && o.dist != "zipf":
		return fmt.Errorf("--dist %q: it is uniform or zipf", o.dist)
	case !(o.zipf > 1 && o.zipf <= 10):
		return fmt.Errorf("--zipf %g: it is larger than 1, as 1.1", o.zipf)
	case o.verify < 0:
		return fmt.Errorf("--verify %d: it cannot be negative", o.verify)
	}
	return nil
}

func joinOps(ops []bench.Op) string {
	var names []string
	for _, op := range ops {
		names = append(names, string(op))
	}
	return strings.Join(names, ", ")
}

// skew is the exponent of the questions' distribution, 0 = uniform.
func (o *benchOptions) skew() float64 {
	if o.dist == "zipf" {
		return o.zipf
	}
	return 0
}

// operations are those to measure, each once, with what they are compared to.
func (o *benchOptions) operations() []bench.Op {
	var ops []bench.Op
	add := func(op bench.Op) {
		if op != "" && !slices.Contains(ops, op) {
			ops = append(ops, op)
		}
	}
	for _, name := range o.ops {
		if o.compare {
			add(bench.Op(name).Against())
		}
		add(bench.Op(name))
	}
	return ops
}

func (a *app) bench(ctx context.Context, o *benchOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	mix, err := bench.ParseMix(o.mix)
	if err != nil {
		return fmt.Errorf("--mix: %w", err)
	}
	tuneCollector() // the load generator's garbage is not what is measured
	population, err := o.plan.Population()
	if err != nil {
		return fmt.Errorf("plan the population: %w", err)
	}
	b := &benchRun{app: a, options: o, population: population, mix: mix, server: "given by address"}
	if o.spawn {
		if b.spawned, err = spawnServer(ctx, "--cache-size", o.cacheSize.String()); err != nil {
			return err
		}
		defer b.spawned.stop()
		a.addrs = b.spawned.addr
		b.server = "own process, cache " + o.cacheSize.String()
	}
	if err := b.dial(); err != nil {
		return err
	}
	defer b.close()
	if o.load || o.loadOnly || o.spawn {
		if err := b.install(ctx); err != nil {
			return err
		}
	}
	report, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return a.printReport(o, report)
}

// benchRun is a measurement under way.
type benchRun struct {
	app        *app
	options    *benchOptions
	population *bench.Population
	mix        bench.Mix
	server     string
	spawned    *spawned // nil = the server is not this program's
	conns      []*grpc.ClientConn
	merging    []*client.Client // as many; none unless they are measured
	installed  *bench.Installed
}

// dial connects to the first address.
func (b *benchRun) dial() error {
	first, err := b.app.dial()
	if err != nil {
		return err
	}
	for range b.options.connections {
		conn, err := dialOne(first.addrs[0], first.options...)
		if err != nil {
			return err
		}
		b.conns = append(b.conns, conn)
		if !slices.Contains(b.options.ops, string(bench.Merged)) {
			continue
		}
		merging, err := client.Dial(client.Config{
			Addrs: first.addrs[:1], Timeout: b.app.timeout, Merge: client.MergeAlways, DialOptions: first.options,
		})
		if err != nil {
			return err
		}
		b.merging = append(b.merging, merging)
	}
	return nil
}

func (b *benchRun) close() {
	for _, conn := range b.conns {
		conn.Close()
	}
	for _, c := range b.merging {
		_ = c.Close()
	}
}

// install writes the workload's schema and the population.
func (b *benchRun) install(ctx context.Context) error {
	before := b.spawned.resident()
	installed, err := b.population.Install(ctx, b.conns[0], b.app.tenant)
	if err != nil {
		return b.remote(err)
	}
	installed.MemoryBefore, installed.MemoryAfter = before, b.spawned.resident()
	b.installed = &installed
	fmt.Fprintf(b.app.err, "loaded %d tuples in %.2f s, %.0f a second", installed.Tuples, installed.Seconds, installed.PerSecond)
	if grown := installed.MemoryAfter - before; grown > 0 {
		fmt.Fprintf(b.app.err, ", %d bytes of memory each", grown/int64(installed.Tuples))
	}
	fmt.Fprintln(b.app.err)
	return nil
}

func (b *benchRun) measure(ctx context.Context) (*bench.Report, error) {
	o := b.options
	order := o.order
	if order == 0 {
		order = uint64(time.Now().UnixNano())
	}
	report := &bench.Report{
		Time: time.Now().UTC(), Commit: bench.Commit(), Machine: bench.ThisMachine(), Server: b.server,
		Population: b.population.Plan(), Order: order, Skew: o.skew(),
		Connections: o.connections, Rate: o.rate, Batch: o.batch, InFlight: o.inFlight, Mix: b.mix.String(), Installed: b.installed,
	}
	if o.loadOnly {
		return report, nil
	}
	load := bench.Load{
		Conns: b.conns, Merging: b.merging, Mix: b.mix, Duration: o.duration, Rate: o.rate, Batch: o.batch, InFlight: o.inFlight,
		Questions: b.population.Questions(order, o.skew()), Tenant: b.app.tenant, Verify: o.verify,
	}
	for _, load.Callers = range o.callers {
		series, err := bench.Measure(ctx, load, o.operations(), o.rounds)
		if err != nil {
			return nil, b.remote(err)
		}
		report.Series = append(report.Series, series...)
	}
	return report, nil
}

// remote lets a failed call be explained as that of any other command.
func (b *benchRun) remote(err error) error {
	if st, ok := statusOf(err); ok {
		return &remoteError{addr: b.conns[0].Target()[len("passthrough:///"):], status: st}
	}
	return err
}
