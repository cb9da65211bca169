package iam

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/pemba-authz/pemba/authz"
)

// domain is ErrorInfo's: it names who gives the reasons their meaning.
const domain = "pemba.iam.v1"

// maxShown bounds a value that an error quotes, in bytes.
const maxShown = 128

// errorTable is the one place that gives an error of the core its gRPC code and,
// where the same request may succeed later, says when to try again.
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
	authz.ResourceExhausted:  {code: codes.ResourceExhausted, retry: time.Second},
	authz.UnknownOutcome:     {code: codes.Unknown},
	authz.DeadlineExceeded:   {code: codes.DeadlineExceeded},
	authz.Canceled:           {code: codes.Canceled},
	authz.Internal:           {code: codes.Internal},
	authz.Unauthenticated:    {code: codes.Unauthenticated},
	authz.Aborted:            {code: codes.Aborted, retry: 100 * time.Millisecond},
}

// A failure is an error as it leaves: a status, with its cause for traces.
type failure struct {
	status *status.Status
	cause  error
}

func (f *failure) Error() string              { return f.status.Err().Error() }
func (f *failure) GRPCStatus() *status.Status { return f.status }
func (f *failure) Unwrap() error              { return f.cause }

// failed turns any error into one that leaves. What has no place in the table is
// logged and becomes INTERNAL without its text. The details name the request, for
// whoever looks for it in the log.
func (d *door) failed(method, requestID string, err error) error {
	request := &errdetails.RequestInfo{RequestId: requestID}
	if own, ok := err.(interface{ GRPCStatus() *status.Status }); ok { // of gRPC, or unimplemented
		return &failure{withDetails(own.GRPCStatus(), request), err}
	}
	e := domainError(err)
	row, ok := errorTable[e.Code]
	if !ok || row.code == codes.Internal {
		d.log.Error("request failed", "method", method, "request", requestID, "error", err, "cause", causeOf(err))
		st := status.New(codes.Internal, "an internal error; the server's log has the details")
		return &failure{withDetails(st, request, &errdetails.ErrorInfo{Reason: "INTERNAL", Domain: domain}), err}
	}
	details := []protoadapt.MessageV1{request, errorInfo(e)}
	if e.Field != "" && row.code == codes.InvalidArgument {
		violation := &errdetails.BadRequest_FieldViolation{Field: e.Field, Description: e.Error()}
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{violation}})
	}
	if row.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(row.retry)})
	}
	return &failure{withDetails(status.New(row.code, e.Error()), details...), err}
}

func withDetails(st *status.Status, details ...protoadapt.MessageV1) *status.Status {
	if with, err := st.WithDetails(details...); err == nil {
		return with
	}
	return st
}

// domainError finds the core's error in err, or makes one of it.
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
	return &authz.Error{Code: authz.Internal, Reason: "INTERNAL", Message: "internal error", Err: err}
}

// causeOf returns what the text of a domain error leaves out, for the log.
func causeOf(err error) error {
	for e := (*authz.Error)(nil); errors.As(err, &e) && e.Err != nil; {
		err = e.Err
	}
	return err
}

func errorInfo(e *authz.Error) *errdetails.ErrorInfo {
	facts := maps.Clone(e.Metadata)
	if facts == nil {
		facts = map[string]string{}
	}
	for key, value := range map[string]string{"value": shorten(e.Value), "fix": e.Fix} {
		if value != "" {
			facts[key] = value
		}
	}
	return &errdetails.ErrorInfo{Reason: e.Reason, Domain: domain, Metadata: facts}
}

func shorten(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown-3], "") + "..."
}

// invalid says that a field of a request cannot be what it is. It does not quote
// the value, which may be a secret.
func invalid(field, message, fix string) *authz.Error {
	return &authz.Error{Code: authz.Invalid, Reason: "INVALID_FIELD", Field: field, Message: field + ": " + message, Fix: fix}
}

// unimplemented says why a method, or a part of one, is not there.
func unimplemented(why string) error {
	return status.Error(codes.Unimplemented, why)
}
