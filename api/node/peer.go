package node

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/cluster"
	nodev1 "github.com/pemba-authz/pemba/proto/pemba/node/v1"
)

// peer is another node.
type peer struct {
	peers *Peers
	addr  string
}

// ask calls the node and translates the answer, or the Failure in its error.
func ask[Q, R, T any](ctx context.Context, p *peer, call func(nodev1.NodeServiceClient, context.Context, Q, ...grpc.CallOption) (R, error), question Q, in func(R) T) (T, error) {
	var none T
	c, err := p.peers.conn(p.addr)
	if err != nil {
		return none, err
	}
	reply, err := call(nodev1.NewNodeServiceClient(c), ctx, question)
	if err != nil {
		return none, errorIn(err)
	}
	return in(reply), nil
}

// errorIn returns the Failure that err carries, else err.
func errorIn(err error) error {
	for _, d := range status.Convert(err).Details() {
		if f, ok := d.(*nodev1.Failure); ok {
			return failureIn(f)
		}
	}
	return err
}

func nothing[R any](R) struct{} { return struct{}{} }

func (p *peer) ReadIndex(ctx context.Context) (uint64, error) {
	return ask(ctx, p, nodev1.NodeServiceClient.ReadIndex, &nodev1.ReadIndexRequest{}, (*nodev1.ReadIndexResponse).GetRevision)
}

func (p *peer) Sight(ctx context.Context) (cluster.Sighting, error) {
	return ask(ctx, p, nodev1.NodeServiceClient.Discover, &nodev1.DiscoverRequest{}, func(r *nodev1.DiscoverResponse) cluster.Sighting { return sightingIn(r) })
}

func (p *peer) Promise(ctx context.Context, promise cluster.Promise) error {
	_, err := ask(ctx, p, nodev1.NodeServiceClient.Promise, promiseOut(promise), nothing[*nodev1.PromiseResponse])
	return err
}

func (p *peer) Join(ctx context.Context, r cluster.JoinRequest) (cluster.Joined, error) {
	return ask(ctx, p, nodev1.NodeServiceClient.Join, joinOut(r), joinedIn)
}

func (p *peer) Invite(ctx context.Context, addr string) error {
	_, err := ask(ctx, p, nodev1.NodeServiceClient.Invite, &nodev1.InviteRequest{Address: addr}, nothing[*nodev1.InviteResponse])
	return err
}

func (p *peer) Operate(ctx context.Context, o cluster.Operation) (string, error) {
	r := &nodev1.OperateRequest{Kind: string(o.Kind), Id: o.ID, Force: o.Force}
	leader, err := ask(ctx, p, nodev1.NodeServiceClient.Operate, r, (*nodev1.OperateResponse).GetLeaderId)
	if _, isStatus := status.FromError(err); isStatus && err != nil { // of the connection: it may have arrived
		err = fmt.Errorf("%w: %w", cluster.ErrUnknownOutcome, err)
	}
	return leader, err
}

func (p *peer) Status(ctx context.Context) (cluster.NodeStatus, error) {
	return ask(ctx, p, nodev1.NodeServiceClient.Status, &nodev1.StatusRequest{}, statusIn)
}

func (p *peer) Mark(ctx context.Context, marker string) error {
	_, err := ask(ctx, p, nodev1.NodeServiceClient.Mark, &nodev1.MarkRequest{Marker: marker}, nothing[*nodev1.MarkResponse])
	return err
}

func (p *peer) Hash(ctx context.Context, marker string) (cluster.StateHash, error) {
	return ask(ctx, p, nodev1.NodeServiceClient.Hash, &nodev1.HashRequest{Marker: marker}, func(r *nodev1.HashResponse) cluster.StateHash {
		h := cluster.StateHash{Revision: r.GetRevision()}
		copy(h.Sum[:], r.GetSum())
		return h
	})
}

// Propose opens a stream. gRPC connects first, and fails fast where it cannot;
// nothing but headers has been sent then.
func (p *peer) Propose(ctx context.Context) (cluster.Proposals, error) {
	c, err := p.peers.conn(p.addr)
	if err != nil {
		return nil, err
	}
	stream, err := nodev1.NewNodeServiceClient(c).Propose(ctx)
	if err != nil {
		return nil, err
	}
	return proposals{stream}, nil
}

// proposals is a stream of commands.
type proposals struct {
	stream grpc.BidiStreamingClient[nodev1.ProposeRequest, nodev1.ProposeResponse]
}

func (s proposals) Send(entry []byte) error {
	return s.stream.Send(&nodev1.ProposeRequest{Entry: entry})
}

func (s proposals) Recv() ([]cluster.Result, error) {
	reply, err := s.stream.Recv()
	if err != nil {
		return nil, err
	}
	results := make([]cluster.Result, len(reply.GetResults()))
	for i, r := range reply.GetResults() {
		results[i] = resultIn(r)
	}
	return results, nil
}
