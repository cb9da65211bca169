package cluster

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// slowRoad holds the groups that one node sends to one address for as long as a
// test wants: they have left, and have not arrived.
type slowRoad struct {
	mu   sync.Mutex
	to   string        // guarded by mu; "" = none
	open chan struct{} // guarded by mu; closed when to's groups may go on
	held chan struct{} // one element for each group held
}

// hold begins to hold what is sent to an address.
func (r *slowRoad) hold(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to, r.open = to, make(chan struct{})
}

func (r *slowRoad) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.open)
	r.to = ""
}

// pass returns once a group may arrive at an address.
func (r *slowRoad) pass(ctx context.Context, to string) {
	r.mu.Lock()
	open, holds := r.open, r.to == to
	r.mu.Unlock()
	if !holds {
		return
	}
	r.held <- struct{}{}
	select {
	case <-open:
	case <-ctx.Done():
	}
}

type slowPeers struct {
	*labPeers
	road *slowRoad
}

func (p slowPeers) Peer(addr string) Peer { return slowPeer{p.labPeers.Peer(addr), p.road, addr} }

type slowPeer struct {
	Peer
	road *slowRoad
	to   string
}

func (p slowPeer) Propose(ctx context.Context) (Proposals, error) {
	inner, err := p.Peer.Propose(ctx)
	if err != nil {
		return nil, err
	}
	s := &slowStream{inner, make(chan []byte, 64), make(chan struct{}, 64)}
	go func() {
		for {
			select {
			case entry := <-s.sent:
				p.road.pass(ctx, p.to)
				_ = inner.Send(entry) // Recv tells
				s.arrived <- struct{}{}
			case <-ctx.Done():
				close(s.arrived)
				return
			}
		}
	}()
	return s, nil
}

type slowStream struct {
	Proposals
	sent    chan []byte
	arrived chan struct{} // one element for each group that has
}

func (s *slowStream) Send(entry []byte) error {
	s.sent <- entry
	return nil
}

func (s *slowStream) Recv() ([]Result, error) {
	if _, ok := <-s.arrived; !ok {
		return nil, errNoLink
	}
	return s.Proposals.Recv()
}

// startSlow is start for a node whose groups take a slow road.
func (l *lab) startSlow(t *testing.T, cfg Config, road *slowRoad) {
	t.Helper()
	addr := cfg.AdvertiseAddr
	_, wire := raft.NewInmemTransport(raft.ServerAddress(addr))
	l.mu.Lock()
	l.wires[addr] = wire
	l.connect()
	l.mu.Unlock()
	cfg.Transport, cfg.Discovery = labWire{wire, l}, &labDiscovery{l, addr}
	cfg.Peers = slowPeers{&labPeers{l, addr}, road}
	n, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	l.nodes[cfg.NodeID] = &labNode{n, cfg, new(atomic.Bool)}
	l.mu.Unlock()
}

// lead makes node id lead, and returns once n knows it.
func (l *lab) lead(t *testing.T, id string, n *Node) {
	t.Helper()
	if _, err := n.TransferLeadership(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if known, _ := n.leader(); known == id && l.nodes[id].IsLeader() {
			return
		}
		<-time.After(time.Millisecond)
	}
	t.Fatalf("%s does not lead", id)
}

// TestSubmit_KeepsItsOrderAcrossLeaders: a group is on its way to a leader when
// another takes over, and arrives once the first leads again. A later group waits
// for what becomes of it: else it would overtake the first by way of the other
// leader, or the first one's outcome would be given up with its line.
func TestSubmit_KeepsItsOrderAcrossLeaders(t *testing.T) {
	const tries = 5
	known := 0 // tries in which both outcomes are
	for range tries {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t)
			ids := []string{"n1", "n2", "n3"}
			roads := map[string]*slowRoad{}
			for _, id := range ids {
				cfg := l.config(id, ids...)
				cfg.BootstrapExpect = 3
				roads[id] = &slowRoad{held: make(chan struct{}, 64)}
				l.startSlow(t, cfg, roads[id])
			}
			l.ready(t, ids...)
			first := l.leaderOf(t, ids...)
			others := followers(first, ids)
			n, second := l.nodes[others[0]], others[1]
			propose(t, n.Node, write(0)) // the line is there
			road := roads[others[0]]
			road.hold(l.nodes[first].cfg.AdvertiseAddr)
			submit := func(i int) Pending {
				p, err := n.Submit(t.Context(), write(i))
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			one := submit(1)
			<-road.held
			l.lead(t, second, n.Node)
			two := submit(2)
			<-time.After(20 * time.Millisecond) // it would happen now if it did not wait
			l.lead(t, first, n.Node)
			road.release()
			a, errOne := one.Wait(t.Context())
			b, errTwo := two.Wait(t.Context())
			if errOne == nil && errTwo == nil {
				known++
				if a.Revision > b.Revision {
					t.Errorf("submitted first, happened at revision %d; submitted second, at %d", a.Revision, b.Revision)
				}
			}
			l.end(t)
		})
		if t.Failed() {
			return
		}
	}
	if known == 0 {
		t.Errorf("the outcome of one of the groups was lost %d times of %d", tries, tries)
	}
}
