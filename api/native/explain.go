package native

import (
	"context"
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	// maxNodes bounds the tree of an expansion.
	maxNodes = 100_000
	// maxLevels bounds how deep trees and explanations nest. Clients of most
	// languages refuse messages of more than 100 levels; above the root of a tree
	// is the reply, below its last node a tuple with its parts.
	maxLevels = 90
)

// Expand returns the tree behind a permission.
func (s *permissionServer) Expand(ctx context.Context, r *pembav1.ExpandRequest) (*pembav1.ExpandResponse, error) {
	request, err := expandRequestOf(r)
	if err != nil {
		return nil, err
	}
	leave, err := s.streams.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	e, err := s.service.Expand(ctx, request)
	if err != nil {
		return nil, atConsistency(err, request.Consistency)
	}
	e.Tree.Cut(maxLevels)
	var text strings.Builder
	if err := e.Tree.WriteText(&text); err != nil {
		return nil, err
	}
	return &pembav1.ExpandResponse{
		Tree: protoTree(e.Tree), Text: text.String(),
		Work:  &pembav1.Work{Steps: count(e.Cost.Steps), Reads: count(e.Cost.Reads)},
		Token: e.Token, DecisionTime: timestamppb.New(time.Unix(0, e.Time)),
	}, nil
}

func expandRequestOf(r *pembav1.ExpandRequest) (request authz.ExpandRequest, err error) {
	switch {
	case r.GetObject() == nil:
		return request, missing("object", "name the object")
	case r.GetPermission() == "":
		return request, missing("permission", "name a permission or relation of the object's type")
	case r.GetMaxNodes() > maxNodes:
		return request, tooMany("max_nodes", int(r.GetMaxNodes()), maxNodes)
	}
	request = authz.ExpandRequest{
		Tenant: r.GetTenant(), Object: objectOf(r.GetObject()), Permission: r.GetPermission(),
		Depth: int(r.GetDepth()), MaxNodes: int(r.GetMaxNodes()),
	}
	if request.Context, err = contextOf("context_json", r.GetContextJson()); err != nil {
		return request, err
	}
	if request.Contextual, err = tuplesOf("contextual_tuples", r.GetContextualTuples()); err != nil {
		return request, err
	}
	request.Consistency, err = consistencyOf(r.GetConsistency())
	return request, err
}

// protoTree translates a tree. Kinds and caveat states have the same numbers on
// both sides.
func protoTree(t *authz.Tree) *pembav1.ExpandNode {
	n := &pembav1.ExpandNode{
		Kind: pembav1.ExpandNode_Kind(t.Kind), Relation: t.Relation, Text: t.Text,
		Caveat: pembav1.ExpandNode_CaveatState(t.Caveat), MissingContext: t.Missing, Error: t.Err,
	}
	if t.Object.Type != "" {
		n.Object = &pembav1.Object{Type: t.Object.Type, Id: t.Object.ID}
	}
	if t.Tuple != nil {
		n.Tuple = protoTuple(*t.Tuple)
	}
	for _, c := range t.Children {
		n.Children = append(n.Children, protoTree(c))
	}
	return n
}

// Explain answers one question and says why.
func (s *permissionServer) Explain(ctx context.Context, r *pembav1.ExplainRequest) (*pembav1.ExplainResponse, error) {
	if r.GetCheck() == nil {
		return nil, missing("check", "ask a question as Check takes it")
	}
	request, err := checkRequestOf(r.GetCheck())
	if err != nil {
		return nil, belowCheck(err)
	}
	leave, err := s.streams.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	e, err := s.service.Explain(ctx, request)
	if err != nil {
		return nil, belowCheck(atConsistency(err, request.Consistency))
	}
	e.Why.Root.Cut(maxLevels)
	var text strings.Builder
	if err := e.Why.WriteText(&text); err != nil {
		return nil, err
	}
	reply := &pembav1.ExplainResponse{Answer: newCheckReply(&e.CheckAnswer), Why: protoStep(e.Why.Root), Text: text.String()}
	if e.Err != nil {
		reply.Answer.Decision, reply.Error = pembav1.Decision_DECISION_UNSPECIFIED, s.guard.itemError("check", e.Err)
		return reply, nil
	}
	if e.Since != math.MinInt64 {
		reply.Since = timestamppb.New(time.Unix(0, e.Since))
	}
	if e.Until != math.MaxInt64 {
		reply.Until = timestamppb.New(time.Unix(0, e.Until))
	}
	return reply, nil
}

// belowCheck moves an error's field into the question of an ExplainRequest.
func belowCheck(err error) error {
	e, ok := err.(*authz.Error)
	if !ok || e.Field == "" {
		return err
	}
	moved := *e
	moved.Field = "check." + e.Field
	return &moved
}

// protoStep translates an explanation. Kinds and outcomes have the same numbers
// on both sides.
func protoStep(t *authz.Step) *pembav1.ExplainStep {
	n := &pembav1.ExplainStep{
		Kind: pembav1.ExplainStep_Kind(t.Kind), Outcome: pembav1.ExplainStep_Outcome(t.Outcome), Relation: t.Relation, Text: t.Text,
		Expired: t.Expired, Contextual: t.Contextual, MissingContext: t.Missing, Error: t.Err, Note: t.Note,
	}
	if t.Object.Type != "" {
		n.Object = &pembav1.Object{Type: t.Object.Type, Id: t.Object.ID}
	}
	if t.Tuple != nil {
		n.Tuple = protoTuple(*t.Tuple)
	}
	if c := t.Caveat; c != nil {
		n.Caveat = &pembav1.ExplainStep_CaveatUse{
			Name: c.Name, Expression: c.Expression, ContextJson: c.Context,
			Outcome: pembav1.ExplainStep_Outcome(c.Outcome), MissingContext: c.Missing, Error: c.Err,
		}
	}
	for _, c := range t.Children {
		n.Children = append(n.Children, protoStep(c))
	}
	return n
}
