package scenario

import (
	"regexp"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// subjectSet finds a question with more than one subject.
var subjectSet = regexp.MustCompile(`(?m)^[^ ]+ [^ {]`)

func protoObject(o tuple.Object) *pembav1.Object { return &pembav1.Object{Type: o.Type, Id: o.ID} }

func protoSubject(s tuple.Subject) *pembav1.Subject {
	return &pembav1.Subject{Type: s.Type, Id: s.ID, Relation: s.Relation}
}

func protoTuple(t tuple.Tuple) *pembav1.Tuple {
	p := &pembav1.Tuple{Object: protoObject(t.Object), Relation: t.Relation, Subject: protoSubject(t.Subject)}
	if t.Caveat != "" {
		p.Caveat = &pembav1.Caveat{Name: t.Caveat, ContextJson: t.Context}
	}
	if t.Expires != 0 {
		p.Expires = timestamppb.New(time.Unix(0, t.Expires))
	}
	return p
}

func tupleOf(p *pembav1.Tuple) tuple.Tuple {
	t := tuple.Tuple{
		Object:   tuple.Object{Type: p.GetObject().GetType(), ID: p.GetObject().GetId()},
		Relation: p.GetRelation(),
		Subject:  tuple.Subject{Type: p.GetSubject().GetType(), ID: p.GetSubject().GetId(), Relation: p.GetSubject().GetRelation()},
		Caveat:   p.GetCaveat().GetName(),
		Context:  p.GetCaveat().GetContextJson(),
	}
	if p.GetExpires() != nil {
		t.Expires = p.GetExpires().AsTime().UnixNano()
	}
	return t
}

func protoFilter(f tuple.Filter) *pembav1.TupleFilter {
	p := &pembav1.TupleFilter{Type: f.Type, Id: f.ID, Relation: f.Relation}
	if f.SubjectType != "" {
		p.Subject = &pembav1.SubjectFilter{Type: f.SubjectType, Id: f.SubjectID, Relation: f.SubjectRelation}
	}
	return p
}

func protoPrecondition(p store.Precondition, since string) *pembav1.Precondition {
	switch p.Kind {
	case store.PreTuplesMatch:
		return &pembav1.Precondition{Condition: &pembav1.Precondition_TuplesMatch{TuplesMatch: protoFilter(p.Filter)}}
	case store.PreTuplesAbsent:
		return &pembav1.Precondition{Condition: &pembav1.Precondition_TuplesAbsent{TuplesAbsent: protoFilter(p.Filter)}}
	}
	row := &pembav1.Precondition_RowUnchanged{Object: protoObject(p.Object), Relation: p.Relation, Since: since}
	return &pembav1.Precondition{Condition: &pembav1.Precondition_RowUnchanged_{RowUnchanged: row}}
}

// consistency asks for the view at a token, or for the newest.
func consistency(at string) *pembav1.Consistency {
	if at == "" {
		return &pembav1.Consistency{Level: &pembav1.Consistency_Latest{Latest: &pembav1.Consistency_LatestLevel{}}}
	}
	return &pembav1.Consistency{Level: &pembav1.Consistency_Exactly{Exactly: at}}
}
