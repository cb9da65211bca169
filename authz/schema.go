package authz

import (
	"context"
	"fmt"

	"github.com/pemba-authz/pemba/store"
)

// WriteSchemaRequest replaces a tenant's schema.
type WriteSchemaRequest struct {
	Tenant string
	Source string // text in the schema language
	// IfUnchangedSince is a token: the schema must not have changed after it.
	// "" = whatever is there is replaced.
	IfUnchangedSince string
}

// Warning points at what a schema may do but is worth a second look.
type Warning struct {
	Message      string
	Line, Column int
}

// WriteSchema replaces the schema, unless stored tuples would not be allowed
// by the new one.
func (s *Service) WriteSchema(ctx context.Context, by Caller, r WriteSchemaRequest) (token string, warnings []Warning, err error) {
	name, err := tenantName(r.Tenant)
	if err != nil {
		return "", nil, err
	}
	next, found, err := compile(r.Source, s.node.Store().Symbols())
	if err != nil {
		return "", nil, schemaError(err)
	}
	for _, w := range found {
		warnings = append(warnings, Warning{fmt.Sprintf("%s#%s: %s", w.Type, w.Permission, w.Message), w.Pos.Line, w.Pos.Col})
	}
	for range maxRevalidations {
		c := store.Command{
			Kind: store.KindWrite, Tenant: name, Actor: by.Name, Address: by.Address,
			Records: []store.RecordUpdate{{Key: store.SchemaRecord, Value: []byte(r.Source)}},
		}
		v, err := s.node.Store().View(name, 0)
		if err != nil {
			return "", nil, viewError(err)
		}
		c.Incarnation = v.Incarnation()
		since, conditional := v.Revision(), r.IfUnchangedSince != ""
		if conditional {
			if since, err = s.since(r.IfUnchangedSince, "if_unchanged_since", v.Incarnation()); err != nil {
				return "", nil, err
			}
		}
		if _, _, written := v.Record(store.SchemaRecord); written {
			old, rev, err := s.graphOf(v)
			if err != nil {
				return "", nil, err
			}
			c.SchemaRevision, c.Empty = rev, old.Removed(next)
		}
		// Whoever writes the first schema must not overlook another's.
		if conditional || c.SchemaRevision == 0 {
			c.Preconditions = []store.Precondition{{Kind: store.PreRecordUnchanged, Record: store.SchemaRecord, Since: since}}
		}
		out, err := s.node.Propose(ctx, c)
		if err != nil {
			return "", nil, proposeError(err)
		}
		switch {
		case out.Code == store.OK:
			return s.tokenAt(name, c.Incarnation, out.Revision), warnings, nil
		case out.Code == store.CodeSchemaChanged, out.Code == store.CodePrecondition && !conditional:
			continue
		case out.Code == store.CodePrecondition:
			return "", nil, &Error{Code: FailedPrecondition, Reason: "SCHEMA_CHANGED", Field: "if_unchanged_since", Value: r.IfUnchangedSince,
				Message: "the schema has changed since: " + out.Detail, Fix: "read it anew and merge"}
		}
		return "", nil, outcomeError(out, &c)
	}
	return "", nil, schemaBusy()
}
