package native

import (
	"errors"
	"strings"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// The service names fields in domain words. What follows turns them into paths
// of the .proto messages, on the way out of a failed request only.

// fieldEnds gives the ends of domain paths their names in the .proto files.
var fieldEnds = []struct{ domain, proto string }{
	{"caveat.context", "caveat.context_json"},
	{"context", "context_json"},
	{"caveat", "caveat.name"},
	{"expiration", "expires"},
	{"].tuple", "]"}, // of contextual_tuples[i]: an element is a tuple
}

// protoPath returns the path of a field in the .proto messages.
func protoPath(field string) string {
	for _, end := range fieldEnds {
		before, ok := strings.CutSuffix(field, end.domain)
		switch {
		case !ok:
		case end.domain[0] == ']':
			if strings.HasPrefix(field, "contextual_tuples[") {
				return before + end.proto
			}
		case before == "" || before[len(before)-1] == '.':
			return before + end.proto
		}
	}
	return field
}

// renamed returns err with the beginning of its field's path changed.
func renamed(err error, from, to string) error {
	var e *authz.Error
	if !errors.As(err, &e) {
		return err
	}
	rest, ok := strings.CutPrefix(e.Field, from)
	if !ok {
		return err
	}
	moved := *e
	moved.Field = to + rest
	return &moved
}

// atConsistency points an error about a token at the level that carried it. A
// revision that is not readable is such an error: only a token names one.
func atConsistency(err error, c authz.Consistency) error {
	var field string
	switch c.Level {
	case authz.AtLeast:
		field = "consistency.at_least"
	case authz.Exactly:
		field = "consistency.exactly"
	default:
		return err
	}
	var e *authz.Error
	if errors.As(err, &e) && e.Code == authz.OutOfRange && e.Field == "" {
		moved := *e
		moved.Field, moved.Value = field, c.Token
		return &moved
	}
	return renamed(err, "consistency.token", field)
}

// atPreconditions points an error about a precondition's parts at the condition
// that it has.
func atPreconditions(err error, preconditions []*pembav1.Precondition) error {
	for i, p := range preconditions {
		field := at("preconditions", i)
		switch p.GetCondition().(type) {
		case *pembav1.Precondition_TuplesMatch:
			err = renamed(err, field+".filter", field+".tuples_match")
		case *pembav1.Precondition_TuplesAbsent:
			err = renamed(err, field+".filter", field+".tuples_absent")
		case *pembav1.Precondition_RowUnchanged_:
			err = renamed(err, field+".since", field+".row_unchanged.since")
		case *pembav1.Precondition_SchemaUnchanged:
			err = renamed(err, field+".since", field+".schema_unchanged")
		}
	}
	return err
}
