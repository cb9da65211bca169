package testcluster

import (
	"context"
	"net"

	"github.com/pemba-authz/pemba/cluster"
)

// peers is what one node reaches the others through, and is reached.
type peers struct {
	lab  *Lab
	self string
}

func (p *peers) Serve(s *cluster.Service, _ net.Listener, _ cluster.DialFunc) { p.lab.serve(p.self, s) }

func (p *peers) Peer(addr string) cluster.Peer { return &peer{p.lab, p.self, addr} }

func (p *peers) Close() error {
	p.lab.serve(p.self, nil)
	return nil
}

func (p *peers) Discover(ctx context.Context, id string) ([]cluster.Sighting, error) {
	s, err := (&peer{p.lab, p.self, id}).Sight(ctx)
	if err != nil {
		return nil, err
	}
	return []cluster.Sighting{s}, nil
}

// peer is another node.
type peer struct {
	lab      *Lab
	from, to string
}

// call runs f at the other node, and loses the answer if the link breaks.
func call[T any](ctx context.Context, p *peer, f func(context.Context, *cluster.Service) (T, error)) (T, error) {
	var zero T
	s, changed, err := p.lab.reach(p.from, p.to)
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
			err = cluster.FailureOf(err).Err() // as over the wire
		}
		answers <- answer{v, err}
	}()
	for {
		select {
		case a := <-answers:
			return a.v, a.err
		case <-ctx.Done():
			return zero, context.Cause(ctx)
		case <-changed:
			var now *cluster.Service
			if now, changed, err = p.lab.reach(p.from, p.to); err != nil || now != s {
				return zero, errNoLink
			}
		}
	}
}

func (p *peer) ReadIndex(ctx context.Context) (uint64, error) {
	return call(ctx, p, func(ctx context.Context, s *cluster.Service) (uint64, error) { return s.ReadIndex(ctx) })
}

func (p *peer) Sight(ctx context.Context) (cluster.Sighting, error) {
	return call(ctx, p, func(_ context.Context, s *cluster.Service) (cluster.Sighting, error) { return s.Sight(), nil })
}

func (p *peer) Promise(ctx context.Context, promise cluster.Promise) error {
	_, err := call(ctx, p, func(ctx context.Context, s *cluster.Service) (int, error) { return 0, s.Promise(ctx, promise) })
	return err
}

func (p *peer) Join(ctx context.Context, r cluster.JoinRequest) (cluster.Joined, error) {
	return call(ctx, p, func(ctx context.Context, s *cluster.Service) (cluster.Joined, error) { return s.Join(ctx, r) })
}

func (p *peer) Invite(ctx context.Context, addr string) error {
	_, err := call(ctx, p, func(ctx context.Context, s *cluster.Service) (int, error) { return 0, s.Invite(ctx, addr) })
	return err
}

func (p *peer) Operate(ctx context.Context, o cluster.Operation) (string, error) {
	return call(ctx, p, func(ctx context.Context, s *cluster.Service) (string, error) { return s.Operate(ctx, o) })
}

func (p *peer) Status(ctx context.Context) (cluster.NodeStatus, error) {
	return call(ctx, p, func(ctx context.Context, s *cluster.Service) (cluster.NodeStatus, error) { return s.Status(ctx) })
}

func (p *peer) Mark(ctx context.Context, marker string) error {
	_, err := call(ctx, p, func(ctx context.Context, s *cluster.Service) (int, error) { return 0, s.Mark(ctx, marker) })
	return err
}

func (p *peer) Hash(ctx context.Context, marker string) (cluster.StateHash, error) {
	return call(ctx, p, func(ctx context.Context, s *cluster.Service) (cluster.StateHash, error) { return s.Hash(ctx, marker) })
}

func (p *peer) Propose(ctx context.Context) (cluster.Proposals, error) {
	s, _, err := p.lab.reach(p.from, p.to)
	if err != nil {
		return nil, err
	}
	return &stream{ctx, p, s, make(chan func() []cluster.Result, 64)}, nil
}

// stream is a stream of commands to another node.
type stream struct {
	ctx  context.Context
	peer *peer
	to   *cluster.Service
	sent chan func() []cluster.Result // nil = it has not arrived
}

func (s *stream) Send(entry []byte) error {
	now, _, err := s.peer.lab.reach(s.peer.from, s.peer.to)
	if err != nil || now != s.to || s.ctx.Err() != nil {
		s.sent <- nil
		return errNoLink
	}
	s.sent <- s.to.Submit(s.ctx, entry)
	return nil
}

func (s *stream) Recv() ([]cluster.Result, error) {
	wait := <-s.sent
	if wait == nil {
		return nil, errNoLink
	}
	return call(s.ctx, s.peer, func(context.Context, *cluster.Service) ([]cluster.Result, error) {
		results := wait()
		for i, r := range results {
			if r.Err != nil {
				results[i].Err = cluster.FailureOf(r.Err).Err()
			}
		}
		return results, nil
	})
}
