// Package testcluster runs the nodes of a cluster in one process and in memory, so that
// tests of what stands on a cluster can have virtual time (testing/synctest) and cut
// nodes off. Package cluster's own tests have a lab of theirs, which also reaches
// inside.
package testcluster

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/cluster"
)

// errNoLink is what a node gets that cannot reach another.
var errNoLink = errors.New("no link")

// commitTimeout makes idle minutes cheap.
const commitTimeout = 25 * time.Millisecond

// A Lab is a network of nodes. Its methods may be called from any goroutine.
type Lab struct {
	mu       sync.Mutex
	services map[string]*cluster.Service     // of running nodes; by id, as all below
	wires    map[string]*raft.InmemTransport // of running nodes
	disks    map[string]*disk                // of all that ever ran
	cuts     map[string]bool                 // who reaches nobody
	changed  chan struct{}                   // closed when links change; then replaced
}

// New returns a lab without nodes.
func New() *Lab {
	return &Lab{
		services: map[string]*cluster.Service{}, wires: map[string]*raft.InmemTransport{}, disks: map[string]*disk{},
		cuts: map[string]bool{}, changed: make(chan struct{}),
	}
}

// Start starts a node on the disk that c.NodeID had before, if any. c.Join names
// nodes by their ids. The owner of the node closes it, and tells Gone.
func (l *Lab) Start(c cluster.Config) (*cluster.Node, error) {
	id := c.NodeID
	_, wire := raft.NewInmemTransport(raft.ServerAddress(id))
	l.mu.Lock()
	if l.disks[id] == nil {
		l.disks[id] = newDisk()
	}
	l.wires[id] = wire
	c.Disk = l.disks[id].mount()
	l.connectLocked()
	l.mu.Unlock()
	c.ClientAddr, c.AdvertiseAddr, c.CommitTimeout, c.MinFreeDisk = id, id, commitTimeout, -1
	p := &peers{l, id}
	c.Transport, c.Peers, c.Discovery = wire, p, p
	return cluster.Start(c)
}

// Gone notes that a node has been closed.
func (l *Lab) Gone(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.wires, id)
	delete(l.cuts, id)
	l.connectLocked()
}

// Cut takes a node off the network, Mend puts it back.
func (l *Lab) Cut(id string)  { l.link(id, true) }
func (l *Lab) Mend(id string) { l.link(id, false) }

func (l *Lab) link(id string, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts[id] = cut
	l.connectLocked()
}

// connectLocked makes Raft's links what cuts says.
func (l *Lab) connectLocked() {
	for a, w := range l.wires {
		for b, v := range l.wires {
			switch {
			case a == b:
			case l.cuts[a] || l.cuts[b]:
				w.Disconnect(v.LocalAddr())
			default:
				w.Connect(v.LocalAddr(), v)
			}
		}
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// reach returns the service of a node as another sees it, and what is closed when
// links change.
func (l *Lab) reach(from, to string) (*cluster.Service, chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[to]
	if s == nil || l.cuts[from] || l.cuts[to] {
		return nil, l.changed, fmt.Errorf("%s to %s: %w", from, to, errNoLink)
	}
	return s, l.changed, nil
}

// serve sets or, with nil, takes away who answers at id.
func (l *Lab) serve(id string, s *cluster.Service) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.services, id)
	if s != nil {
		l.services[id] = s
	}
	l.connectLocked()
}
