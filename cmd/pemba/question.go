package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// factFlags are what a question brings along.
type factFlags struct {
	context    string
	contextual []string
}

func (f *factFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.context, "context", "", "values of caveat parameters, one `JSON` object")
	cmd.Flags().StringArrayVar(&f.contextual, "contextual", nil, "a `TUPLE` that counts for this question only, as if it were stored; give the flag again for more")
}

// tuples are the contextual tuples.
func (f *factFlags) tuples() ([]*pb.Tuple, error) {
	var messages []*pb.Tuple
	for _, text := range f.contextual {
		t, err := tuple.ParseTuple(text)
		if err != nil {
			return nil, fmt.Errorf("--contextual: %w", err)
		}
		messages = append(messages, tupleMessage(t))
	}
	return messages, nil
}

// parseQuestion reads object, permission and subject; a server judges the rest.
func parseQuestion(object, permission, subject string) (tuple.Key, error) {
	o, err := tuple.ParseObject(object)
	if err != nil {
		return tuple.Key{}, err
	}
	s, err := tuple.ParseSubject(subject)
	return tuple.Key{Object: o, Relation: permission, Subject: s}, err
}

// parseQuestionLine reads "object permission subject" or "object#permission@subject".
func parseQuestionLine(line string) (tuple.Key, error) {
	if fields := strings.Fields(line); len(fields) == 3 {
		return parseQuestion(fields[0], fields[1], fields[2])
	}
	t, err := tuple.ParseTuple(line)
	if err != nil || t.Key().String() != t.String() {
		return tuple.Key{}, fmt.Errorf("question %q: write it object permission subject, as doc:readme view user:ann", line)
	}
	return t.Key(), nil
}
