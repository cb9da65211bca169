// Package cluster keeps a store replicated: Raft's log, its transport and its
// files, proposing commands in groups, linearizable reads, and the horizon.
// See DESIGN.md.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

// Node is one member of a cluster. All methods may be called from any
// goroutine.
type Node struct {
	cfg       Config
	log       *slog.Logger
	disk      *disk
	logs      *logStore
	store     *store.Store
	applied   *applied
	transport *transport
	port      *port // nil = none
	raft      *raft.Raft
	proposer  *proposer
	reads     readIndex
	tenure    atomic.Pointer[tenure] // nil = this node does not lead
	leaders   leaderWatch
	fresh     freshness
	clock     *clock
	started   time.Time
	marks     marks
	office    chan struct{} // capacity 1; full while this leader changes the members
	handover  handover
	invited   invitations
	announced atomic.Bool // the leader knows this node as it is

	stop      chan struct{}  // closed when Close begins
	loops     sync.WaitGroup // every goroutine of the node but settle
	settled   chan struct{}  // closed once every proposal is settled
	closed    chan struct{}  // closed when Close gives up on what still waits
	closeOnce sync.Once
	closeErr  error // of the one Close

	ready     chan struct{} // closed once the node has caught up after its start
	readyOnce sync.Once
	unready   chan error // capacity 1; why the node will not get ready

	failed   chan struct{} // closed when err is set
	failOnce sync.Once
	err      error // why the node cannot go on; read after failed is closed
}

// Store returns the replicated state. Only the node writes to it.
func (n *Node) Store() *store.Store { return n.store }

// Failed is closed when the node cannot go on: its disk hangs or has failed.
// The process must then end at once, without Close, for a write that was given
// up may still land; Err says why.
func (n *Node) Failed() <-chan struct{} { return n.failed }

// Err returns why the node failed, nil while it has not.
func (n *Node) Err() error {
	select {
	case <-n.failed:
		return n.err
	default:
		return nil
	}
}

// fail makes err the reason for which the node cannot go on.
func (n *Node) fail(err error) {
	n.failOnce.Do(func() {
		n.err = err
		close(n.failed)
		if isDismissal(err) {
			n.log.Error("the node ends", "why", err)
		} else {
			n.log.Error("the node has failed", "err", err)
		}
	})
}

// Open is Start and AwaitReady; a node that does not get ready is closed.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	n, err := Start(cfg)
	if err != nil {
		return nil, err
	}
	if err := n.AwaitReady(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Start starts the node in its data dir. In a fresh dir it founds a cluster of
// one, or, where Config says so, waits for one to join or for others to found
// one with; in any other dir it goes on where it was. It does not wait for
// other members: see AwaitReady.
func Start(cfg Config) (*Node, error) {
	cfg, err := injected(cfg).withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open node: %w", err)
	}
	d, err := openDisk(&cfg)
	if err != nil {
		return nil, fmt.Errorf("open node: %w", err)
	}
	n := newNode(cfg, d)
	id := d.self.get()
	if err := id.checkRecovered(); err != nil {
		return nil, fmt.Errorf("open node: %w", errors.Join(err, d.close()))
	}
	if err := n.start(); err != nil {
		return nil, fmt.Errorf("open node: %w", errors.Join(err, d.close()))
	}
	return n, nil
}

// AwaitReady returns once the node has caught up with what its cluster had
// committed, or with the error that keeps it from that; ctx bounds only the
// wait.
func (n *Node) AwaitReady(ctx context.Context) error {
	if err := n.awaitLeader(ctx); err != nil {
		return fmt.Errorf("open node: %w", err)
	}
	return nil
}

func newNode(cfg Config, d *disk) *Node {
	n := &Node{
		cfg: cfg, disk: d, store: store.New(store.Options{}),
		log:   cfg.Logger.With("node", cfg.NodeID),
		reads: readIndex{wake: make(chan struct{}, 1)},
		stop:  make(chan struct{}), settled: make(chan struct{}), closed: make(chan struct{}),
		office: make(chan struct{}, 1),
		ready:  make(chan struct{}), unready: make(chan error, 1), failed: make(chan struct{}),
	}
	n.applied = &applied{store: n.store}
	n.clock, n.started = &clock{wall: cfg.Now, mono: cfg.Mono}, time.Now()
	inner := d.log
	if cfg.WrapLog != nil {
		inner = cfg.WrapLog(inner)
	}
	n.logs = &logStore{
		LogStore: inner, guard: guard{cfg.WriteDeadline, n.fail},
		onFull: make(chan struct{}, 1), fullAt: cfg.SnapshotBytes, tail: tail{keep: cfg.TrailingBytes},
	}
	d.snaps.log, d.snaps.stop = n.logs, n.stop
	d.snaps.room = func() error { return n.checkRoom(0, n.cfg.MinFreeDisk/4) }
	return n
}

