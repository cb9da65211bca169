package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// validationFile is a validation file as SpiceDB reads it: a schema, tuples,
// and what must follow from them. Everything knows its line.
type validationFile struct {
	Name       string
	Schema     located
	Tuples     []located
	Assertions []assertion
	Expected   []expectation
}

// located is a piece of text and the line of the file on which it begins.
type located struct {
	Text string
	Line int
}

// assertion says how a question is to be answered. Kind is assertTrue,
// assertCaveated or assertFalse.
type assertion struct {
	located
	Kind string
}

// expectation lists the subjects that have a permission, each in the form
// "[subject] is <object#relation>/...".
type expectation struct {
	Target   located // object#permission
	Subjects []located
}

// fileError is a mistake in a line of a file.
type fileError struct {
	Name string
	Line int
	Text string
}

func (e *fileError) Error() string { return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Text) }

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// parseValidationFile reads a file's parts; a mistake is a *fileError.
func parseValidationFile(name string, data []byte) (*validationFile, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		line := 1
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			fmt.Sscan(m[1], &line)
		}
		return nil, &fileError{name, line, "not YAML: " + yamlLine.ReplaceAllString(oneLine(err.Error()), "")}
	}
	f := &validationFile{Name: name}
	if len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return nil, &fileError{name, 1, "a validation file is a mapping with the keys schema, relationships, assertions and validation"}
	}
	for key, value := range pairs(root.Content[0]) {
		if err := f.part(key, value); err != nil {
			return nil, err
		}
	}
	if f.Schema.Text == "" {
		return nil, &fileError{name, 1, "the file has no schema; give it under the key schema"}
	}
	return f, nil
}

// pairs yields the keys and values of a mapping.
func pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func (f *validationFile) part(key, value *yaml.Node) error {
	switch key.Value {
	case "schema":
		return f.text(value, &f.Schema)
	case "schemaFile":
		return f.schemaFile(value)
	case "relationships":
		return f.relationships(value)
	case "assertions":
		return f.assertions(value)
	case "validation":
		return f.validation(value)
	}
	return f.wrong(key, "unknown key %q; the keys are schema, schemaFile, relationships, assertions and validation", key.Value)
}

func (f *validationFile) wrong(at *yaml.Node, format string, args ...any) error {
	return &fileError{f.Name, at.Line, fmt.Sprintf(format, args...)}
}

// text reads a scalar; the text of a block begins on the line after its "|".
func (f *validationFile) text(n *yaml.Node, to *located) error {
	if n.Kind != yaml.ScalarNode {
		return f.wrong(n, "text is expected here")
	}
	*to = located{n.Value, n.Line}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		to.Line++
	}
	return nil
}

func (f *validationFile) schemaFile(n *yaml.Node) error {
	var at located
	if err := f.text(n, &at); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(filepath.Dir(f.Name), at.Text))
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return f.wrong(n, "read schemaFile %s: %v", at.Text, err)
	}
	f.Schema = located{string(data), 1}
	return nil
}

func (f *validationFile) relationships(n *yaml.Node) error {
	var block located
	if err := f.text(n, &block); err != nil {
		return err
	}
	for i, text := range strings.Split(block.Text, "\n") {
		text = strings.TrimSpace(text)
		if text != "" && !strings.HasPrefix(text, "//") {
			f.Tuples = append(f.Tuples, located{text, block.Line + i})
		}
	}
	return nil
}

func (f *validationFile) assertions(n *yaml.Node) error {
	kinds := []string{"assertTrue", "assertCaveated", "assertFalse"}
	if n.Kind != yaml.MappingNode && n.Tag != "!!null" {
		return f.wrong(n, "assertions is a mapping with the keys %s", strings.Join(kinds, ", "))
	}
	for key, value := range pairs(n) {
		if !slices.Contains(kinds, key.Value) {
			return f.wrong(key, "unknown key %q in assertions; the keys are %s", key.Value, strings.Join(kinds, ", "))
		}
		lines, err := f.list(value)
		if err != nil {
			return err
		}
		for _, l := range lines {
			f.Assertions = append(f.Assertions, assertion{l, key.Value})
		}
	}
	return nil
}

func (f *validationFile) validation(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode && n.Tag != "!!null" {
		return f.wrong(n, `validation is a mapping from object#permission to a list of "[subject] is <object#relation>"`)
	}
	for key, value := range pairs(n) {
		subjects, err := f.list(value)
		if err != nil {
			return err
		}
		f.Expected = append(f.Expected, expectation{located{key.Value, key.Line}, subjects})
	}
	return nil
}

// list reads a list of texts; nothing at all is an empty one.
func (f *validationFile) list(n *yaml.Node) ([]located, error) {
	if n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, f.wrong(n, "a list is expected here")
	}
	out := make([]located, len(n.Content))
	for i, item := range n.Content {
		if err := f.text(item, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
