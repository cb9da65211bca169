package authz

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// Code says what kind of error an Error is; each front door translates it once.
type Code uint8

const (
	Invalid            Code = iota + 1 // the request is wrong whatever is stored
	NotFound                           // the tenant does not exist
	AlreadyExists                      // a tuple or tenant to be created is there
	FailedPrecondition                 // what is stored does not allow it
	OutOfRange                         // a revision that is not readable
	PermissionDenied                   // the caller may not, or nobody may
	Unavailable                        // this node cannot answer now
	ResourceExhausted                  // too much at once
	UnknownOutcome                     // a write that may or may not happen
	DeadlineExceeded
	Canceled
	Internal
	Unauthenticated // it is not known who asks
	Aborted         // others were faster each time
)

// Error is every error of a Service: what is wrong, where, and what to do.
type Error struct {
	Code     Code
	Reason   string            // stable, UPPER_SNAKE_CASE
	Field    string            // path in the request, "" = none
	Value    string            // the offending value, as given
	Message  string            // what is wrong, one line
	Fix      string            // what to do, "" = unknown
	Metadata map[string]string // further facts for programs
	Err      error             // cause, not for clients
}

func (e *Error) Error() string {
	if e.Fix == "" {
		return e.Message
	}
	return e.Message + ": " + e.Fix
}

func (e *Error) Unwrap() error { return e.Err }

// at returns e with its field moved below path.
func (e *Error) at(path string) *Error {
	moved := *e
	if moved.Field == "" {
		moved.Field = path
	} else {
		moved.Field = path + "." + moved.Field
	}
	return &moved
}

func internal(err error) *Error {
	return &Error{Code: Internal, Reason: "INTERNAL", Message: "internal error", Err: err}
}

// fieldError translates an error about one value.
func fieldError(e *tuple.FieldError) *Error {
	return &Error{Code: Invalid, Reason: "INVALID_FIELD", Field: e.Field, Value: e.Value,
		Message: fmt.Sprintf("%s %q is not valid", e.Field, clip(e.Value)), Fix: e.Fix, Err: e}
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "..."
	}
	return s
}

// questionError translates what the graph says of a question.
func questionError(err error) *Error {
	var (
		field      *tuple.FieldError
		unknown    *graph.UnknownError
		contextual *graph.ContextualError
		limit      *graph.LimitError
		cycle      *graph.NegativeCycleError
		caveat     *graph.CaveatError
	)
	switch {
	case errors.As(err, &contextual):
		return tupleError(contextual.Err).at(fmt.Sprintf("contextual_tuples[%d]", contextual.Index))
	case errors.As(err, &unknown):
		return unknownError(unknown)
	case errors.As(err, &caveat):
		return caveatError(caveat)
	case errors.As(err, &field):
		return fieldError(field)
	case errors.As(err, &limit):
		return limitError(limit)
	case errors.As(err, &cycle):
		return &Error{Code: FailedPrecondition, Reason: "NEGATIVE_CYCLE", Message: err.Error(),
			Fix: "an answer must not depend on its own contrary; break the cycle in the tuples", Err: err}
	}
	return contextError(err)
}

func unknownError(e *graph.UnknownError) *Error {
	reason := "UNKNOWN_RELATION"
	if strings.HasSuffix(e.Field, "type") {
		reason = "UNKNOWN_TYPE"
	}
	fix := e.Hint
	if fix == "" {
		fix = "use a name from the schema, or add it there"
	}
	return &Error{Code: Invalid, Reason: reason, Field: e.Field, Value: e.Value,
		Message: fmt.Sprintf("%s %q is not in the schema", e.Field, clip(e.Value)), Fix: fix, Err: e}
}

func caveatError(e *graph.CaveatError) *Error {
	var field *tuple.FieldError
	if errors.As(e.Err, &field) {
		return &Error{Code: Invalid, Reason: "INVALID_CONTEXT", Field: "context", Value: field.Value,
			Message: fmt.Sprintf("caveat %s cannot use %s %q", e.Caveat, field.Field, clip(field.Value)), Fix: field.Fix,
			Metadata: map[string]string{"caveat": e.Caveat, "tuple": e.Tuple}, Err: e}
	}
	return &Error{Code: FailedPrecondition, Reason: "CAVEAT_FAILED", Message: e.Error(),
		Fix:      "the caveat's expression fails on these values; mend the expression or the context",
		Metadata: map[string]string{"caveat": e.Caveat, "tuple": e.Tuple}, Err: e}
}

