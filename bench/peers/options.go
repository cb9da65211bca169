package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pemba-authz/pemba/bench"
)

// options are what the command line says.
type options struct {
	pemba, pembaToken, pembaAdmin string
	spawn                         string
	spicedb, token                string
	openfga, openfgaToken         string
	pids                          map[string][]int // of the servers on this machine
	replace                       bool
	level                         string

	plan        bench.Plan
	ops         []operation
	callers     []int
	sweeps      []sweep
	connections int
	duration    time.Duration
	rounds      int
	batch       int
	zipf        float64

	questions, lists, judged, verify int

	note, json, markdown, html, cpuProfile string
}

const usage = `Usage: peers [flags]

Measures pemba and servers of other APIs on the same tuples with the same
questions, and compares their answers; a difference ends the run with status 1.
The servers are yours to start, but for pemba with --spawn. Systems without an
address do not take part, and their columns stay empty.

A server of authzed.api.v1 has one schema: --replace lets this program replace
it and delete the tuples. A server of openfga.v1 gets a store of its own. Give it
--listUsers-max-results 0, and deadlines of lists that are long enough, or its
lists end early, which counts as a difference. Without a setting, it takes
batches of at most 50.

  peers --spawn bin/pemba --spicedb localhost:50052 --token T --openfga localhost:8081
  peers --pemba localhost:50051 --workload docs --tuples 1M --sweep callers=1,8,64 --html report.html

Flags:
`

// parseOptions reads the command line. Its error is for the user.
func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{pids: make(map[string][]int)}
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() { fmt.Fprint(out, usage); f.PrintDefaults() }
	o.addServerFlags(f)
	o.addPlanFlags(f)
	o.addLoadFlags(f)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%q: there are flags only", f.Arg(0))
	}
	return o, o.validate()
}

func (o *options) addServerFlags(f *flag.FlagSet) {
	f.StringVar(&o.pemba, "pemba", "", "`address` of a pemba; tls://HOST:PORT for TLS, here and below")
	f.StringVar(&o.pembaToken, "pemba-token", "", "its key")
	f.StringVar(&o.pembaAdmin, "pemba-admin", "127.0.0.1:9464", "its admin `address`, for --cpuprofile")
	f.StringVar(&o.spawn, "spawn", "", "`path` of a pemba binary to start, instead of --pemba")
	f.StringVar(&o.spicedb, "spicedb", "", "`address` of a server that speaks authzed.api.v1")
	f.StringVar(&o.token, "token", "", "its preshared key")
	f.BoolVar(&o.replace, "replace", false, "replace the schema and delete the tuples that it has")
	f.StringVar(&o.openfga, "openfga", "", "`address` (gRPC) of a server that speaks openfga.v1")
	f.StringVar(&o.openfgaToken, "openfga-token", "", "its preshared key")
	for _, name := range systemNames {
		f.Func(name+"-pid", "its process on this machine, for its CPU time, version and flags; several as `1,2`, with its database; children count", func(s string) error {
			for text := range strings.SplitSeq(s, ",") {
				pid, err := strconv.Atoi(text)
				if err != nil || pid < 1 {
					return fmt.Errorf("%q is no process", text)
				}
				o.pids[name] = append(o.pids[name], pid)
			}
			return nil
		})
	}
	f.StringVar(&o.level, "consistency", string(fast), "fast (any, minimize latency) or full (latest, fully consistent)")
}

func (o *options) addPlanFlags(f *flag.FlagSet) {
	o.plan.Tuples = 100_000
	f.StringVar(&o.plan.Workload, "workload", bench.IAM, strings.Join(bench.Workloads, ", "))
	f.Func("tuples", "size of the population, as 100k (default 100k)", func(s string) (err error) {
		o.plan.Tuples, err = parseNumber(s)
		return err
	})
	f.Uint64Var(&o.plan.Seed, "seed", 1, "of the population")
	f.IntVar(&o.plan.Parts, "organizations", 0, "iam, docs: organizations or companies; 0 = one for each 10,000 tuples")
	f.IntVar(&o.plan.Depth, "depth", 0, "docs, nested: levels of groups; 0 = 4 or 10")
	f.IntVar(&o.plan.Width, "width", 0, "docs, nested: groups that a group holds; 0 = 3 or 2")
	f.IntVar(&o.plan.Members, "members", 0, "nested: users below an outermost group; 0 = 100,000")
	f.Float64Var(&o.plan.Skew, "skew", 0, "social: how unequal followers are spread; 0 = 0.8")
	f.Float64Var(&o.plan.Allowed, "allowed", 0, "docs, social, nested: share of the questions that are allowed; 0 = 0.3")
	f.Float64Var(&o.zipf, "zipf", 0, "exponent of the questions' Zipf distribution, larger than 1; 0 = uniform")
}

