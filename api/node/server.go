package node

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/cluster"
	nodev1 "github.com/pemba-authz/pemba/proto/pemba/node/v1"
)

// server answers other nodes.
type server struct {
	nodev1.UnimplementedNodeServiceServer
	service *cluster.Service
}

// maxGroups bounds the groups of one stream that wait for their results.
const maxGroups = 16

// Propose submits groups as they come, and answers them in order from a
// goroutine of its own, so that the next group need not wait for the one
// before.
func (s *server) Propose(stream grpc.BidiStreamingServer[nodev1.ProposeRequest, nodev1.ProposeResponse]) error {
	groups := make(chan func() []cluster.Result, maxGroups)
	sent := make(chan error, 1)
	go func() { sent <- answer(stream, groups) }()
	err := submit(stream, s.service, groups)
	close(groups)
	return errors.Join(err, <-sent)
}

func submit(stream grpc.BidiStreamingServer[nodev1.ProposeRequest, nodev1.ProposeResponse], to *cluster.Service, groups chan<- func() []cluster.Result) error {
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case groups <- to.Submit(stream.Context(), r.GetEntry()):
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func answer(stream grpc.BidiStreamingServer[nodev1.ProposeRequest, nodev1.ProposeResponse], groups <-chan func() []cluster.Result) error {
	var err error
	for results := range groups {
		reply := &nodev1.ProposeResponse{}
		for _, r := range results() {
			reply.Results = append(reply.Results, resultOut(r))
		}
		if err == nil {
			err = stream.Send(reply)
		}
	}
	return err
}

// answered makes a reply of f's, or a status with the Failure.
func answered[T, R any](v T, err error, f func(T) R) (R, error) {
	if err != nil {
		var none R
		return none, statusOf(err)
	}
	return f(v), nil
}

// statusOf is err with its Failure.
func statusOf(err error) error {
	f := cluster.FailureOf(err)
	st, attachErr := status.New(codes.FailedPrecondition, f.Message).WithDetails(failureOut(f))
	if attachErr != nil {
		return status.Error(codes.Unknown, f.Message)
	}
	return st.Err()
}

func (s *server) ReadIndex(ctx context.Context, _ *nodev1.ReadIndexRequest) (*nodev1.ReadIndexResponse, error) {
	rev, err := s.service.ReadIndex(ctx)
	return answered(rev, err, func(rev uint64) *nodev1.ReadIndexResponse { return &nodev1.ReadIndexResponse{Revision: rev} })
}

func (s *server) Discover(context.Context, *nodev1.DiscoverRequest) (*nodev1.DiscoverResponse, error) {
	return sightingOut(s.service.Sight()), nil
}

func (s *server) Promise(ctx context.Context, r *nodev1.PromiseRequest) (*nodev1.PromiseResponse, error) {
	err := s.service.Promise(ctx, promiseIn(r))
	return answered(0, err, func(int) *nodev1.PromiseResponse { return &nodev1.PromiseResponse{} })
}

func (s *server) Join(ctx context.Context, r *nodev1.JoinRequest) (*nodev1.JoinResponse, error) {
	reply, err := s.service.Join(ctx, joinIn(r))
	return answered(reply, err, joinedOut)
}

func (s *server) Invite(ctx context.Context, r *nodev1.InviteRequest) (*nodev1.InviteResponse, error) {
	err := s.service.Invite(ctx, r.GetAddress())
	return answered(0, err, func(int) *nodev1.InviteResponse { return &nodev1.InviteResponse{} })
}

func (s *server) Operate(ctx context.Context, r *nodev1.OperateRequest) (*nodev1.OperateResponse, error) {
	leader, err := s.service.Operate(ctx, cluster.Operation{Kind: cluster.OperationKind(r.GetKind()), ID: r.GetId(), Force: r.GetForce()})
	return answered(leader, err, func(id string) *nodev1.OperateResponse { return &nodev1.OperateResponse{LeaderId: id} })
}

func (s *server) Status(ctx context.Context, _ *nodev1.StatusRequest) (*nodev1.StatusResponse, error) {
	st, err := s.service.Status(ctx)
	return answered(st, err, statusOut)
}

func (s *server) Mark(ctx context.Context, r *nodev1.MarkRequest) (*nodev1.MarkResponse, error) {
	err := s.service.Mark(ctx, r.GetMarker())
	return answered(0, err, func(int) *nodev1.MarkResponse { return &nodev1.MarkResponse{} })
}

func (s *server) Hash(ctx context.Context, r *nodev1.HashRequest) (*nodev1.HashResponse, error) {
	hash, err := s.service.Hash(ctx, r.GetMarker())
	return answered(hash, err, func(h cluster.StateHash) *nodev1.HashResponse {
		return &nodev1.HashResponse{Revision: h.Revision, Sum: h.Sum[:]}
	})
}
