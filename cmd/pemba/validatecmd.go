package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

func (a *app) validateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Prove validation files without a server",
		Long: `Prove validation files without a server: YAML files with a schema, tuples
(relationships), assertions (assertTrue, assertCaveated, assertFalse, each
optionally 'object#permission@subject with {"context": "json"}') and the expected
subjects of permissions (validation), as SpiceDB reads them. Each line that does
not hold is named, and the exit status is 1.`,
		Example: "  pemba validate examples/docs.yaml",
		Args:    cobra.MatchAll(minArgs(1), oneStdin),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.validateFiles(cmd.Context(), args)
		},
	}
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return cmd
}

// verdict is what became of one file.
type verdict struct {
	File       string   `json:"file"`
	OK         bool     `json:"ok"`
	Tuples     int      `json:"tuples"`
	Assertions int      `json:"assertions"`
	Expected   int      `json:"expected"`
	Mistakes   []string `json:"mistakes,omitempty"` // "file:line: what", in the order of the file
}

func (a *app) validateFiles(ctx context.Context, names []string) error {
	good := true
	for _, name := range names {
		data, err := a.readFile(name)
		if err != nil {
			return err
		}
		v, err := judge(ctx, name, data)
		if err != nil {
			return fmt.Errorf("validate %s: %w", name, err)
		}
		good = good && v.OK
		if err := a.printVerdict(v); err != nil {
			return err
		}
	}
	if !good {
		return exitStatus(exitNo)
	}
	return nil
}

func (a *app) printVerdict(v verdict) error {
	if a.json {
		return printJSON(a.out, v)
	}
	for _, m := range v.Mistakes {
		fmt.Fprintln(a.out, m)
	}
	if v.OK {
		fmt.Fprintf(a.out, "%s: ok (%d tuples, %d assertions, %d permissions with all their subjects)\n",
			v.File, v.Tuples, v.Assertions, v.Expected)
	}
	return nil
}

// judge proves one file. Its error is not the file's fault.
func judge(ctx context.Context, name string, data []byte) (verdict, error) {
	v := verdict{File: name}
	f, err := parseValidationFile(name, data)
	var wrong *fileError
	if errors.As(err, &wrong) {
		v.Mistakes = []string{wrong.Error()}
		return v, nil
	}
	if err != nil {
		return v, err
	}
	if v.Mistakes = schemaMistakes(name, f.Schema.Text, f.Schema.Line); len(v.Mistakes) > 0 {
		return v, nil
	}
	w, mistakes, err := newWorld(f)
	if err != nil {
		return v, err
	}
	for _, a := range f.Assertions {
		mistakes = append(mistakes, w.assert(ctx, f.Name, a)...)
	}
	for _, e := range f.Expected {
		mistakes = append(mistakes, w.expect(ctx, f.Name, e)...)
	}
	if err := context.Cause(ctx); err != nil {
		return v, err
	}
	slices.SortStableFunc(mistakes, func(a, b *fileError) int { return a.Line - b.Line })
	for _, m := range mistakes {
		v.Mistakes = append(v.Mistakes, oneLine(m.Error()))
	}
	v.Tuples, v.Assertions, v.Expected = len(f.Tuples), len(f.Assertions), len(f.Expected)
	v.OK = len(mistakes) == 0
	return v, nil
}

var asserted = map[string]graph.Decision{
	"assertTrue": graph.Allowed, "assertCaveated": graph.Conditional, "assertFalse": graph.Denied,
}

// assert returns nothing when the assertion holds.
func (w *world) assert(ctx context.Context, file string, a assertion) []*fileError {
	wrong := func(format string, args ...any) []*fileError {
		return []*fileError{{file, a.Line, fmt.Sprintf("%s %s: ", a.Kind, a.Text) + fmt.Sprintf(format, args...)}}
	}
	q, caveatContext, err := parseAssertion(a.Text)
	if err != nil {
		return wrong("%v", err)
	}
	answer, err := w.ask(ctx, q, caveatContext)
	if err != nil {
		return wrong("%v", err)
	}
	if want := asserted[a.Kind]; answer.Decision != want {
		missing := ""
		if len(answer.Missing) > 0 {
			missing = " on " + strings.Join(answer.Missing, ", ")
		}
		return wrong("%s%s, not %s", answer.Decision, missing, want)
	}
	return nil
}

// parseAssertion reads object#permission@subject, optionally "with {json}".
func parseAssertion(text string) (tuple.Key, map[string]any, error) {
	var caveatContext map[string]any
	question, withContext, ok := strings.Cut(text, " with ")
	if ok {
		var err error
		if caveatContext, err = tuple.DecodeContext([]byte(withContext)); err != nil {
			return tuple.Key{}, nil, err
		}
	}
	t, err := tuple.ParseTuple(strings.TrimSpace(question))
	if err != nil {
		return tuple.Key{}, nil, err
	}
	if t.Caveat != "" || t.Expires != 0 {
		return tuple.Key{}, nil, errors.New(`an assertion has no caveat; give context as: with {"key": "value"}`)
	}
	return t.Key(), caveatContext, nil
}