// start reads what is on disk, and sets raft and the node's goroutines going.
func (n *Node) start() error {
	stable := stableStore{n.disk.stable, n.logs.guard}
	s := &scanner{log: n.logs, stable: stable, nodeID: n.cfg.NodeID, file: n.disk.logName(), alone: !n.isRouted()}
	if err := s.scan(n.disk.snaps); err != nil {
		return err
	}
	n.fresh.began = time.Now()
	var err error
	if n.transport, n.port, err = newTransport(&n.cfg, n.stop, n.lineage); err != nil {
		return err
	}
	n.transport.admit, n.transport.has = n.admitMessage, n.hasInstalled
	if err := n.startRaft(stable); err != nil {
		return errors.Join(err, n.transport.Close())
	}
	n.proposer = newProposer(n)
	go func() {
		n.proposer.settle()
		close(n.settled)
	}()
	n.loops.Add(5)
	go n.lead()
	go n.followUp()
	go n.serveReads()
	go n.moveHorizon()
	go n.compact()
	n.loops.Go(n.keepTime)
	n.loops.Go(n.watchLeader)
	n.loops.Go(n.transport.pump)
	n.loops.Go(n.proposer.propose)
	if !n.hasNobody() {
		n.loops.Go(n.keepFresh)
	}
	if n.isRouted() {
		n.servePeers()
		n.loops.Go(n.enrol)
		if len(n.cfg.Join) > 0 {
			n.loops.Go(n.vetJoin)
		}
		n.loops.Go(n.reconcile)
	}
	if n.isSoleVoter() {
		n.transport.campaign()
	}
	return nil
}

// servePeers begins to answer other members.
func (n *Node) servePeers() {
	if n.port == nil {
		n.cfg.Peers.Serve(&Service{n}, nil, nil)
		return
	}
	n.cfg.Peers.Serve(&Service{n}, n.port.node, n.port.dialNode)
}

// startRaft founds the cluster if there is nothing yet and nobody to found or
// join one with, and starts raft.
func (n *Node) startRaft(stable raft.StableStore) (err error) {
	snaps := n.disk.snaps
	defer func() {
		if r := recover(); r != nil {
			err = &CorruptError{n.disk.logName(), fmt.Errorf("%v", r), corruptFix}
		}
	}()
	conf := n.cfg.raftConfig()
	if err := n.unfound(stable); err != nil {
		return fmt.Errorf("read raft state: %w", err)
	}
	has, err := raft.HasExistingState(n.logs, stable, snaps)
	if err != nil {
		return fmt.Errorf("read raft state: %w", err)
	}
	if !has && n.isAlone() {
		self := raft.Server{ID: conf.LocalID, Address: n.transport.LocalAddr()}
		err := raft.BootstrapCluster(conf, n.logs, stable, snaps, n.transport, raft.Configuration{Servers: []raft.Server{self}})
		if err != nil {
			return fmt.Errorf("found cluster: %w", err)
		}
	}
	machine := n.machine()
	if n.raft, err = raft.NewRaft(conf, machine, n.logs, stable, snaps, n.transport); err != nil {
		if damage := snaps.damage(); damage != nil {
			return damage
		}
		return fmt.Errorf("start raft: %w", err)
	}
	trim := func() error { return n.trimTrailing(n.raft) }
	snaps.trim.Store(&trim)
	return nil
}

// machine is what raft applies the log to.
func (n *Node) machine() *fsm {
	return &fsm{store: n.store, applied: n.applied, log: n.logs, snaps: n.disk.snaps, marks: &n.marks, clock: n.clock, live: n.isFollowing}
}

