package iam

import (
	"errors"
	"fmt"

	"github.com/pemba-authz/pemba/authz"
)

// Error is every error of a Service.
type Error = authz.Error

func invalid(field, value, message, fix string) *Error {
	return &Error{Code: authz.Invalid, Reason: "INVALID_FIELD", Field: field, Value: value, Message: message, Fix: fix}
}

func notFound(r Resource) *Error {
	return &Error{Code: authz.NotFound, Reason: "RESOURCE_NOT_FOUND", Value: r.String(), Message: fmt.Sprintf("there is no %s", r), Fix: "check the id",
		Metadata: map[string]string{"resource": r.String()}}
}

func precondition(reason, message, fix string) *Error {
	return &Error{Code: authz.FailedPrecondition, Reason: reason, Message: message, Fix: fix}
}

func exists(field, value, message string) *Error {
	return &Error{Code: authz.AlreadyExists, Reason: "RESOURCE_EXISTS", Field: field, Value: value, Message: message, Fix: "use it, or another name"}
}

func unauthenticated(reason, message, fix string) *Error {
	return &Error{Code: authz.Unauthenticated, Reason: reason, Message: message, Fix: fix}
}

// denied names what is lacking: the permission and the resource.
func denied(who Subject, permission string, on Resource) *Error {
	name := who.String()
	if who == (Subject{}) {
		name = "an anonymous caller"
	}
	return &Error{Code: authz.PermissionDenied, Reason: "PERMISSION_DENIED", Value: permission,
		Message:  fmt.Sprintf("%s lacks the permission %s on %s", name, permission, on),
		Fix:      "have a role that contains it granted there, or above it",
		Metadata: map[string]string{"permission": permission, "resource": on.String(), "subject": name}}
}

func broken(what string, err error) *Error {
	return &Error{Code: authz.Internal, Reason: "INTERNAL", Message: "internal error", Err: fmt.Errorf("%s: %w", what, err)}
}

// isConflict reports whether what a change rests on has changed meanwhile.
func isConflict(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == authz.Conflict
}

// orNotFound is err, or else that r is not there.
func orNotFound(err error, r Resource) error {
	if err != nil {
		return err
	}
	return notFound(r)
}
