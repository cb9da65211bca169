package graph

import (
	"fmt"
	"strings"
)

// UnknownError says that a question names something that the schema does not know.
type UnknownError struct {
	Field string // "object.type", "permission", "subject.type", "subject.relation"
	Value string
	Hint  string // "" = none
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s %s is not in the schema%s", e.Field, quoteWord(e.Value), hinted(e.Hint))
}

// NotAllowedError says why the schema does not allow a tuple.
type NotAllowedError struct {
	Field   string // "object.type", "relation", "subject", "caveat.context", ...
	Value   string
	Message string
	Hint    string // "" = none
}

func (e *NotAllowedError) Error() string {
	return e.What() + hinted(e.Hint)
}

// What says what is wrong and with which value, without the hint.
func (e *NotAllowedError) What() string {
	switch {
	case e.Value == "" && e.Field == "caveat":
		return e.Message // there is no value: something is missing
	case strings.HasPrefix(e.Message, "is "):
		return fmt.Sprintf("%s %s %s", e.Field, quoteWord(e.Value), e.Message)
	}
	return fmt.Sprintf("%s %s: %s", e.Field, quoteWord(e.Value), e.Message)
}

func hinted(hint string) string {
	if hint == "" {
		return ""
	}
	return " (" + hint + ")"
}

// LimitError says that a question needs more work than its limits allow.
type LimitError struct {
	Limit     string // "depth", "nesting", "reads", "nodes", "time" (of caveats, in ms) or "contextual"
	Max, Used int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the %s limit of %d is exceeded (%d)", e.Limit, e.Max, e.Used)
}

// NegativeCycleError says that an answer depends on its own contrary: a cycle
// in the data passes through the right side of an exclusion or an .all().
type NegativeCycleError struct {
	Path []string // "type:id#relation"; the last element leads back to the first
}

func (e *NegativeCycleError) Error() string {
	return "a cycle passes through an exclusion or .all(): " + strings.Join(e.Path, " -> ")
}

// CaveatError says that a caveat failed on a tuple's and question's context.
type CaveatError struct {
	Caveat string
	Tuple  string
	Err    error
}

func (e *CaveatError) Error() string {
	return fmt.Sprintf("caveat %s of %s: %v", e.Caveat, e.Tuple, e.Err)
}

func (e *CaveatError) Unwrap() error { return e.Err }

// ContextualError says which contextual tuple of a question is at fault.
type ContextualError struct {
	Index int
	Err   error // *NotAllowedError or *tuple.FieldError
}

func (e *ContextualError) Error() string {
	return fmt.Sprintf("contextual tuple %d: %v", e.Index+1, e.Err)
}

func (e *ContextualError) Unwrap() error { return e.Err }