// unfound takes back the first half of founding a cluster, the term, when the
// process ended before the second, the configuration.
func (n *Node) unfound(stable raft.StableStore) error {
	term, err := stable.GetUint64([]byte("CurrentTerm"))
	if err != nil || term != 1 {
		return nil // raft reads it again
	}
	last, err := n.logs.LastIndex()
	if err != nil || last > 0 {
		return err
	}
	if covered, err := n.disk.snaps.newest(); err != nil || covered > 0 {
		return err
	}
	return stable.SetUint64([]byte("CurrentTerm"), 0)
}

// isAlone reports whether a fresh node is to found a cluster by itself.
func (n *Node) isAlone() bool {
	id := n.disk.self.get()
	return n.cfg.BootstrapExpect <= 1 && len(n.cfg.Join) == 0 && id.cluster() == ""
}

// isSoleVoter reports whether this node is the only one that votes.
func (n *Node) isSoleVoter() bool {
	v := n.voters()
	return len(v) == 1 && v[0] == raft.ServerID(n.cfg.NodeID)
}

// noteIdentity fails the node if err is a failed write of its identity.
func (n *Node) noteIdentity(err error) error {
	if broken := new(identityError); errors.As(err, &broken) {
		n.fail(err)
	}
	return err
}

// awaitLeader says every few seconds that it still waits.
func (n *Node) awaitLeader(ctx context.Context) error {
	start := time.Now()
	tick := time.NewTicker(waitNotice)
	defer tick.Stop()
	for {
		select {
		case <-n.ready:
			return nil
		case err := <-n.unready:
			return err
		case <-n.failed:
			return failedBy(n.Err())
		case <-ctx.Done():
			return fmt.Errorf("wait for a leader: %w", context.Cause(ctx))
		case <-tick.C:
			leader, _ := n.raft.LeaderWithID()
			n.log.Warn("still waiting to catch up with a leader", "since", time.Since(start).Round(time.Second),
				"stage", n.stage(), "state", n.raft.State(), "leader", leader, "voters", n.voters())
		}
	}
}

// Close ends the node: it stops proposing, lets what is in flight finish,
// hands leadership over if there is somebody to take it, and closes the files.
// A snapshot being written is abandoned. A node whose disk hangs is given up
// after a few seconds, or 30 in the midst of a snapshot. Idempotent.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Node) close() error {
	if n.IsLeader() && len(n.voters()) > 1 {
		if err := n.handOver(""); err != nil {
			n.log.Warn("transfer leadership", "err", err)
		}
	}
	close(n.stop)
	// Raft answers nothing once it is shut down, not even with an error; so
	// everything that waits for it ends first.
	quiet := n.patiently(func() {
		n.loops.Wait()
		<-n.settled
	})
	if n.isRouted() {
		if err := n.cfg.Peers.Close(); err != nil {
			n.log.Warn("stop answering other members", "err", err)
		}
	}
	down := quiet && n.patiently(func() { n.raft.Shutdown().Error() })
	close(n.closed)
	if !down {
		return fmt.Errorf("close node: %w", errors.Join(errors.New("the disk or the cluster did not answer in time"), n.Err()))
	}
	if err := n.disk.close(); err != nil {
		return fmt.Errorf("close node: %w", err)
	}
	return nil
}

// patiently is within closeTimeout, or longer while a sound disk takes a snapshot:
// the part of it that is written already may have to reach the platter.
func (n *Node) patiently(f func()) bool {
	d := closeTimeout
	if n.disk.snaps.busy() && n.Err() == nil {
		d = snapshotTimeout
	}
	return within(d, f)
}

// members returns the latest configuration, committed or not.
func (n *Node) members() []raft.Server {
	return n.raft.GetConfiguration().Configuration().Servers
}

// member returns this configuration's entry of id.
func (n *Node) member(id string) (raft.Server, bool) {
	for _, s := range n.members() {
		if s.ID == raft.ServerID(id) {
			return s, true
		}
	}
	return raft.Server{}, false
}

// voters returns who votes, by the latest configuration.
func (n *Node) voters() []raft.ServerID {
	var ids []raft.ServerID
	for _, s := range n.members() {
		if s.Suffrage == raft.Voter {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// within runs f and reports whether it returned in time; if not, f is left
// behind.
func within(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
