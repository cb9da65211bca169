package authz

import (
	"context"
	"errors"

	"github.com/pemba-authz/pemba/cluster"
)

// Sighting is what a node says of itself to one that looks for a cluster.
type Sighting = cluster.Sighting

// NodeStatus is one member as the others see it.
type NodeStatus = cluster.NodeStatus

// Sight tells who this node is; it answers while the node is not ready.
func (s *Service) Sight() Sighting { return s.node.Sight() }

// Nodes asks every member how it is; with hash, each hashes its state at one
// common revision, which holds its writer up meanwhile.
func (s *Service) Nodes(ctx context.Context, hash bool) ([]NodeStatus, error) {
	nodes, err := s.node.Nodes(ctx, hash)
	if err != nil {
		return nil, operationError(err)
	}
	return nodes, nil
}

// AddNode makes the fresh node that serves clients at clientAddr join, and
// returns its id.
func (s *Service) AddNode(ctx context.Context, clientAddr string) (id string, err error) {
	id, err = s.node.AddNode(ctx, clientAddr)
	if err != nil {
		return "", operationError(err)
	}
	return id, nil
}

// RemoveNode takes a member out of the cluster for good; force also if too few
// voters are left that answer.
func (s *Service) RemoveNode(ctx context.Context, id string, force bool) error {
	return operationResult(s.node.RemoveNode(ctx, id, force))
}

// PromoteNode gives a nonvoter that has caught up a vote.
func (s *Service) PromoteNode(ctx context.Context, id string) error {
	return operationResult(s.node.PromoteNode(ctx, id))
}

// DemoteNode makes a voter a nonvoter.
func (s *Service) DemoteNode(ctx context.Context, id string, force bool) error {
	return operationResult(s.node.DemoteNode(ctx, id, force))
}

// TransferLeadership makes the voter to lead, "" = any, and returns who does.
func (s *Service) TransferLeadership(ctx context.Context, to string) (leader string, err error) {
	leader, err = s.node.TransferLeadership(ctx, to)
	if err != nil {
		return "", operationError(err)
	}
	return leader, nil
}

func operationResult(err error) error {
	if err == nil {
		return nil
	}
	return operationError(err)
}

// operationError translates why an operation did not happen.
func operationError(err error) *Error {
	var refused *cluster.RefusedError
	if errors.As(err, &refused) {
		return &Error{Code: FailedPrecondition, Reason: refused.Reason, Message: refused.Message, Fix: refused.Fix, Err: err}
	}
	e := nodeError(err)
	if e.Reason == "UNKNOWN_OUTCOME" {
		e.Message, e.Fix = "the operation may or may not have happened", "look at the members, then decide"
	}
	return e
}
