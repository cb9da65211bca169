package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

func (a *app) importCommand() *cobra.Command {
	return a.asking(&cobra.Command{
		Use:   "import FILE",
		Short: "Write the schema and the tuples of a validation file; print the token",
		Long: `Write the schema of a validation file and then, in atomic batches, its tuples.
Tuples that are there already are replaced; others stay. The assertions are for
"pemba validate".`,
		Example: "  pemba import examples/cloud.yaml",
		Args:    exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error { return a.importFile(ctx, s, args[0]) })
}

// readPolicy reads the schema and the tuples of a validation file.
func (a *app) readPolicy(name string) (schema string, tuples []tuple.Tuple, from []input, err error) {
	data, err := a.readFile(name)
	if err != nil {
		return "", nil, nil, err
	}
	file, err := parseValidationFile(name, data)
	if err != nil {
		return "", nil, nil, err
	}
	tuples, from = make([]tuple.Tuple, len(file.Tuples)), make([]input, len(file.Tuples))
	for i, at := range file.Tuples {
		if tuples[i], err = tuple.ParseTuple(at.Text); err != nil {
			return "", nil, nil, &fileError{name, at.Line, err.Error()}
		}
		from[i] = input{at.Text, name, at.Line}
	}
	return file.Schema.Text, tuples, from, nil
}

func (a *app) importFile(ctx context.Context, s *servers, name string) error {
	schema, tuples, from, err := a.readPolicy(name)
	if err != nil {
		return err
	}
	token, err := a.writeSchema(ctx, s, schema)
	if err != nil {
		return err
	}
	w := a.writer(s, writeOptions{operation: pb.Update_OPERATION_TOUCH, batch: defaultBatch})
	shown := a.progress("tuples")
	for i, t := range tuples {
		if err := w.add(ctx, t, from[i]); err != nil {
			return w.failed(err)
		}
		shown.show(int64(w.written))
	}
	if err := w.flush(ctx); err != nil {
		return w.failed(err)
	}
	shown.done(int64(w.written))
	if w.token != "" {
		token = w.token
	}
	if a.json {
		return printJSON(a.out, map[string]any{"tuples": w.written, "token": token})
	}
	fmt.Fprintln(a.out, token)
	return nil
}
