package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	blocked  map[string]bool                 // pairs of addresses, from and to, that nothing gets across
	hangs    map[string]chan struct{}        // by address of the leader; see hang
	broken   chan struct{}                   // closed when links change; then replaced

	nodes map[string]*labNode // by id; changed with mu held, by the test's goroutine alone
	disks sync.Mutex          // held while an identity is read or written

	born   time.Time                // of Mono
	clocks map[string]*atomic.Int64 // by id: how far ahead its clock is, nanoseconds
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
		return errGone
	}
	return i.IdentityStore.Save(text)
}

// labStable and labLog are what one run of a node writes log and vote to: what
// is left of it when it has been stopped writes nothing any more.
type labStable struct {
	raft.StableStore
	dead *atomic.Bool
}

func (s labStable) Set(key, val []byte) error {
	if s.dead.Load() {
		return nil // raft panics on an error
	}
	return s.StableStore.Set(key, val)
}

func (s labStable) SetUint64(key []byte, val uint64) error {
	if s.dead.Load() {
		return nil
	}
	return s.StableStore.SetUint64(key, val)
}

type labLog struct {
	raft.LogStore
	dead *atomic.Bool
}

func (l labLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

func (l labLog) StoreLogs(logs []*raft.Log) error {
	if l.dead.Load() {
		return errGone
	}
	return l.LogStore.StoreLogs(logs)
}

func (l labLog) DeleteRange(lo, hi uint64) error {
	if l.dead.Load() {
		return errGone
	}
	return l.LogStore.DeleteRange(lo, hi)
}

var errGone = errors.New("the process is gone")

func newLab(t testing.TB) *lab {
	if underRace {
		// The race detector has one context for all timers of a bubble, and crashes
		// when two processors use it (Go 1.26, runtime/time.go, unlockAndRun).
		processors := runtime.GOMAXPROCS(1)
		t.Cleanup(func() { runtime.GOMAXPROCS(processors) })
	}
	l := &lab{
		services: map[string]*Service{}, wires: map[string]*raft.InmemTransport{}, cuts: map[string]bool{}, apart: map[string]bool{}, blocked: map[string]bool{}, hangs: map[string]chan struct{}{},
		broken: make(chan struct{}), nodes: map[string]*labNode{}, clocks: map[string]*atomic.Int64{}, born: time.Now(),
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
	cfg.AdvertiseAddr, cfg.CommitTimeout = id+":7", labCommitTimeout
	clock := l.clock(id)
	cfg.Now = func() int64 { return time.Now().UnixNano() + clock.Load() }
	cfg.Mono = func() int64 { return int64(time.Since(l.born)) }
	return cfg
}

// labCommitTimeout makes idle minutes cheap.
const labCommitTimeout = 25 * time.Millisecond

// clock is how far ahead id's clock is; it outlives the node's restarts.
func (l *lab) clock(id string) *atomic.Int64 {
	if l.clocks[id] == nil {
		l.clocks[id] = new(atomic.Int64)
	}
	return l.clocks[id]
}

// setClock sets id's clock ahead of the truth by d.
func (l *lab) setClock(id string, d time.Duration) { l.clock(id).Store(int64(d)) }

// labWire does not pipeline under the race detector: raft logs that a pipeline
// has failed with a peer that it reads without the peer's lock, which races with
// a change of the peer's address (hashicorp/raft v1.7.3, replication.go:521).
type labWire struct {
	*raft.InmemTransport
	lab *lab
}

// TimeoutNow hangs as long as hang says.
func (w labWire) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	w.lab.mu.Lock()
	hangs := w.lab.hangs[string(w.LocalAddr())]
	w.lab.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	return w.InmemTransport.TimeoutNow(id, target, args, resp)
}

// hang makes the heirs of node id not answer until release is called, once.
func (l *lab) hang(id string) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	addr, hangs := l.nodes[id].cfg.AdvertiseAddr, make(chan struct{})
	l.hangs[addr] = hangs
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.hangs, addr)
		close(hangs)
	}
}

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
	cfg.Transport, cfg.Peers, cfg.Discovery = labWire{wire, l}, &labPeers{l, addr}, &labDiscovery{l, addr}
	run, dead := cfg, new(atomic.Bool)
	disk := *cfg.Disk
	disk.Identity = labIdentity{disk.Identity, &l.disks, dead}
	disk.Stable, disk.Log = labStable{disk.Stable, dead}, labLog{disk.Log, dead}
	run.Disk = &disk
	n, err := Start(run)
	if err == nil {
		l.mu.Lock()
		l.nodes[cfg.NodeID] = &labNode{n, cfg, dead}
		l.mu.Unlock()
	}
	return err
}

// running returns the node called id, nil if there is none now. Any goroutine may
// ask.
func (l *lab) running(id string) *Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.nodes[id]; n != nil {
		return n.Node
	}
	return nil
}

// connect makes raft's links what cuts says. The caller holds mu.
func (l *lab) connect() {
	for a, w := range l.wires {
		for b, v := range l.wires {
			switch {
			case a == b:
			case l.apart[a+" "+b] || l.isCut(a, b):
				w.Disconnect(v.LocalAddr())
			default:
				w.Connect(v.LocalAddr(), v)
			}
		}
	}
	close(l.broken)
	l.broken = make(chan struct{})
}

// isCut reports whether nothing gets from a to b. The caller holds mu.
func (l *lab) isCut(a, b string) bool { return l.cuts[a] || l.cuts[b] || l.blocked[a+" "+b] }

// block takes the way from one node to others away; partition all between two
// sets of nodes.
func (l *lab) block(from string, to ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range to {
		l.blocked[l.nodes[from].cfg.AdvertiseAddr+" "+l.nodes[b].cfg.AdvertiseAddr] = true
	}
	l.connect()
}

func (l *lab) partition(these, those []string) {
	for _, a := range these {
		l.block(a, those...)
	}
	for _, b := range those {
		l.block(b, these...)
	}
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
	clear(l.blocked)
	l.connect()
}

// kill ends a node without a word to the others, stop lets it say goodbye.
func (l *lab) kill(id string) {
	l.cut(id)
	l.stop(id)
}

func (l *lab) stop(id string) {
	n := l.nodes[id]
	if n.Close() != nil { // it leads and can commit nothing; a process would end now
		n.raft.Shutdown().Error()
	}
	n.dead.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.wires, n.cfg.AdvertiseAddr)
	delete(l.cuts, n.cfg.AdvertiseAddr)
	delete(l.nodes, id)
	l.connect()
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
		if !ok || !n.IsLeader() {
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

// labTest runs f in virtual time, and checks at the end that all nodes hold the
// same state.
func labTest(t *testing.T, f func(t *testing.T, l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f(t, l)
		l.end(t)
	})
}
