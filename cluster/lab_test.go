package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// lab is a network of nodes in memory, for virtual time: Raft messages, what
// Peers ask, and discovery go over the same links, which can be cut.
type lab struct {
	mu       sync.Mutex
	services map[string]*Service             // by address of running nodes
	wires    map[string]*raft.InmemTransport // by address
	cuts     map[string]bool                 // addresses that reach nobody
	apart    map[string]bool                 // pairs of addresses that raft does not get across
	broken   chan struct{}                   // closed when links change; then replaced

	nodes map[string]*labNode // by id; for the test's goroutine
	disks sync.Mutex          // held while an identity is read or written
}

// labNode is one node with what outlives it.
type labNode struct {
	*Node
	cfg  Config
	dead *atomic.Bool
}

// labIdentity is what one run of a node writes to: a call of another node that
// comes late must not reach the disk of the next run.
type labIdentity struct {
	IdentityStore
	mu   *sync.Mutex
	dead *atomic.Bool
}

func (i labIdentity) Load() ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.IdentityStore.Load()
}

func (i labIdentity) Save(text []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.dead.Load() {
		return errors.New("the process is gone")
	}
	return i.IdentityStore.Save(text)
}

func newLab(t testing.TB) *lab {
	l := &lab{
		services: map[string]*Service{}, wires: map[string]*raft.InmemTransport{}, cuts: map[string]bool{}, apart: map[string]bool{},
		broken: make(chan struct{}), nodes: map[string]*labNode{},
	}
	t.Cleanup(l.close)
	return l
}

// labDisk is what a node keeps over restarts.
func labDisk() *Disk {
	d := inMemory()
	d.Identity = &memoryIdentity{}
	return d
}

// config is that of node id: its client address is id itself.
func (l *lab) config(id string, join ...string) Config {
	cfg := quiet("")
	if os.Getenv("PEMBA_LAB_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	cfg.NodeID, cfg.Disk, cfg.Join, cfg.ClientAddr = id, labDisk(), join, id
	cfg.AdvertiseAddr = id + ":7"
	return cfg
}

// labWire does not pipeline under the race detector: raft logs that a pipeline
// has failed with a peer that it reads without the peer's lock, which races with
// a change of the peer's address (hashicorp/raft v1.7.3, replication.go:521).
type labWire struct{ *raft.InmemTransport }

func (w labWire) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	if underRace {
		return nil, raft.ErrPipelineReplicationNotSupported
	}
	return w.InmemTransport.AppendEntriesPipeline(id, target)
}

// start starts a node on its disk; the address is cfg.AdvertiseAddr.
func (l *lab) start(t testing.TB, cfg Config) *Node {
	t.Helper()
	if err := l.tryStart(cfg); err != nil {
		t.Fatal(err)
	}
	return l.nodes[cfg.NodeID].Node
}

func (l *lab) tryStart(cfg Config) error {
	addr := cfg.AdvertiseAddr
	_, wire := raft.NewInmemTransport(raft.ServerAddress(addr))
	l.mu.Lock()
	l.wires[addr] = wire
	l.connect()
	l.mu.Unlock()
	cfg.Transport, cfg.Peers, cfg.Discovery = labWire{wire}, &labPeers{l, addr}, &labDiscovery{l, addr}
	run, dead := cfg, new(atomic.Bool)
	disk := *cfg.Disk
	disk.Identity = labIdentity{disk.Identity, &l.disks, dead}
	run.Disk = &disk
	n, err := Start(run)
	if err == nil {
		l.nodes[cfg.NodeID] = &labNode{n, cfg, dead}
	}
	return err
}

// connect makes raft's links what cuts says. The caller holds mu.
func (l *lab) connect() {
	for a, w := range l.wires {
		for b, v := range l.wires {
			switch {
			case a == b:
			case l.cuts[a] || l.cuts[b] || l.apart[a+" "+b]:
				w.Disconnect(v.LocalAddr())
			default:
				w.Connect(v.LocalAddr(), v)
			}
		}
	}
	close(l.broken)
	l.broken = make(chan struct{})
}

// cut takes a node off the network, mend puts it back.
func (l *lab) cut(id string)  { l.link(id, true) }
func (l *lab) mend(id string) { l.link(id, false) }

func (l *lab) link(id string, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts[l.nodes[id].cfg.AdvertiseAddr] = cut
	l.connect()
}

