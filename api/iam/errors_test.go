package iam

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/authz"
)

// failing turns an error into a status and returns what was logged.
func failing(err error) (*status.Status, string) {
	var log bytes.Buffer
	d := &door{log: slog.New(slog.NewTextHandler(&log, nil))}
	return status.Convert(d.failed("/s/M", "request-1", err)), log.String()
}

// detail returns the detail of a type.
func detail[T any](st *status.Status) (found T) {
	for _, d := range st.Details() {
		if is, ok := d.(T); ok {
			found = is
		}
	}
	return found
}

func TestErrors_HaveTheirCodes(t *testing.T) {
	want := map[authz.Code]codes.Code{
		authz.Invalid: codes.InvalidArgument, authz.NotFound: codes.NotFound, authz.AlreadyExists: codes.AlreadyExists,
		authz.FailedPrecondition: codes.FailedPrecondition, authz.OutOfRange: codes.OutOfRange, authz.PermissionDenied: codes.PermissionDenied,
		authz.Unavailable: codes.Unavailable, authz.ResourceExhausted: codes.ResourceExhausted, authz.UnknownOutcome: codes.Unknown,
		authz.DeadlineExceeded: codes.DeadlineExceeded, authz.Canceled: codes.Canceled, authz.Internal: codes.Internal,
		authz.Unauthenticated: codes.Unauthenticated, authz.Aborted: codes.Aborted,
	}
	for code, grpcCode := range want {
		if st, _ := failing(fmt.Errorf("wrapped: %w", &authz.Error{Code: code, Reason: "WHY", Message: "m"})); st.Code() != grpcCode {
			t.Errorf("%v: got %v, want %v", code, st.Code(), grpcCode)
		}
	}
	if len(errorTable) != len(want) {
		t.Errorf("the table has %d codes, this test %d", len(errorTable), len(want))
	}
	for err, code := range map[error]codes.Code{context.DeadlineExceeded: codes.DeadlineExceeded, context.Canceled: codes.Canceled} {
		if st, _ := failing(err); st.Code() != code {
			t.Errorf("%v: got %v", err, st.Code())
		}
	}
}

func TestErrors_CarryDetails(t *testing.T) {
	st, _ := failing(&authz.Error{
		Code: authz.Invalid, Reason: "INVALID_FIELD", Field: "name", Value: strings.Repeat("v", 1000), Message: "no name", Fix: "name it",
		Metadata: map[string]string{"resource": "r"},
	})
	if got := detail[*errdetails.RequestInfo](st).GetRequestId(); got != "request-1" {
		t.Errorf("the request is %q", got)
	}
	info := detail[*errdetails.ErrorInfo](st)
	if info.GetReason() != "INVALID_FIELD" || info.GetDomain() != domain || info.GetMetadata()["resource"] != "r" || len(info.GetMetadata()["value"]) != maxShown {
		t.Errorf("got %v", info)
	}
	if v := detail[*errdetails.BadRequest](st).GetFieldViolations(); len(v) != 1 || v[0].GetField() != "name" {
		t.Errorf("got %v", v)
	}
	if st, _ := failing(&authz.Error{Code: authz.Aborted, Reason: "TOO_BUSY", Message: "m"}); detail[*errdetails.RetryInfo](st) == nil {
		t.Errorf("got %v, want when to try again", st)
	}
}

func TestErrors_InternalOnesLeakNothing(t *testing.T) {
	for _, err := range []error{
		errors.New("secret detail"),
		&authz.Error{Code: authz.Internal, Reason: "INTERNAL", Message: "internal error", Err: errors.New("secret detail")},
	} {
		st, log := failing(err)
		if st.Code() != codes.Internal || strings.Contains(st.String(), "secret") {
			t.Errorf("got %v, want INTERNAL without the cause", st)
		}
		if !strings.Contains(log, "secret detail") || !strings.Contains(log, "request-1") {
			t.Errorf("the log lacks the cause or the request: %s", log)
		}
	}
}

func TestErrors_KeepTheirCauseForTraces(t *testing.T) {
	d := &door{log: discard}
	var e *authz.Error
	if err := d.failed("/s/M", "r", &authz.Error{Code: authz.NotFound, Reason: "WHY"}); !errors.As(err, &e) || e.Reason != "WHY" {
		t.Errorf("got %v", err)
	}
}

func TestErrors_UnimplementedSaysWhy(t *testing.T) {
	st, _ := failing(unimplemented("no such thing"))
	if st.Code() != codes.Unimplemented || st.Message() != "no such thing" || detail[*errdetails.RequestInfo](st) == nil {
		t.Errorf("got %v", st)
	}
}