func (o *options) addLoadFlags(f *flag.FlagSet) {
	o.ops, o.callers = []operation{{op: bench.Check}}, []int{1, 16, 64}
	f.Func("op", "operations: check, batch, list-objects, list-subjects, write (default check); `batch:4` is measured with 4 callers only", func(s string) error {
		o.ops = nil
		for text := range strings.SplitSeq(s, ",") {
			one, err := parseOperation(text)
			if err != nil {
				return err
			}
			o.ops = append(o.ops, one)
		}
		return nil
	})
	f.Func("callers", "numbers of callers, each measured by itself (default 1,16,64)", func(s string) error {
		o.callers = nil
		for text := range strings.SplitSeq(s, ",") {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is no number of callers", text)
			}
			o.callers = append(o.callers, n)
		}
		return nil
	})
	f.Func("sweep", "`parameter=values`, checks at each: "+strings.Join(parameters, ", ")+"; may come several times", func(s string) error {
		parsed, err := parseSweep(s)
		o.sweeps = append(o.sweeps, parsed)
		return err
	})
	f.IntVar(&o.connections, "connections", 2, "to each server")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "of one run")
	f.IntVar(&o.rounds, "rounds", 5, "runs of each system at each point")
	f.IntVar(&o.batch, "batch", 50, "checks of a batch")
	f.IntVar(&o.questions, "questions", 2000, "questions whose answers are compared between the systems before measuring")
	f.IntVar(&o.lists, "lists", 10, "of these, questions whose lists of objects and subjects are compared, too")
	f.IntVar(&o.judged, "judged", 500, "of these, questions that the reference decides, too")
	f.IntVar(&o.verify, "verify", 200, "answers of each point and system that the reference judges")
	f.StringVar(&o.note, "note", "", "what is special about this run, for its title")
	f.StringVar(&o.json, "json", "", "write the report as JSON to this `file`")
	f.StringVar(&o.markdown, "markdown", "", "append the report as Markdown to this `file`")
	f.StringVar(&o.html, "html", "", "write the report as HTML to this `file`")
	f.StringVar(&o.cpuProfile, "cpuprofile", "", "write a CPU profile of pemba in its first run to this `file`")
}

// operation is what is to be measured.
type operation struct {
	op      bench.Op
	callers int // 0 = with each number that --callers says
}

func parseOperation(text string) (operation, error) {
	name, callers, ok := strings.Cut(text, ":")
	o := operation{op: bench.Op(name)}
	can := []bench.Op{bench.Check, bench.Batch, bench.ListObjects, bench.ListSubjects, bench.Write}
	if !slices.Contains(can, o.op) {
		return o, fmt.Errorf("%q: not every API has it", name)
	}
	if ok {
		var err error
		if o.callers, err = strconv.Atoi(callers); err != nil || o.callers < 1 {
			return o, fmt.Errorf("%q is no number of callers", callers)
		}
	}
	return o, nil
}

// points are what is to be measured, in order.
func (o *options) points() []point {
	var all []point
	for _, one := range o.ops {
		callers := o.callers
		if one.callers > 0 {
			callers = []int{one.callers}
		}
		for _, n := range callers {
			all = append(all, point{Op: one.op, Callers: n})
		}
	}
	return all
}

func (o *options) validate() error {
	switch {
	case o.pemba == "" && o.spawn == "" && o.spicedb == "" && o.openfga == "":
		return fmt.Errorf("name at least one server: --pemba or --spawn, --spicedb, --openfga")
	case o.pemba != "" && o.spawn != "":
		return fmt.Errorf("--pemba and --spawn: give one of them")
	case o.cpuProfile != "" && o.pemba == "" && o.spawn == "":
		return fmt.Errorf("--cpuprofile is for pemba, which does not take part")
	case o.level != string(fast) && o.level != string(full):
		return fmt.Errorf("--consistency %q: it is fast or full", o.level)
	case o.connections < 1 || o.rounds < 1 || o.batch < 1 || o.duration <= 0:
		return fmt.Errorf("--connections, --rounds, --batch and --duration are positive")
	case o.questions < 0 || o.lists < 0 || o.judged < 0 || o.verify < 0:
		return fmt.Errorf("--questions, --lists, --judged and --verify cannot be negative")
	case o.zipf != 0 && !(o.zipf > 1 && o.zipf <= 10):
		return fmt.Errorf("--zipf %g: it is larger than 1, as 1.1", o.zipf)
	}
	return nil
}
