package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/graph"
)

// validateSchemas names each mistake of each file on a line of standard output,
// and each warning on one of standard error.
func (a *app) validateSchemas(names []string) error {
	good := true
	for _, name := range names {
		source, first, err := a.schemaSource(name)
		if err != nil {
			return err
		}
		_, warnings, mistakes := checkSchema(name, source, first)
		for _, line := range warnings {
			fmt.Fprintln(a.err, line)
		}
		for _, line := range mistakes {
			good = false
			fmt.Fprintln(a.out, line)
		}
	}
	if !good {
		return exitStatus(exitNo)
	}
	return nil
}

// schemaMistakes are the errors of a schema whose first line is line first of
// the named file, each as "file:line:column: what".
func schemaMistakes(name, source string, first int) []string {
	_, _, mistakes := checkSchema(name, source, first)
	return mistakes
}

// checkSchema parses a schema whose first line is line first of the named file.
// Warnings and mistakes begin with "file:line:column: ".
func checkSchema(name, source string, first int) (parsed *graph.Schema, warnings, mistakes []string) {
	parsed, err := graph.Parse(source)
	var found []graph.Warning
	if err == nil {
		found, err = graph.Validate(parsed)
	}
	at := func(p graph.Pos) string { return fmt.Sprintf("%s:%d:%d: ", name, first+max(p.Line, 1)-1, p.Col) }
	for _, w := range found {
		warnings = append(warnings, at(w.Pos)+"warning: "+w.Text())
	}
	var several graph.SchemaErrors
	switch {
	case err == nil:
		return parsed, warnings, nil
	case !errors.As(err, &several):
		return nil, nil, []string{fmt.Sprintf("%s:%d: %v", name, first, err)}
	}
	for _, m := range several {
		here := *m
		here.Line, here.Col = 0, 0
		mistakes = append(mistakes, at(graph.Pos{Line: m.Line, Col: m.Col})+here.Error())
	}
	return nil, nil, slices.Compact(mistakes)
}
