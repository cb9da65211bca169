//go:build linux

package histories

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// plan is one run of the harness.
type plan struct {
	setup
	seed   uint64
	length time.Duration // of the time with clients and faults
	faults []string      // names; nil = all that are possible
	pester bool          // ask every node at "any" all the time
	hectic bool          // hardly a pause between faults
	quiet  bool          // say nothing about each fault
	logf   func(format string, args ...any)
}

// run is a plan being carried out. Its findings are what is wrong.
type run struct {
	plan
	cluster *cluster
	history *history
	tokens  pool
	base    token // of the schema; everything comes after it
	clients int
}

// carryOut runs a cluster in dir under clients and faults, and returns what is
// wrong, in words. The error is why nothing can be said.
func (p plan) carryOut(ctx context.Context, dir string) (findings []string, err error) {
	r := &run{plan: p, history: &history{began: time.Now()}}
	if r.cluster, err = launch(ctx, dir, p.setup); err != nil {
		return nil, err
	}
	defer r.cluster.close()
	if err := r.writeSchema(ctx); err != nil {
		return nil, err
	}
	if err := r.work(ctx); err != nil {
		r.history.fault("%v", err)
	}
	worked := time.Now()
	v, err := r.settle(ctx)
	settled := time.Now()
	if err != nil {
		r.history.fault("%v\n%s", err, r.cluster.logs())
		r.keep()
		v := &verifier{history: r.history}
		v.reportFaults()
		return v.found, nil
	}
	if findings = v.verify(); len(findings) > 0 {
		r.keep()
	}
	r.logf("%s; settled in %v, verified in %v", r.summary(v), settled.Sub(worked).Round(time.Millisecond), time.Since(settled).Round(time.Millisecond))
	return findings, nil
}

// keep saves the nodes' data and logs where PEMBA_KEEP says, for a closer look.
func (r *run) keep() {
	to := os.Getenv("PEMBA_KEEP")
	if to == "" || r.quiet {
		return
	}
	to = filepath.Join(to, fmt.Sprint("seed-", r.seed))
	var err error
	for _, n := range r.cluster.nodes {
		_ = n.signal(syscall.SIGQUIT, true) // its log gets the stacks
		n.end(5 * time.Second)
		err = errors.Join(err, os.CopyFS(filepath.Join(to, n.name()), os.DirFS(n.site.path(n.dataDir()))))
		text, readErr := os.ReadFile(n.logFile())
		err = errors.Join(err, readErr, os.WriteFile(filepath.Join(to, n.name()+".log"), text, 0o600))
	}
	r.logf("kept in %s: %v", to, err)
}

// newClient returns a client with a source of randomness of its own.
func (r *run) newClient() *client {
	r.clients++
	c := &client{number: r.clients, cluster: r.cluster, history: r.history, tokens: &r.tokens, last: r.base,
		rand: rand.New(rand.NewPCG(r.seed, uint64(r.clients)))}
	if c.rand.IntN(3) == 0 {
		c.clock = time.Duration(c.rand.Int64N(int64(2*mostWrong))) - mostWrong
	}
	return c
}

func (r *run) writeSchema(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var reply *pb.WriteSchemaResponse
	err := until(ctx, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		reply, err = pb.NewSchemaServiceClient(r.cluster.conns[0]).WriteSchema(ctx, &pb.WriteSchemaRequest{Schema: schema})
		return err
	})
	if err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	r.base.text = reply.GetToken()
	if r.base.rev, err = revisionOf(r.base.text); err != nil {
		return err
	}
	c := r.newClient()
	for _, n := range r.cluster.nodes { // at "any" a node may still have no schema
		if err := until(ctx, func() error { return c.readOnce(ctx, n, atLeast, r.base) }); err != nil {
			return fmt.Errorf("read on node %s: %w", n.name(), err)
		}
	}
	return nil
}

