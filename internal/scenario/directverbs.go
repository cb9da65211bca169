package scenario

import (
	"context"
	"strconv"
	"strings"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// Objects lists the objects that a subject reaches.
func (d *Direct) Objects(at string, q graph.ObjectsQuestion) (out []graph.Listed, err error) {
	v, g, err := d.view(at)
	if err != nil {
		return nil, err
	}
	q.Now = max(d.now, v.Time())
	_, err = g.ListObjects(context.Background(), v, &q, func(l graph.Listed) bool { out = append(out, l); return true })
	return out, err
}

// Subjects lists the subjects that reach an object.
func (d *Direct) Subjects(at string, q graph.SubjectsQuestion) (out []graph.Listed, err error) {
	v, g, err := d.view(at)
	if err != nil {
		return nil, err
	}
	q.Now = max(d.now, v.Time())
	_, err = g.ListSubjects(context.Background(), v, &q, func(l graph.Listed) bool { out = append(out, l); return true })
	return out, err
}

// Explain tells why a question is answered as it is.
func (d *Direct) Explain(at string, q graph.Question) (string, error) {
	v, g, err := d.view(at)
	if err != nil {
		return "", err
	}
	q.Now = max(d.now, v.Time())
	e, err := g.Explain(context.Background(), v, &q)
	if e == nil {
		return "", err
	}
	var text strings.Builder
	err = e.WriteText(&text)
	return text.String(), err
}

// Expand shows the tree behind a permission.
func (d *Direct) Expand(at string, q graph.ExpandQuestion) (string, error) {
	v, g, err := d.view(at)
	if err != nil {
		return "", err
	}
	q.Now = max(d.now, v.Time())
	tree, _, err := g.Expand(context.Background(), v, &q)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = tree.WriteText(&text)
	return text.String(), err
}

// Changes tells what a watch from a revision sees.
func (d *Direct) Changes(from string) ([]string, error) {
	after, err := strconv.ParseUint(from, 10, 64)
	if err != nil {
		return nil, err
	}
	s, err := d.readable()
	if err != nil {
		return nil, err
	}
	revisions, _, err := s.Changes(tenant, 0, after, 0, 1_000_000)
	var lines []string
	for _, r := range revisions {
		lines = append(lines, changeLines(r.Schema, r.Tuples)...)
	}
	return lines, err
}

// changeLines writes one revision.
func changeLines(schema bool, changes []store.TupleChange) []string {
	lines := []string{"revision"}
	if schema {
		lines = append(lines, "  schema")
	}
	for _, c := range changes {
		sign := "  + "
		if c.Deleted {
			sign = "  - "
		}
		lines = append(lines, sign+c.Tuple.String())
	}
	return lines
}

// Diff says what writing a schema would change.
func (d *Direct) Diff(source string) (string, error) {
	next, _, err := compile(source, d.store.Symbols())
	if err != nil {
		return "", err
	}
	old := &graph.Schema{}
	if _, g, err := d.view(""); err == nil {
		old = g.Schema()
	}
	var text strings.Builder
	err = graph.WriteChanges(&text, graph.Diff(old, next.Schema()))
	return text.String(), err
}
