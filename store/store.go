// Package store is pemba's multi-version, in-memory tuple store: a
// deterministic state machine that is fed log entries (Apply) and read through
// views at a revision. See DESIGN.md.
package store

import (
	"cmp"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
)

// Options configures a Store. The zero value is the default.
type Options struct {
	// CollectMin is the number of dead tuple versions in a tenant below which
	// no space is reclaimed. Default 4,096.
	CollectMin int
	// CollectPercent is the share of dead versions among all from which space
	// is reclaimed. Default 50.
	CollectPercent int

	copyStep int // for tests: elements that each Apply copies, with nothing in the background; 0 = not
}

// Store holds the tuples and records of all tenants.
//
// One goroutine at a time applies, captures or restores (writeMu sees to it);
// any number read views beside it without locks.
type Store struct {
	opts     Options
	syms     *Symbols
	writeMu  sync.Mutex
	state    atomic.Pointer[state]
	requests requests // under writeMu
	works    []*space // under writeMu; those that have something to reclaim
}

// state is what readers reach with one load. It is replaced, never changed.
type state struct {
	revision    uint64
	horizon     uint64
	time        int64 // newest applied command's time; never runs backwards
	clusterID   string
	secret      []byte // never changes once there
	incarnation uint64
	tenants     tenantMap
}

// space is one tenant.
type space struct {
	info TenantInfo
	gen  atomic.Pointer[generation]
}

// TenantInfo names a tenant. Incarnation is the revision that created it, so
// that a deleted and recreated tenant differs from the first.
type TenantInfo struct {
	Name        string
	Incarnation uint64
}

// New returns an empty store at revision 0.
func New(opts Options) *Store {
	opts.CollectMin = cmp.Or(opts.CollectMin, 4096)
	opts.CollectPercent = cmp.Or(opts.CollectPercent, 50)
	s := &Store{opts: opts, syms: newSymbols()}
	s.state.Store(&state{})
	return s
}

// Symbols returns the table of names and shapes; it outlives Restore.
func (s *Store) Symbols() *Symbols { return s.syms }

// Revision returns the revision of the newest applied entry.
func (s *Store) Revision() uint64 { return s.state.Load().revision }

// Horizon returns the oldest readable revision.
func (s *Store) Horizon() uint64 { return s.state.Load().horizon }

// Time returns the newest applied command's time, Unix nanoseconds.
func (s *Store) Time() int64 { return s.state.Load().time }

// Cluster returns the cluster's UUID, "" before Init, and its incarnation.
func (s *Store) Cluster() (id string, incarnation uint64) {
	st := s.state.Load()
	return st.clusterID, st.incarnation
}

// Secret returns the random bytes that the cluster was founded with, the same
// on every node and for the cluster's life, so that any node can authenticate
// what another has handed out. It is shared: read only. It is nil before Init,
// and in a store whose Init had none; nothing can be authenticated then.
func (s *Store) Secret() []byte { return s.state.Load().secret }

// Tenant returns what is known of the tenant called name.
func (s *Store) Tenant(name string) (TenantInfo, bool) {
	if sp := s.state.Load().space(name); sp != nil {
		return sp.info, true
	}
	return TenantInfo{}, false
}

// Tenants lists all tenants by name.
func (s *Store) Tenants() []TenantInfo {
	spaces := s.state.Load().spaces()
	out := make([]TenantInfo, len(spaces))
	for i, sp := range spaces {
		out[i] = sp.info
	}
	return out
}

func (st *state) space(name string) *space { return st.tenants.get(name) }

// spaces lists the tenants in the order of their names.
func (st *state) spaces() []*space { return st.tenants.sorted() }

// Apply applies one log entry at revision rev, which must be greater than any
// before, and returns one outcome per command. It is deterministic: the same
// entries give the same state and outcomes on every node. It panics on an
// entry that cannot be decoded or comes out of order, because going on would
// let replicas differ.
func (s *Store) Apply(rev uint64, entry []byte) []Outcome {
	e, err := DecodeEntry(entry)
	if err != nil {
		panic(fmt.Sprintf("apply revision %d: %v", rev, err))
	}
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	old := s.state.Load()
	if rev <= old.revision || rev == math.MaxUint64 {
		panic(fmt.Sprintf("apply revision %d after revision %d", rev, old.revision))
	}
	next := *old
	next.revision = rev
	a := applier{store: s, state: &next, rev: rev}
	outcomes := make([]Outcome, len(e.Commands))
	for i := range e.Commands {
		outcomes[i] = a.command(&e.Commands[i])
	}
	s.requests.expire(next.time)
	s.state.Store(&next)
	if s.opts.copyStep > 0 {
		s.reclaim(s.opts.copyStep)
	}
	return outcomes
}

// Stats counts what a store holds.
type Stats struct {
	Revision, Horizon uint64
	Tenants           int
	Tuples            int64 // live at the newest revision, expired ones included
	Versions          int64 // tuple versions in memory
	Nodes             int64 // interned objects and subjects
	Records           int64 // record versions
	Requests          int   // kept outcomes of request ids
	Changes           int64 // entries of the change lists
	Memory            Memory
}

// Stats walks the tenants; it is cheap but not free.
func (s *Store) Stats() Stats {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	st := s.state.Load()
	out := Stats{Revision: st.revision, Horizon: st.horizon, Requests: len(s.requests.kept)}
	for _, sp := range st.spaces() {
		g := sp.gen.Load()
		out.Tenants++
		for i := uint32(1); i <= g.traits.len(); i++ {
			out.Tuples += g.traits.at(i).live.Load()
		}
		out.Versions += int64(g.facts.len())
		out.Nodes += int64(g.nodes.len())
		out.Records += int64(g.records.versions.len())
		out.Changes += int64(g.log.len())
		out.Memory.add(g)
	}
	return out
}