func limitError(e *graph.LimitError) *Error {
	out := &Error{Code: FailedPrecondition, Reason: strings.ToUpper(e.Limit) + "_LIMIT", Message: e.Error(),
		Fix: "the tuples lead too far; look for a chain or a very wide relation behind this object", Err: e,
		Metadata: map[string]string{"limit": fmt.Sprint(e.Max)}}
	if e.Limit == "nodes" {
		out.Fix = "expand less deep, or allow more nodes"
	}
	if e.Limit == "contextual" {
		out.Code, out.Reason, out.Field = Invalid, "TOO_MANY", "contextual_tuples"
		out.Fix = fmt.Sprintf("send at most %d", e.Max)
	}
	return out
}

// tupleError translates why a tuple cannot be stored or given.
func tupleError(err error) *Error {
	var (
		field   *tuple.FieldError
		refused *graph.NotAllowedError
	)
	switch {
	case errors.As(err, &refused):
		fix := refused.Hint
		if fix == "" {
			fix = "change the tuple or the schema"
		}
		return &Error{Code: Invalid, Reason: "NOT_IN_SCHEMA", Field: refused.Field, Value: refused.Value,
			Message: refused.What(), Fix: fix, Err: err}
	case errors.As(err, &field):
		return fieldError(field)
	}
	return internal(err)
}

// contextError translates the end of a request's context, whose cause may be an
// *Error already: that a front door stops, say. Anything else is internal.
func contextError(err error) *Error {
	var told *Error
	switch {
	case errors.As(err, &told):
		return told
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: DeadlineExceeded, Reason: "DEADLINE_EXCEEDED", Message: "the deadline passed before there was an answer",
			Fix: "allow more time", Err: err}
	case errors.Is(err, context.Canceled):
		return &Error{Code: Canceled, Reason: "CANCELED", Message: "the caller left", Err: err}
	}
	return internal(err)
}

// nodeError translates what the node says.
func nodeError(err error) *Error {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(cluster.ErrUnknownOutcome):
		return &Error{Code: UnknownOutcome, Reason: "UNKNOWN_OUTCOME", Message: "the write may or may not happen",
			Fix: "send it again with the same request id", Err: err}
	case is(cluster.ErrNotLeader):
		return &Error{Code: Unavailable, Reason: "NO_LEADER", Message: "this node does not lead and knows no leader",
			Fix: "try again shortly", Err: err}
	case is(cluster.ErrLevel):
		return &Error{Code: FailedPrecondition, Reason: "LEVEL", Message: "not every member of the cluster can do this yet",
			Fix: "update all members", Err: err}
	case is(cluster.ErrOverloaded):
		return &Error{Code: ResourceExhausted, Reason: "OVERLOADED", Message: "too many writes are waiting",
			Fix: "slow down and try again", Err: err}
	case is(cluster.ErrTooLarge):
		return &Error{Code: Invalid, Reason: "TOO_LARGE", Field: "updates", Message: fmt.Sprintf("the write takes more than %d bytes", store.MaxCommandBytes),
			Fix: "send fewer or smaller tuples at a time", Err: err}
	case is(cluster.ErrDiskFull):
		return &Error{Code: Unavailable, Reason: "DISK_FULL", Message: "the node's disk is almost full, so it takes no writes",
			Fix: "free space on the data dir's disk", Err: err}
	case is(cluster.ErrFuture):
		return &Error{Code: OutOfRange, Reason: "TOKEN_AHEAD", Message: "the token is ahead of the cluster",
			Fix: "use a token that this cluster has given", Err: err}
	case is(cluster.ErrClosed), is(cluster.ErrFailed):
		return &Error{Code: Unavailable, Reason: "SHUTTING_DOWN", Message: "this node is going down", Fix: "try another node", Err: err}
	}
	return contextError(err)
}

// viewError translates why there is no view.
func viewError(err error) *Error {
	var tenant *store.TenantError
	switch {
	case errors.As(err, &tenant):
		return unknownTenant(tenant.Tenant)
	case errors.Is(err, store.ErrHorizon):
		return &Error{Code: OutOfRange, Reason: "TOKEN_TOO_OLD", Message: "the token's revision is not readable any more",
			Fix: "read with a newer token or another consistency", Err: err}
	}
	return internal(err)
}

func unknownTenant(name string) *Error {
	return &Error{Code: NotFound, Reason: "UNKNOWN_TENANT", Field: "tenant", Value: name,
		Message: fmt.Sprintf("there is no tenant %q", clip(name)), Fix: "use an existing tenant; \"default\" always exists at first"}
}
