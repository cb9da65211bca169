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
	reply := &pembav1.WriteSchemaResponse{Token: token}
	for _, w := range warnings {
		reply.Warnings = append(reply.Warnings, &pembav1.SchemaWarning{Message: w.Message, Line: count(w.Line), Column: count(w.Column)})
	}
	return reply, nil
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
