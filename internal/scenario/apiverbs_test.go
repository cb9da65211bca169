package scenario

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/pemba-authz/pemba/graph"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

var errUndecided = errors.New("undecided")

func contextText(c map[string]any) string {
	if c == nil {
		return ""
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func protoTuples(ts []tuple.Tuple) (out []*pembav1.Tuple) {
	for _, t := range ts {
		out = append(out, protoTuple(t))
	}
	return out
}

func listed(id string, d pembav1.Decision, missing []string, e *pembav1.Error) graph.Listed {
	l := graph.Listed{ID: id, Missing: missing}
	switch {
	case e != nil:
		l.Err = errUndecided
	case d == pembav1.Decision_DECISION_ALLOWED:
		l.Decision = graph.Allowed
	case d == pembav1.Decision_DECISION_CONDITIONAL:
		l.Decision = graph.Conditional
	}
	return l
}

// Objects lists in pages of two, so that every list goes through cursors.
func (a *api) Objects(at string, q graph.ObjectsQuestion) (out []graph.Listed, err error) {
	r := &pembav1.ListObjectsRequest{
		Type: q.Type, Permission: q.Permission, Subject: protoSubject(q.Subjects[0]), ContextJson: contextText(q.Context),
		ContextualTuples: protoTuples(q.Contextual), Consistency: consistency(at), IdPrefix: q.Prefix, Limit: 2,
	}
	for {
		stream, err := a.permissions.ListObjects(a.ctx, r)
		for err == nil {
			var reply *pembav1.ListObjectsResponse
			if reply, err = stream.Recv(); err != nil {
				break
			}
			r.Cursor = reply.GetCursor()
			for _, o := range reply.GetObjects() {
				out = append(out, listed(o.GetId(), o.GetDecision(), o.GetMissingContext(), o.GetError()))
			}
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		if r.Cursor == "" {
			return out, nil
		}
		r.Consistency = nil
	}
}

func (a *api) Subjects(at string, q graph.SubjectsQuestion) (out []graph.Listed, err error) {
	r := &pembav1.ListSubjectsRequest{
		Object: protoObject(q.Object), Permission: q.Permission, SubjectType: q.Type, SubjectRelation: q.Relation, ContextJson: contextText(q.Context),
		ContextualTuples: protoTuples(q.Contextual), Consistency: consistency(at), IdPrefix: q.Prefix, Limit: 2,
	}
	for {
		stream, err := a.permissions.ListSubjects(a.ctx, r)
		for err == nil {
			var reply *pembav1.ListSubjectsResponse
			if reply, err = stream.Recv(); err != nil {
				break
			}
			r.Cursor = reply.GetCursor()
			for _, o := range reply.GetSubjects() {
				out = append(out, listed(o.GetId(), o.GetDecision(), o.GetMissingContext(), o.GetError()))
			}
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		if r.Cursor == "" {
			return out, nil
		}
		r.Consistency = nil
	}
}

func (a *api) Explain(at string, q graph.Question) (string, error) {
	r, err := a.permissions.Explain(a.ctx, &pembav1.ExplainRequest{Check: &pembav1.CheckRequest{
		Object: protoObject(q.Object), Permission: q.Permission, Subject: protoSubject(q.Subjects[0]), ContextJson: contextText(q.Context),
		ContextualTuples: protoTuples(q.Contextual), Consistency: consistency(at),
	}})
	return r.GetText(), err
}

func (a *api) Expand(at string, q graph.ExpandQuestion) (string, error) {
	r, err := a.permissions.Expand(a.ctx, &pembav1.ExpandRequest{
		Object: protoObject(q.Object), Permission: q.Permission, ContextJson: contextText(q.Context),
		ContextualTuples: protoTuples(q.Contextual), Consistency: consistency(at), Depth: int32(q.Depth),
	})
	return r.GetText(), err
}

// Changes watches until it is told the token of the newest view.
func (a *api) Changes(from string) (lines []string, err error) {
	v, err := a.schemas.ReadSchema(a.ctx, &pembav1.ReadSchemaRequest{Consistency: consistency("")})
	if err != nil {
		return nil, err
	}
	stream, err := a.tuples.Watch(a.ctx, &pembav1.WatchRequest{From: from})
	if err != nil {
		return nil, err
	}
	var schema bool
	var changes []store.TupleChange
	for {
		r, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		schema = schema || r.GetSchemaChanged()
		for _, c := range r.GetChanges() {
			changes = append(changes, store.TupleChange{Deleted: c.GetOperation() == pembav1.TupleChange_OPERATION_DELETED, Tuple: tupleOf(c.GetTuple())})
		}
		if r.GetToken() == "" {
			continue
		}
		if schema || len(changes) > 0 {
			lines = append(lines, changeLines(schema, changes)...)
		}
		schema, changes = false, nil
		if r.GetToken() == v.GetToken() {
			return lines, nil
		}
	}
}

func (a *api) Diff(source string) (string, error) {
	r, err := a.schemas.DiffSchema(a.ctx, &pembav1.DiffSchemaRequest{Schema: source, Consistency: consistency("")})
	return r.GetText(), err
}