// part takes raft's links between two nodes away.
func (l *lab) part(a, b string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, b = l.nodes[a].cfg.AdvertiseAddr, l.nodes[b].cfg.AdvertiseAddr
	l.apart[a+" "+b], l.apart[b+" "+a] = true, true
	l.connect()
}

// heal gives all links back.
func (l *lab) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.cuts)
	clear(l.apart)
	l.connect()
}

// kill ends a node without a word to the others, stop lets it say goodbye.
func (l *lab) kill(id string) {
	l.cut(id)
	l.stop(id)
}

func (l *lab) stop(id string) {
	n := l.nodes[id]
	n.Close()
	n.dead.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.wires, n.cfg.AdvertiseAddr)
	delete(l.cuts, n.cfg.AdvertiseAddr)
	delete(l.nodes, id)
	l.connect()
}

var errNoLink = errors.New("no link")

// reach returns the service at addr, and what closes when the links change.
func (l *lab) reach(from, addr string) (*Service, chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[addr]
	if s == nil || l.cuts[from] || l.cuts[addr] {
		return nil, nil, errNoLink
	}
	return s, l.broken, nil
}

// isLinked reports whether a connection from from to s at addr still stands.
func (l *lab) isLinked(from, addr string, s *Service) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.services[addr] == s && !l.cuts[from] && !l.cuts[addr]
}

// labPeers is Peers of the node at from.
type labPeers struct {
	lab  *lab
	from string
}

func (p *labPeers) Serve(s *Service, _ net.Listener, _ DialFunc) {
	p.lab.mu.Lock()
	defer p.lab.mu.Unlock()
	p.lab.services[p.from] = s
}

func (p *labPeers) Peer(addr string) Peer { return &labPeer{p.lab, p.from, addr} }

func (p *labPeers) Close() error {
	p.lab.mu.Lock()
	defer p.lab.mu.Unlock()
	delete(p.lab.services, p.from)
	p.lab.connect()
	return nil
}

type labPeer struct {
	lab      *lab
	from, to string
}

// call runs f at the other node, and loses the answer if the link is cut.
func call[T any](ctx context.Context, p *labPeer, f func(context.Context, *Service) (T, error)) (T, error) {
	var zero T
	s, broken, err := p.lab.reach(p.from, p.to)
	if err != nil {
		return zero, err
	}
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		v, err := f(ctx, s)
		if err != nil {
			err = FailureOf(err).Err() // as over the wire
		}
		answers <- answer{v, err}
	}()
	for {
		select {
		case a := <-answers:
			return a.v, a.err
		case <-ctx.Done():
			return zero, context.Cause(ctx)
		case <-broken:
			if !p.lab.isLinked(p.from, p.to, s) {
				return zero, errNoLink
			}
			p.lab.mu.Lock()
			broken = p.lab.broken
			p.lab.mu.Unlock()
		}
	}
}

func (p *labPeer) ReadIndex(ctx context.Context) (uint64, error) {
	return call(ctx, p, func(ctx context.Context, s *Service) (uint64, error) { return s.ReadIndex(ctx) })
}

func (p *labPeer) Sight(ctx context.Context) (Sighting, error) {
	return call(ctx, p, func(_ context.Context, s *Service) (Sighting, error) { return s.Sight(), nil })
}

func (p *labPeer) Promise(ctx context.Context, promise Promise) error {
	_, err := call(ctx, p, func(ctx context.Context, s *Service) (int, error) { return 0, s.Promise(ctx, promise) })
	return err
}

func (p *labPeer) Join(ctx context.Context, r JoinRequest) (Joined, error) {
	return call(ctx, p, func(ctx context.Context, s *Service) (Joined, error) { return s.Join(ctx, r) })
}

func (p *labPeer) Invite(ctx context.Context, addr string) error {
	_, err := call(ctx, p, func(ctx context.Context, s *Service) (int, error) { return 0, s.Invite(ctx, addr) })
	return err
}

func (p *labPeer) Operate(ctx context.Context, o Operation) (string, error) {
	return call(ctx, p, func(ctx context.Context, s *Service) (string, error) { return s.Operate(ctx, o) })
}

func (p *labPeer) Status(ctx context.Context) (NodeStatus, error) {
	return call(ctx, p, func(ctx context.Context, s *Service) (NodeStatus, error) { return s.Status(ctx) })
}

