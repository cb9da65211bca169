package authz

import (
	"context"
	"fmt"
	"strings"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// ReadSchema returns the schema in force at the view that c asks for.
func (s *Service) ReadSchema(ctx context.Context, tenant string, c Consistency) (source, token string, err error) {
	v, err := s.view(ctx, tenant, c)
	if err != nil {
		return "", "", err
	}
	text, _, ok := v.Record(store.SchemaRecord)
	if !ok {
		_, _, err := s.graphOf(ctx, v)
		return "", "", err
	}
	return string(text), s.token(v), nil
}

// SchemaVersion is a schema that was written.
type SchemaVersion struct {
	Token string // of the oldest readable view with it
	Bytes int
}

// maxVersions bounds a schema history.
const maxVersions = 1000

// SchemaHistory returns the schemas that are still readable, newest first.
func (s *Service) SchemaHistory(ctx context.Context, tenant string, c Consistency) (versions []SchemaVersion, token string, err error) {
	v, err := s.view(ctx, tenant, c)
	if err != nil {
		return nil, "", err
	}
	horizon := s.node.Store().Horizon()
	for _, rev := range v.RecordVersions(store.SchemaRecord) {
		at, err := s.node.Store().View(v.Tenant(), max(rev, horizon))
		if err != nil || at.Incarnation() != v.Incarnation() || len(versions) == maxVersions {
			break // the horizon has moved past it
		}
		text, _, _ := at.Record(store.SchemaRecord)
		versions = append(versions, SchemaVersion{s.token(at), len(text)})
	}
	return versions, s.token(v), nil
}

// Orphans are stored tuples of one class that a schema does not allow.
type Orphans struct {
	Shape    string // as store.EmptyShape writes it
	Count    int64
	Examples []string // some of the tuples
}

// maxExamples is how many orphaned tuples of a class are named.
const maxExamples = 10

// orphansOf lists what is stored of the given classes. Each may take tens of
// milliseconds.
func orphansOf(ctx context.Context, v store.View, classes []store.EmptyShape) ([]Orphans, error) {
	var out []Orphans
	for _, class := range classes {
		if ctx.Err() != nil {
			return nil, contextError(context.Cause(ctx))
		}
		sample, n := v.ShapeTuples(class, maxExamples)
		if n == 0 {
			continue
		}
		o := Orphans{Shape: class.String(), Count: n}
		for _, t := range sample {
			o.Examples = append(o.Examples, t.String())
		}
		out = append(out, o)
	}
	return out, nil
}

// orphansError says which tuples a refused schema would orphan.
func (s *Service) orphansError(ctx context.Context, o store.Outcome, c *store.Command) *Error {
	e := outcomeError(o, c)
	if s.node.Wait(ctx, o.Revision) != nil {
		return e
	}
	v, err := s.node.Store().View(c.Tenant, 0)
	if err != nil {
		return e
	}
	var total int64
	var classes, examples []string
	orphans, err := orphansOf(ctx, v, c.Empty)
	if err != nil {
		return e
	}
	for _, found := range orphans {
		total += found.Count
		classes = append(classes, fmt.Sprintf("%s (%d)", found.Shape, found.Count))
		examples = append(examples, found.Examples...)
	}
	if len(examples) == 0 { // they are gone by now
		return e
	}
	shown := examples[:min(len(examples), maxExamples)]
	e.Message = fmt.Sprintf("the new schema does not allow %s of %s, such as %s", tuplesText(total), clipList(classes), strings.Join(shown, ", "))
	e.Metadata = map[string]string{"count": fmt.Sprint(total), "shapes": clipList(classes), "examples": strings.Join(shown, " ")}
	return e
}

func tuplesText(n int64) string {
	if n == 1 {
		return "1 stored tuple"
	}
	return fmt.Sprintf("%d stored tuples", n)
}

func clipList(texts []string) string {
	if n := len(texts); n > maxExamples {
		return strings.Join(texts[:maxExamples], ", ") + fmt.Sprintf(" and %d more", n-maxExamples)
	}
	return strings.Join(texts, ", ")
}

// Change is one difference between two schemas.
type (
	Change     = graph.Change
	ChangeKind = graph.ChangeKind
)

// The kinds of change.
const (
	Added    = graph.Added
	Removed  = graph.Removed
	Widened  = graph.Widened
	Narrowed = graph.Narrowed
	Changed  = graph.Changed
)

// SchemaDiff says what writing a schema would change.
type SchemaDiff struct {
	Changes  []Change
	Orphans  []Orphans // the schema would be refused while there are any
	Warnings []Warning
	Text     string // the changes for people
	Token    string
}

// DiffSchema compares a schema with the one in force at the view that c asks for.
func (s *Service) DiffSchema(ctx context.Context, tenant, source string, c Consistency) (*SchemaDiff, error) {
	v, err := s.view(ctx, tenant, c)
	if err != nil {
		return nil, err
	}
	next, found, err := compileApart(source)
	if err != nil {
		return nil, schemaError(err)
	}
	d := &SchemaDiff{Warnings: warningsOf(found), Token: s.token(v)}
	old := &graph.Schema{}
	if _, _, written := v.Record(store.SchemaRecord); written {
		g, _, err := s.graphOf(ctx, v)
		if err != nil {
			return nil, err
		}
		old = g.Schema()
		if d.Orphans, err = orphansOf(ctx, v, g.Removed(next)); err != nil {
			return nil, err
		}
	}
	d.Changes = graph.Diff(old, next.Schema())
	var text strings.Builder
	if err := graph.WriteChanges(&text, d.Changes); err != nil {
		return nil, internal(err)
	}
	d.Text = text.String()
	return d, nil
}