// work lets clients and nemeses loose for the length of the run.
func (r *run) work(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.length)
	defer cancel()
	var wg sync.WaitGroup
	start := func(n int, f func(*client, context.Context)) {
		for range n {
			c := r.newClient()
			wg.Go(func() { f(c, ctx) })
		}
	}
	start(3, (*client).setRegisters)
	start(2, (*client).readRegisters)
	start(2, (*client).changeWorld)
	start(2, (*client).askQuestions)
	start(1, (*client).beEnemy)
	start(1, (*client).keepTenants)
	start(1, (*client).look)
	start(2, func(c *client, ctx context.Context) {
		_ = c.follow(ctx, fmt.Sprint("watcher ", c.number), r.base, 0, r.cluster.nodes) // it ends with ctx
	})
	for _, n := range r.cluster.nodes {
		if r.pester {
			start(4, func(c *client, ctx context.Context) { c.pester(ctx, n) })
		}
	}
	wg.Go(func() { r.guard(ctx, cancel) })
	err := r.plague(ctx)
	<-ctx.Done()
	wg.Wait()
	return err
}

// plague lets one nemesis strike processes and disks, and one the network.
func (r *run) plague(ctx context.Context) error {
	all := choose(r.cluster, r.faults...)
	of := func(net bool) []fault {
		return slices.DeleteFunc(slices.Clone(all), func(f fault) bool { return f.net != net })
	}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, net := range []bool{false, true} {
		m := &nemesis{cluster: r.cluster, rand: rand.New(rand.NewPCG(r.seed, 1<<32+uint64(i))), logf: r.logf, quiet: r.quiet, hectic: r.hectic}
		wg.Go(func() { errs[i] = m.plague(ctx, of(net)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// guard ends the run when a process ends although nobody meant it to.
func (r *run) guard(ctx context.Context, cancel func()) {
	for pause(ctx, 50*time.Millisecond) {
		for _, n := range r.cluster.nodes {
			if why := n.surprise(); why != "" {
				r.history.fault("%s", why)
				cancel()
				return
			}
		}
	}
}

// settle waits until the cluster is well, finds out what became of the writes,
// and compares the nodes with each other.
func (r *run) settle(ctx context.Context) (*verifier, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if err := r.cluster.awaitAll(ctx); err != nil {
		return nil, err
	}
	c := r.newClient()
	if err := r.resolve(ctx, c); err != nil {
		return nil, err
	}
	last := c.write(ctx, touch(registerTuple(0, "the end")))
	for last.outcome != done {
		if ctx.Err() != nil {
			return nil, errors.New("the last write is not acknowledged")
		}
		last = c.write(ctx, touch(registerTuple(0, fmt.Sprint("the end ", r.history.now()))))
	}
	if err := r.checkEstates(ctx, c); err != nil {
		return nil, err
	}
	v := &verifier{history: r.history, first: r.base.rev, last: c.last.rev}
	if err := r.compareHashes(ctx); err != nil {
		return nil, err
	}
	if r.horizon == 0 { // else nobody can tell everything
		return v, r.accounts(ctx, c, v)
	}
	return v, nil
}

// accounts has every node tell everything that has happened, and compares what
// they say and have.
func (r *run) accounts(ctx context.Context, c *client, v *verifier) error {
	end := c.last
	for i, n := range r.cluster.nodes {
		if err := until(ctx, func() error { return c.readOnce(ctx, n, latest, token{}) }); err != nil {
			return fmt.Errorf("node %s does not answer at latest: %w", n.name(), err)
		}
		log, err := r.account(ctx, n, end)
		if err != nil {
			return fmt.Errorf("node %s does not tell what has happened: %w", n.name(), err)
		}
		if i == 0 {
			v.log = log
		} else if why := differs(v.log, log); why != "" {
			r.history.fault("node %s tells another history than the first: it %s", n.name(), why)
		} else if why := differs(log, v.log); why != "" {
			r.history.fault("node %s tells another history than the first, which %s", n.name(), why)
		}
		if err := r.compare(ctx, n, end, v.log); err != nil {
			return fmt.Errorf("export of node %s: %w", n.name(), err)
		}
	}
	return nil
}

// resolve sends writes of unknown fate again, but for some.
func (r *run) resolve(ctx context.Context, c *client) error {
	for _, w := range r.history.writes {
		if w.outcome != unknown || w.left {
			continue
		}
		err := until(ctx, func() error {
			if !c.attempt(ctx, w, true) {
				return c.trouble
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("client %d's write is never settled: %w", w.client, err)
		}
	}
	return nil
}

// account is everything that n says has happened.
func (r *run) account(ctx context.Context, n *node, end token) ([]revision, error) {
	f := &followed{name: "account of " + n.name(), first: r.base.rev}
	c, from := r.newClient(), r.base
	err := until(ctx, func() error { return c.stream(ctx, n, &from, f, end.rev) })
	return f.revisions, err
}

// compare holds an export of n at the end against what has happened.
func (r *run) compare(ctx context.Context, n *node, end token, log []revision) error {
	stream, err := pb.NewTupleServiceClient(r.cluster.conns[n.place]).Export(ctx, &pb.ExportRequest{Consistency: consistency(exactly, end.text)})
	if err != nil {
		return err
	}
	got := map[tuple.Key]content{}
	for {
		reply, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, t := range reply.GetTuples() {
			got[tupleOf(t).Key()] = contentOf(tupleOf(t))
		}
	}
	want := map[tuple.Key]content{}
	for _, l := range log {
		maps.Copy(want, l.changes)
	}
	for key, c := range want {
		// An export leaves out what has expired.
		if have, ok := got[key]; have != c && (ok || c.expires == 0) {
			r.history.fault("node %s exports %s as %v, want %v", n.name(), key, have, c)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			r.history.fault("node %s exports %s, which nobody wrote", n.name(), key)
		}
	}
	return nil
}

// compareHashes has all nodes hash their state at one revision.
func (r *run) compareHashes(ctx context.Context) error {
	var reply *pb.StatusResponse
	err := until(ctx, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		reply, err = pb.NewClusterServiceClient(r.cluster.conns[0]).Status(ctx, &pb.StatusRequest{Nodes: true, Hash: true})
		if err != nil {
			return err
		}
		for _, n := range reply.GetNodes() {
			if n.GetHash() == "" {
				return fmt.Errorf("no hash of %s: %s", n.GetId(), n.GetProblem())
			}
		}
		if len(reply.GetNodes()) != len(r.cluster.nodes) {
			return fmt.Errorf("%d nodes of %d tell their hash", len(reply.GetNodes()), len(r.cluster.nodes))
		}
		return nil
	})
	if err != nil {
		return err
	}
	first := reply.GetNodes()[0]
	for _, n := range reply.GetNodes()[1:] {
		if n.GetHash() != first.GetHash() || n.GetHashRevision() != first.GetHashRevision() {
			r.history.fault("the state of %s at %d is %s, that of %s at %d is %s",
				first.GetId(), first.GetHashRevision(), first.GetHash(), n.GetId(), n.GetHashRevision(), n.GetHash())
		}
	}
	return nil
}

// summary says what a run consisted of, so that one without content is seen.
func (r *run) summary(v *verifier) string {
	h, outcomes := r.history, map[outcome]int{}
	for _, w := range h.writes {
		outcomes[w.outcome]++
	}
	levels := map[level]int{}
	for _, x := range h.reads {
		levels[x.level]++
	}
	for _, a := range h.asks {
		levels[a.level]++
	}
	moves := 0
	for _, f := range h.followed {
		moves += f.moves
	}
	var b strings.Builder
	terms := map[uint64]bool{}
	for _, s := range h.sights {
		terms[s.term] = true
	}
	fmt.Fprintf(&b, "%d revisions, %d terms; writes: %v; reads %d, checks %d, by level: %v; watchers moved %d times; %d tenants; %d statuses; order: %s",
		len(v.log), len(terms), outcomes, len(h.reads), len(h.asks), levels, moves, len(h.estates), len(h.sights), v.order)
	return b.String()
}