func (p *labPeer) Mark(ctx context.Context, marker string) error {
	_, err := call(ctx, p, func(ctx context.Context, s *Service) (int, error) { return 0, s.Mark(ctx, marker) })
	return err
}

func (p *labPeer) Hash(ctx context.Context, marker string) (StateHash, error) {
	return call(ctx, p, func(ctx context.Context, s *Service) (StateHash, error) { return s.Hash(ctx, marker) })
}

func (p *labPeer) Propose(ctx context.Context) (Proposals, error) {
	s, _, err := p.lab.reach(p.from, p.to)
	if err != nil {
		return nil, err
	}
	return &labStream{ctx: ctx, peer: p, to: s, sent: make(chan func() []Result, 64)}, nil
}

// labStream is a stream of proposals.
type labStream struct {
	ctx  context.Context
	peer *labPeer
	to   *Service
	sent chan func() []Result
}

func (s *labStream) Send(entry []byte) error {
	if s.ctx.Err() != nil || !s.peer.lab.isLinked(s.peer.from, s.peer.to, s.to) {
		s.sent <- nil
		return errNoLink
	}
	s.sent <- s.to.Submit(s.ctx, entry)
	return nil
}

func (s *labStream) Recv() ([]Result, error) {
	wait := <-s.sent
	if wait == nil {
		return nil, errNoLink
	}
	return call(s.ctx, s.peer, func(context.Context, *Service) ([]Result, error) {
		results := wait()
		for i, r := range results {
			if r.Err != nil {
				results[i].Err = FailureOf(r.Err).Err()
			}
		}
		return results, nil
	})
}

// labDiscovery finds nodes by their client addresses, which are their ids.
type labDiscovery struct {
	lab  *lab
	from string
}

func (d *labDiscovery) Discover(ctx context.Context, addr string) ([]Sighting, error) {
	d.lab.mu.Lock()
	var at []string
	for node, s := range d.lab.services {
		if s.node.cfg.ClientAddr == addr {
			at = append(at, node)
		}
	}
	d.lab.mu.Unlock()
	var out []Sighting
	for _, a := range at {
		if s, err := (&labPeer{d.lab, d.from, a}).Sight(ctx); err == nil {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w", addr, errNoLink)
	}
	return out, nil
}

// eventually waits in steps until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 600 {
		if ok() {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Fatalf("not within a minute: %s", what)
}

func (l *lab) ready(t testing.TB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		eventually(t, id+" is ready", l.nodes[id].Ready)
	}
}

// leaderOf waits until the nodes agree on a leader that serves, and returns it.
func (l *lab) leaderOf(t testing.TB, ids ...string) string {
	t.Helper()
	var leader string
	eventually(t, "a leader", func() bool {
		for i, id := range ids {
			now, _ := l.nodes[id].leader()
			if i > 0 && now != leader || now == "" {
				return false
			}
			leader = now
		}
		n, ok := l.nodes[leader]
		if !ok || !n.isLeader() {
			return false
		}
		_, err := n.joinRound(t.Context())
		return err == nil
	})
	return leader
}

// trio is a cluster of three founded together.
func (l *lab) trio(t testing.TB, change func(*Config)) []string {
	t.Helper()
	ids := []string{"n1", "n2", "n3"}
	for _, id := range ids {
		cfg := l.config(id, ids...)
		cfg.BootstrapExpect = 3
		if change != nil {
			change(&cfg)
		}
		l.start(t, cfg)
	}
	l.ready(t, ids...)
	return ids
}

// voting waits until the configuration that id sees has these voters.
func (l *lab) voting(t testing.TB, id string, voters ...string) {
	t.Helper()
	eventually(t, fmt.Sprint("voters ", voters), func() bool {
		got := map[string]bool{}
		for _, v := range l.nodes[id].voters() {
			got[string(v)] = true
		}
		for _, v := range voters {
			if !got[v] {
				return false
			}
		}
		return len(got) == len(voters)
	})
}

// end checks that all running nodes come to hold the same state, and stops them.
func (l *lab) end(t testing.TB) {
	t.Helper()
	eventually(t, "equal states", func() bool {
		states := map[state]bool{}
		for _, n := range l.nodes {
			states[stateOf(t, n.Node)] = true
		}
		return len(states) == 1
	})
	l.close()
}

// close stops all nodes and lets what they left behind time out.
func (l *lab) close() {
	for id := range l.nodes {
		l.stop(id)
	}
	drain()
}
