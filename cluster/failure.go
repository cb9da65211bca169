package cluster

import (
	"errors"

	"github.com/pemba-authz/pemba/store"
)

// Failure is an error of this package on its way to another member. It keeps
// what callers tell errors apart by.
type Failure struct {
	// Sure is whether a command surely did not happen: ErrNotProposed, rather
	// than ErrUnknownOutcome.
	Sure    bool
	Reason  string // of the error, or of a RefusedError; "" = none of the known
	Message string
	Fix     string // of a RefusedError
}

// reasons name the errors that keep their meaning on another member. That the
// answering node goes down is, to the asking one, a leader less.
var reasons = []struct {
	reason string
	err    error
	there  error
}{
	{"NOT_LEADER", ErrNotLeader, ErrNotLeader},
	{"CLOSED", ErrClosed, ErrNotLeader},
	{"FAILED", ErrFailed, ErrNotLeader},
	{"OVERLOADED", ErrOverloaded, ErrOverloaded},
	{"TOO_LARGE", ErrTooLarge, ErrTooLarge},
	{"DISK_FULL", ErrDiskFull, ErrDiskFull},
	{"FUTURE", ErrFuture, ErrFuture},
	{"LEVEL", ErrLevel, ErrLevel},
	{"INVALID", store.ErrInvalidCommand, store.ErrInvalidCommand},
}

// FailureOf describes err, which is not nil.
func FailureOf(err error) Failure {
	f := Failure{Sure: errors.Is(err, ErrNotProposed), Message: err.Error()}
	var refused *RefusedError
	if errors.As(err, &refused) {
		return Failure{true, refused.Reason, refused.Message, refused.Fix}
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			f.Reason = r.reason
			return f
		}
	}
	return f
}

// Err is the error that f describes: a *RefusedError, or one that Is
// ErrNotProposed or ErrUnknownOutcome and what it was on the other member.
func (f Failure) Err() error {
	if f.Fix != "" {
		return &RefusedError{f.Reason, f.Message, f.Fix}
	}
	e := &remoteError{text: f.Message, is: []error{ErrUnknownOutcome}}
	if f.Sure {
		e.is[0] = ErrNotProposed
	}
	for _, r := range reasons {
		if f.Reason == r.reason {
			e.is = append(e.is, r.there)
		}
	}
	return e
}

// remoteError is an error of another member.
type remoteError struct {
	text string
	is   []error
}

func (e *remoteError) Error() string   { return "the leader answers: " + e.text }
func (e *remoteError) Unwrap() []error { return e.is }

// RefusedError says why an operation on the cluster's members is not possible
// as things are, and what to do. Nothing has been changed.
type RefusedError struct {
	Reason  string // stable, UPPER_SNAKE_CASE
	Message string
	Fix     string // never empty
}

func (e *RefusedError) Error() string { return e.Message + ": " + e.Fix }
