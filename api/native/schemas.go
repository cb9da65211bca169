package native

import (
	"context"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A schemaServer is pemba.v1.SchemaService.
type schemaServer struct {
	pembav1.UnimplementedSchemaServiceServer
	base
}

// WriteSchema replaces a tenant's schema.
func (s *schemaServer) WriteSchema(ctx context.Context, r *pembav1.WriteSchemaRequest) (*pembav1.WriteSchemaResponse, error) {
	switch n := len(r.GetSchema()); {
	case n == 0:
		return nil, missing("schema", "send the text of a schema")
	case n > maxSchemaBytes:
		return nil, tooLong("schema", n, maxSchemaBytes)
	}
	since := r.GetIfUnchangedSince()
	if len(since) > maxTokenBytes {
		return nil, tooLong("if_unchanged_since", len(since), maxTokenBytes)
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	token, warnings, err := s.service.WriteSchema(ctx, callerOf(ctx), authz.WriteSchemaRequest{
		Tenant:           r.GetTenant(),
		Source:           r.GetSchema(),
		IfUnchangedSince: since,
	})
	if err != nil {
		return nil, err
	}
	return &pembav1.WriteSchemaResponse{Token: token, Warnings: protoWarnings(warnings)}, nil
}

func protoWarnings(warnings []authz.Warning) []*pembav1.SchemaWarning {
	var out []*pembav1.SchemaWarning
	for _, w := range warnings {
		out = append(out, &pembav1.SchemaWarning{Name: w.Name, Message: w.Message, Line: count(w.Line), Column: count(w.Column)})
	}
	return out
}

// ReadSchema returns a tenant's schema.
func (s *schemaServer) ReadSchema(ctx context.Context, r *pembav1.ReadSchemaRequest) (*pembav1.ReadSchemaResponse, error) {
	consistency, err := consistencyOf(r.GetConsistency())
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	source, token, err := s.service.ReadSchema(ctx, r.GetTenant(), consistency)
	if err != nil {
		return nil, atConsistency(err, consistency)
	}
	return &pembav1.ReadSchemaResponse{Schema: source, Token: token}, nil
}

// DiffSchema says what writing a schema would change.
func (s *schemaServer) DiffSchema(ctx context.Context, r *pembav1.DiffSchemaRequest) (*pembav1.DiffSchemaResponse, error) {
	if n := len(r.GetSchema()); n > maxSchemaBytes {
		return nil, tooLong("schema", n, maxSchemaBytes)
	}
	consistency, err := consistencyOf(r.GetConsistency())
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	d, err := s.service.DiffSchema(ctx, r.GetTenant(), r.GetSchema(), consistency)
	if err != nil {
		return nil, atConsistency(err, consistency)
	}
	reply := &pembav1.DiffSchemaResponse{Warnings: protoWarnings(d.Warnings), Text: d.Text, Token: d.Token}
	for _, c := range d.Changes {
		reply.Changes = append(reply.Changes, protoSchemaChange(c))
	}
	for _, o := range d.Orphans {
		reply.Orphans = append(reply.Orphans, &pembav1.OrphanedTuples{Shape: o.Shape, Count: o.Count, Examples: o.Examples})
	}
	return reply, nil
}

// SchemaHistory lists the schemas that are still readable.
func (s *schemaServer) SchemaHistory(ctx context.Context, r *pembav1.SchemaHistoryRequest) (*pembav1.SchemaHistoryResponse, error) {
	consistency, err := consistencyOf(r.GetConsistency())
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	versions, token, err := s.service.SchemaHistory(ctx, r.GetTenant(), consistency)
	if err != nil {
		return nil, atConsistency(err, consistency)
	}
	reply := &pembav1.SchemaHistoryResponse{Token: token}
	for _, v := range versions {
		reply.Versions = append(reply.Versions, &pembav1.SchemaVersion{Token: v.Token, Bytes: int64(v.Bytes)})
	}
	return reply, nil
}

// protoSchemaChange translates a change. The kinds of the wire count from 1, in
// the same order.
func protoSchemaChange(c authz.Change) *pembav1.SchemaChange {
	out := &pembav1.SchemaChange{
		Kind: pembav1.SchemaChange_Kind(c.Kind + 1), Type: c.Type, Name: c.Name, Before: c.Before, After: c.After, Text: c.Text,
	}
	for _, e := range c.Effects {
		out.Effects = append(out.Effects, e.String())
	}
	return out
}
