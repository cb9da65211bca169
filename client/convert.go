package client

import (
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

func objectMessage(o tuple.Object) *pb.Object { return &pb.Object{Type: o.Type, Id: o.ID} }

func subjectMessage(s tuple.Subject) *pb.Subject {
	return &pb.Subject{Type: s.Type, Id: s.ID, Relation: s.Relation}
}

func tupleMessage(t tuple.Tuple) *pb.Tuple {
	p := &pb.Tuple{Object: objectMessage(t.Object), Relation: t.Relation, Subject: subjectMessage(t.Subject)}
	if t.Caveat != "" {
		p.Caveat = &pb.Caveat{Name: t.Caveat, ContextJson: t.Context}
	}
	if t.Expires != 0 {
		p.Expires = timestamppb.New(time.Unix(0, t.Expires))
	}
	return p
}

func tupleMessages(ts []tuple.Tuple) []*pb.Tuple {
	if len(ts) == 0 {
		return nil
	}
	out := make([]*pb.Tuple, len(ts))
	for i, t := range ts {
		out[i] = tupleMessage(t)
	}
	return out
}

func tupleFrom(p *pb.Tuple) tuple.Tuple {
	t := tuple.Tuple{
		Object:   tuple.Object{Type: p.GetObject().GetType(), ID: p.GetObject().GetId()},
		Relation: p.GetRelation(),
		Subject:  tuple.Subject{Type: p.GetSubject().GetType(), ID: p.GetSubject().GetId(), Relation: p.GetSubject().GetRelation()},
		Caveat:   p.GetCaveat().GetName(),
		Context:  p.GetCaveat().GetContextJson(),
	}
	if e := p.GetExpires(); e != nil {
		t.Expires = e.AsTime().UnixNano()
	}
	return t
}

func filterMessage(f tuple.Filter) *pb.TupleFilter {
	p := &pb.TupleFilter{Type: f.Type, Id: f.ID, Relation: f.Relation}
	if f.SubjectType != "" || f.SubjectID != "" || f.SubjectRelation != "" {
		p.Subject = &pb.SubjectFilter{Type: f.SubjectType, Id: f.SubjectID, Relation: f.SubjectRelation}
	}
	return p
}

// contextText writes the values of caveat parameters.
func contextText(field string, context map[string]any) (string, error) {
	if len(context) == 0 {
		return "", nil
	}
	text, err := json.Marshal(context)
	if err != nil {
		return "", invalid(field, fmt.Errorf("the context is no JSON: %w", err))
	}
	return string(text), nil
}

// Decision is the answer to a question.
type Decision uint8

// The decisions. The zero value is none, so that what was never decided is
// never allowed.
const (
	NoDecision Decision = iota
	Denied
	Conditional // it depends on context that the question did not give
	Allowed
)

func (d Decision) String() string {
	switch d {
	case Denied:
		return "denied"
	case Conditional:
		return "conditional"
	case Allowed:
		return "allowed"
	}
	return "no decision"
}

// decisionFrom translates a decision; one that it does not know is none.
func decisionFrom(d pb.Decision) Decision {
	switch d {
	case pb.Decision_DECISION_DENIED:
		return Denied
	case pb.Decision_DECISION_ALLOWED:
		return Allowed
	case pb.Decision_DECISION_CONDITIONAL:
		return Conditional
	}
	return NoDecision
}
