package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pemba-authz/pemba/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(2)
	}
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		stop()
		os.Exit(1)
	}
}

// comparison is a run under way.
type comparison struct {
	*options
	systems []*system
	spawned *spawned
	profile *profile // nil = none wanted
	log     io.Writer
	report  *report
	order   uint64 // seed of the questions' order
	current *meter // of the population that is installed, nil = none
}

// run compares the systems that o names, and reports to out.
func run(ctx context.Context, o *options, out, log io.Writer) (err error) {
	c := &comparison{options: o, log: log, order: uint64(time.Now().UnixNano())}
	defer func() { err = errors.Join(err, c.end(ctx)) }()
	if err := c.open(ctx); err != nil {
		return err
	}
	if err := c.measure(ctx); err != nil {
		return err
	}
	if err := c.report.print(out); err != nil {
		return err
	}
	if c.profile != nil && c.profile.err != nil {
		return c.profile.err
	}
	return c.report.write(o.json, o.markdown, o.html)
}

// open connects to the systems that take part.
func (c *comparison) open(ctx context.Context) error {
	var err error
	if c.spawn != "" {
		if c.spawned, err = spawn(ctx, c.spawn); err != nil {
			return err
		}
		c.pemba, c.pembaAdmin, c.pids["pemba"] = c.spawned.addr, c.spawned.admin, []int{c.spawned.cmd.Process.Pid}
	}
	if c.cpuProfile != "" {
		c.profile = &profile{admin: c.pembaAdmin, file: c.cpuProfile}
	}
	level := consistency(c.level)
	for _, s := range []struct {
		name, addr string
		open       func() (backend, error)
	}{
		{"pemba", c.pemba, func() (backend, error) { return openPemba(c.pemba, c.pembaToken, c.connections, level) }},
		{"spicedb", c.spicedb, func() (backend, error) { return openSpiceDB(c.spicedb, c.token, c.connections, level, c.replace) }},
		{"openfga", c.openfga, func() (backend, error) { return openOpenFGA(c.openfga, c.openfgaToken, c.connections, level) }},
	} {
		if s.addr == "" {
			continue
		}
		b, err := s.open()
		if err != nil {
			return err
		}
		c.systems = append(c.systems, &system{name: s.name, backend: b, pids: c.pids[s.name]})
	}
	return nil
}

// end removes what was installed, as far as the servers let it.
func (c *comparison) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	var all []error
	for _, s := range c.systems {
		if err := s.backend.remove(ctx); err != nil {
			all = append(all, fmt.Errorf("%s: %w", s.name, err))
		}
		s.backend.close()
	}
	if c.spawned != nil {
		c.spawned.stop()
	}
	return errors.Join(all...)
}

func (c *comparison) measure(ctx context.Context) error {
	c.report = &report{
		Time: time.Now().UTC(), Note: c.note, Commit: bench.Commit(), Machine: bench.ThisMachine(), Consistency: consistency(c.level),
		Command: published(os.Args), Connections: c.connections, Skew: c.zipf, Seconds: c.duration.Seconds(), Rounds: c.rounds,
		Systems: make(map[string]*installation),
	}
	stop := c.watchMachine()
	defer stop()
	m, err := c.prepare(ctx, c.plan)
	if err != nil {
		return err
	}
	c.report.Population = m.population.Plan()
	for _, p := range c.points() {
		r, err := m.measure(ctx, p)
		if err != nil {
			return err
		}
		c.report.Rows = append(c.report.Rows, r)
		fmt.Fprintln(c.log, "measured", r.point)
	}
	for _, s := range c.sweeps {
		at := point{Op: bench.Check, Callers: c.callers[len(c.callers)-1]}
		if err := s.run(ctx, c.plan, at, c.prepare); err != nil {
			return err
		}
		c.report.Sweeps = append(c.report.Sweeps, s)
		fmt.Fprintln(c.log, "measured over", s.Parameter)
	}
	return nil
}

// watchMachine notes what else the machine has to do, until stop is called.
func (c *comparison) watchMachine() (stop func()) {
	pids, known := []int{os.Getpid()}, true
	for _, s := range c.systems {
		pids, known = append(pids, s.pids...), known && len(s.pids) > 0
	}
	c.report.LoadBefore, c.report.Others = loadAverages(), -1
	before := usedNow(pids)
	return func() {
		if known {
			c.report.Others = usedNow(pids).othersSince(before)
		}
	}
}

// prepare installs a population on all systems and compares their answers.
func (c *comparison) prepare(ctx context.Context, plan bench.Plan) (*meter, error) {
	population, err := plan.Population()
	if err != nil {
		return nil, fmt.Errorf("plan the population: %w", err)
	}
	if c.current != nil && c.current.population.Plan() == population.Plan() {
		return c.current, nil
	}
	c.current = nil
	for _, s := range c.systems {
		took, err := s.backend.install(ctx, population)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		perSecond := float64(population.Size()) / took.Seconds()
		fmt.Fprintf(c.log, "%s: %d tuples of %s in %.1f s\n", s.name, population.Size(), population.Plan().Workload, took.Seconds())
		if c.report.Systems[s.name] == nil { // that of the first population is shown
			addresses := map[string]string{"pemba": c.pemba, "spicedb": c.spicedb, "openfga": c.openfga}
			c.report.Systems[s.name] = &installation{c.programsOf(s), addresses[s.name], took.Seconds(), perSecond}
		}
	}
	agreed, err := agree(ctx, c.systems, population, c.questions, c.lists, c.judged)
	if err != nil {
		return nil, err
	}
	c.report.Agreed += agreed
	fmt.Fprintf(c.log, "%d questions and lists answered alike\n", agreed)
	c.current = c.meter(population)
	return c.current, nil
}

// programsOf are those of a system's processes.
func (c *comparison) programsOf(s *system) []program {
	var all []program
	for _, pid := range s.pids {
		all = append(all, programOf(pid))
	}
	if s.name == "pemba" && c.spawned != nil && c.spawned.version != "" {
		all[0].Version = c.spawned.version
	}
	return all
}

func (c *comparison) meter(p *bench.Population) *meter {
	m := &meter{
		population: p, systems: c.systems, duration: c.duration, rounds: c.rounds,
		batch: c.batch, skew: c.zipf, verify: c.verify, order: c.order,
	}
	if c.profile != nil {
		m.during = func(ctx context.Context, s *system, _ point) { c.profile.take(ctx, s, c.duration) }
	}
	return m
}
