package authz

import (
	"context"
	"fmt"

	"github.com/pemba-authz/pemba/graph"
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
	Name         string // of its kind, stable
	Message      string
	Line, Column int
}

func warningsOf(found []graph.Warning) []Warning {
	var out []Warning
	for _, w := range found {
		place := w.Type
		if w.Permission != "" {
			place += "#" + w.Permission
		}
		out = append(out, Warning{w.Name, fmt.Sprintf("%s: %s", place, w.Message), w.Pos.Line, w.Pos.Col})
	}
	return out
}

// WriteSchema replaces the schema, unless stored tuples would not be allowed
// by the new one.
func (s *Service) WriteSchema(ctx context.Context, by Caller, r WriteSchemaRequest) (token string, warnings []Warning, err error) {
	name, err := s.tenantName(r.Tenant)
	if err != nil {
		return "", nil, err
	}
	next, found, err := compileApart(r.Source)
	if err != nil {
		return "", nil, schemaError(err)
	}
	warnings = warningsOf(found)
	var caughtUp bool
	for range maxRevalidations {
		seen := s.node.Store().Revision()
		c, err := s.schemaCommand(ctx, name, by, &r, next)
		if err != nil {
			if caughtUp {
				return "", nil, err
			}
			if caughtUp, err = s.mayRevalidate(ctx, seen, err); caughtUp {
				continue
			}
			return "", nil, err
		}
		out, err := s.replicate(ctx, c)
		if err != nil {
			e := proposeError(err)
			if e.Reason == "TOO_LARGE" {
				e.Field = "schema"
			}
			return "", nil, e
		}
		switch {
		case out.Code == store.OK:
			return s.tokenAt(c.Incarnation, out.Revision), warnings, nil
		case out.Code == store.CodePrecondition && r.IfUnchangedSince != "":
			return "", nil, &Error{Code: FailedPrecondition, Reason: "SCHEMA_CHANGED", Field: "if_unchanged_since", Value: r.IfUnchangedSince,
				Message: "the schema has changed since: " + out.Detail, Fix: "read it anew and merge"}
		case out.Code == store.CodeShapeInUse:
			return "", nil, s.orphansError(ctx, out, &c)
		case out.Code != store.CodeSchemaChanged && out.Code != store.CodePrecondition && out.Code != store.CodeTenantIncarnation:
			return "", nil, outcomeError(out, &c)
		}
		if err := s.node.Wait(ctx, out.Revision); err != nil {
			return "", nil, nodeError(err)
		}
	}
	return "", nil, schemaBusy()
}

// schemaCommand replaces the schema that this node has, if no tuples of the
// shapes that the new one does not allow are stored.
func (s *Service) schemaCommand(ctx context.Context, tenant string, by Caller, r *WriteSchemaRequest, next *graph.Graph) (store.Command, error) {
	c := store.Command{
		Kind: store.KindWrite, Tenant: tenant, Actor: by.Name, Address: by.Address,
		Records: []store.RecordUpdate{{Key: store.SchemaRecord, Value: []byte(r.Source)}},
	}
	v, err := s.newest(tenant)
	if err != nil {
		return c, err
	}
	c.Incarnation = v.Incarnation()
	if _, _, written := v.Record(store.SchemaRecord); written {
		old, rev, err := s.graphOf(ctx, v)
		if err != nil {
			return c, err
		}
		c.SchemaRevision, c.Empty = rev, old.Removed(next)
	}
	since := v.Revision()
	if r.IfUnchangedSince != "" {
		if since, err = s.since(ctx, tenant, r.IfUnchangedSince, "if_unchanged_since"); err != nil {
			return c, err
		}
	} else if c.SchemaRevision != 0 {
		return c, nil
	}
	// Whoever writes the first schema must not overlook another's.
	c.Preconditions = []store.Precondition{{Kind: store.PreRecordUnchanged, Record: store.SchemaRecord, Since: since}}
	return c, nil
}
