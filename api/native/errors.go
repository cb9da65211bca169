package native

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// domain is ErrorInfo's: it names who gives the reasons their meaning.
const domain = "pemba.v1"

// maxShown bounds a value that an error quotes, in bytes.
const maxShown = 128

// errorTable is the one place that gives a domain error its gRPC code and, where
// the same request may succeed later, says when to try again.
var errorTable = map[authz.Code]struct {
	code  codes.Code
	retry time.Duration
}{
	authz.Invalid:            {code: codes.InvalidArgument},
	authz.NotFound:           {code: codes.NotFound},
	authz.AlreadyExists:      {code: codes.AlreadyExists},
	authz.FailedPrecondition: {code: codes.FailedPrecondition},
	authz.OutOfRange:         {code: codes.OutOfRange},
	authz.PermissionDenied:   {code: codes.PermissionDenied},
	authz.Unavailable:        {code: codes.Unavailable, retry: time.Second},
	authz.ResourceExhausted:  {code: codes.ResourceExhausted, retry: 100 * time.Millisecond},
	authz.UnknownOutcome:     {code: codes.Unknown},
	authz.DeadlineExceeded:   {code: codes.DeadlineExceeded},
	authz.Canceled:           {code: codes.Canceled},
	authz.Internal:           {code: codes.Internal},
	authz.Unauthenticated:    {code: codes.Unauthenticated},
	authz.Aborted:            {code: codes.Aborted, retry: 100 * time.Millisecond},
}

// status turns any error of a handler into a gRPC status. What has no place in
// the table is logged and becomes INTERNAL without its text. An error that is a
// status by itself, of another front door, stays.
func (g guard) status(name string, err error) error {
	if _, own := err.(interface{ GRPCStatus() *status.Status }); own {
		return err
	}
	e := domainError(err)
	if _, isStatus := status.FromError(err); isStatus && e.Code == authz.Internal {
		return err // of gRPC itself, such as a request that does not decode
	}
	row, ok := errorTable[e.Code]
	if !ok || row.code == codes.Internal {
		g.log.Error("request failed", "method", name, "error", err, "cause", causeOf(err))
		return internalStatus().Err()
	}
	details := []protoadapt.MessageV1{errorInfo(e)}
	if e.Field != "" {
		violation := &errdetails.BadRequest_FieldViolation{Field: protoPath(e.Field), Description: sentence(e)}
		details = append(details, &errdetails.BadRequest{
			FieldViolations: []*errdetails.BadRequest_FieldViolation{violation},
		})
	}
	if row.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(row.retry)})
	}
	st, attachErr := status.New(row.code, sentence(e)).WithDetails(details...)
	if attachErr != nil {
		return status.Error(row.code, sentence(e))
	}
	return st.Err()
}

// domainError finds the domain error in err, or makes one of it.
func domainError(err error) *authz.Error {
	var e *authz.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &authz.Error{Code: authz.DeadlineExceeded, Reason: "DEADLINE_EXCEEDED", Message: "the deadline passed"}
	case errors.Is(err, context.Canceled):
		return &authz.Error{Code: authz.Canceled, Reason: "CANCELED", Message: "the caller left"}
	}
	return &authz.Error{Code: authz.Internal, Reason: "INTERNAL", Message: internalText, Err: err}
}

// causeOf returns what the text of a domain error leaves out, for the log.
func causeOf(err error) error {
	for e := (*authz.Error)(nil); errors.As(err, &e) && e.Err != nil; {
		err = e.Err
	}
	return err
}

const internalText = "an internal error; the server's log has the details"

func internalStatus() *status.Status {
	st := status.New(codes.Internal, internalText)
	if with, err := st.WithDetails(&errdetails.ErrorInfo{Reason: "INTERNAL", Domain: domain}); err == nil {
		return with
	}
	return st
}

func errorInfo(e *authz.Error) *errdetails.ErrorInfo {
	metadata := maps.Clone(e.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	for key, value := range map[string]string{"value": shorten(e.Value), "fix": e.Fix} {
		if value != "" {
			metadata[key] = value
		}
	}
	return &errdetails.ErrorInfo{Reason: e.Reason, Domain: domain, Metadata: metadata}
}

// itemError is the error of one part of a request that otherwise succeeds, as a
// question of a batch; field is the part's path, "" = the whole request.
func (g guard) itemError(field string, err error) *pembav1.Error {
	e := domainError(err)
	row, ok := errorTable[e.Code]
	if !ok || row.code == codes.Internal {
		g.log.Error("part of a request failed", "item", field, "error", err, "cause", causeOf(err))
		return &pembav1.Error{Code: int32(codes.Internal), Reason: "INTERNAL", Message: internalText, Field: field}
	}
	switch {
	case field == "":
		field = protoPath(e.Field)
	case e.Field != "":
		field += "." + protoPath(e.Field)
	}
	item := &pembav1.Error{
		Code:    int32(row.code),
		Reason:  e.Reason,
		Message: sentence(e),
		Field:   field,
		Value:   shorten(e.Value),
		Fix:     e.Fix,
	}
	if row.retry > 0 {
		item.Retry = durationpb.New(row.retry)
	}
	return item
}

// sentence is what a person reads: what is wrong, and then what to do.
func sentence(e *authz.Error) string {
	if e.Fix == "" {
		return e.Message
	}
	return e.Message + ": " + e.Fix
}

func shorten(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown-3], "") + "..."
}

// invalid says that a field's value cannot be used.
func invalid(field, value, fix string) error {
	return &authz.Error{
		Code: authz.Invalid, Reason: "INVALID_FIELD", Field: field, Value: value,
		Message: fmt.Sprintf("%s %q is not valid", field, shorten(value)), Fix: fix,
	}
}

// missing says that a required field is absent.
func missing(field, fix string) error {
	return &authz.Error{Code: authz.Invalid, Reason: "MISSING_FIELD", Field: field, Message: field + " is missing", Fix: fix}
}

// tooMany says that a repeated field holds more than most elements.
func tooMany(field string, n, most int) error {
	return &authz.Error{
		Code: authz.Invalid, Reason: "TOO_MANY", Field: field, Value: fmt.Sprint(n),
		Message: fmt.Sprintf("%s has %d elements", field, n), Fix: fmt.Sprintf("send at most %d at a time", most),
	}
}

// tooLong says that a text holds more than most bytes.
func tooLong(field string, n, most int) error {
	return &authz.Error{
		Code: authz.Invalid, Reason: "TOO_LONG", Field: field, Value: fmt.Sprint(n),
		Message: fmt.Sprintf("%s has %d bytes", field, n), Fix: fmt.Sprintf("at most %d bytes fit", most),
	}
}

// below turns an error of package tuple into one about a field below field.
func below(field string, err error) error {
	var fe *tuple.FieldError
	if !errors.As(err, &fe) {
		return err
	}
	name := field + "." + protoPath(strings.TrimPrefix(fe.Field, "filter."))
	if fe.Value == "" {
		return missing(name, fe.Fix)
	}
	return invalid(name, fe.Value, fe.Fix)
}
