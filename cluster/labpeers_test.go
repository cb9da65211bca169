package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
)

var errNoLink = errors.New("no link")

// reach returns the service at addr, and what closes when the links change.
func (l *lab) reach(from, addr string) (*Service, chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[addr]
	if s == nil || l.isCut(from, addr) {
		return nil, nil, errNoLink
	}
	return s, l.broken, nil
}

// isLinked reports whether a connection from from to s at addr still stands.
func (l *lab) isLinked(from, addr string, s *Service) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.services[addr] == s && !l.isCut(from, addr)
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
