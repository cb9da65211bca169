package native

import (
	"context"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Discover tells who this node is.
func (s *clusterServer) Discover(context.Context, *pembav1.DiscoverRequest) (*pembav1.DiscoverResponse, error) {
	sight := s.service.Sight()
	return &pembav1.DiscoverResponse{
		NodeId: sight.NodeID, DiskId: sight.DiskID, Address: sight.Addr, Stage: string(sight.Stage), ClusterId: sight.ClusterID,
		Expect: count(sight.Expect), Level: count(sight.Level), LeaderAddress: sight.Leader, ProposerId: sight.Proposer,
	}, nil
}

func protoNode(n authz.NodeStatus) *pembav1.NodeStatus {
	out := &pembav1.NodeStatus{
		Id: n.ID, Address: n.Addr, ClientAddress: n.ClientAddr, Voter: n.Voter, Problem: n.Problem, State: stateOf(n.State),
		Version: n.Version, Level: count(n.Level), Ready: n.Ready, Term: n.Term, AppliedRevision: n.Applied,
		CommitIndex: n.CommitIndex, LastLogIndex: n.LastLogIndex, Lag: n.Lag, LastContact: durationpb.New(n.LastContact),
	}
	if n.Hash != nil {
		out.Hash, out.HashRevision = n.Hash.String(), n.Hash.Revision
	}
	return out
}

// AddNode makes a fresh node join.
func (s *clusterServer) AddNode(ctx context.Context, r *pembav1.AddNodeRequest) (*pembav1.AddNodeResponse, error) {
	if r.GetClientAddress() == "" {
		return nil, missing("client_address", "say where clients reach the fresh node, as 10.0.0.4:50051")
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	id, err := s.service.AddNode(ctx, r.GetClientAddress())
	if err != nil {
		return nil, err
	}
	return &pembav1.AddNodeResponse{Id: id}, nil
}

// RemoveNode takes a member out of the cluster.
func (s *clusterServer) RemoveNode(ctx context.Context, r *pembav1.RemoveNodeRequest) (*pembav1.RemoveNodeResponse, error) {
	if r.GetId() == "" {
		return nil, missingID()
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return &pembav1.RemoveNodeResponse{}, s.service.RemoveNode(ctx, r.GetId(), r.GetForce())
}

// PromoteNode gives a nonvoter a vote.
func (s *clusterServer) PromoteNode(ctx context.Context, r *pembav1.PromoteNodeRequest) (*pembav1.PromoteNodeResponse, error) {
	if r.GetId() == "" {
		return nil, missingID()
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return &pembav1.PromoteNodeResponse{}, s.service.PromoteNode(ctx, r.GetId())
}

// DemoteNode takes a voter's vote.
func (s *clusterServer) DemoteNode(ctx context.Context, r *pembav1.DemoteNodeRequest) (*pembav1.DemoteNodeResponse, error) {
	if r.GetId() == "" {
		return nil, missingID()
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return &pembav1.DemoteNodeResponse{}, s.service.DemoteNode(ctx, r.GetId(), r.GetForce())
}

// TransferLeadership makes another voter lead.
func (s *clusterServer) TransferLeadership(ctx context.Context, r *pembav1.TransferLeadershipRequest) (*pembav1.TransferLeadershipResponse, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	leader, err := s.service.TransferLeadership(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	return &pembav1.TransferLeadershipResponse{LeaderId: leader}, nil
}

func missingID() error {
	return missing("id", "name a member as pemba cluster status shows it")
}
