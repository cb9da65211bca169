package native

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A failingServer fails each method as fail does.
type failingServer struct {
	pembav1.UnimplementedPermissionServiceServer
	pembav1.UnimplementedTupleServiceServer
	fail func() error
}

func (s failingServer) Check(context.Context, *pembav1.CheckRequest) (*pembav1.CheckResponse, error) {
	return &pembav1.CheckResponse{Decision: pembav1.Decision_DECISION_ALLOWED}, s.fail()
}

func (s failingServer) Read(*pembav1.ReadRequest, grpc.ServerStreamingServer[pembav1.ReadResponse]) error {
	return s.fail()
}

// callGuarded calls Check and Read behind a guard and returns their replies and
// what was logged.
func callGuarded(fail func() error) (reply any, logged string, checkErr, readErr error) {
	var log bytes.Buffer
	g := guard{log: slog.New(slog.NewTextHandler(&log, nil))}
	server := failingServer{fail: fail}
	check := g.wrap(&pembav1.PermissionService_ServiceDesc).Methods[0]
	reply, checkErr = check.Handler(server, context.Background(), func(any) error { return nil }, nil)
	read := g.stream("s", grpc.StreamDesc{StreamName: "Read", Handler: func(any, grpc.ServerStream) error { return server.Read(nil, nil) }})
	readErr = read.Handler(server, nil)
	return reply, log.String(), checkErr, readErr
}

func TestGuard_PanicIsInternalAndNeverAllowed(t *testing.T) {
	reply, logged, checkErr, readErr := callGuarded(func() error { panic("secret detail") })
	if reply != nil {
		t.Errorf("got reply %v after a panic", reply)
	}
	for _, err := range []error{checkErr, readErr} {
		if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want INTERNAL without the panic's text", err)
		}
	}
	if !strings.Contains(logged, "secret detail") || !strings.Contains(logged, "guard_test.go") {
		t.Errorf("the log lacks the panic or its stack: %s", logged)
	}
}

func TestGuard_UnknownErrorLeaksNothing(t *testing.T) {
	reply, logged, checkErr, readErr := callGuarded(func() error { return errors.New("secret detail") })
	if reply != nil {
		t.Errorf("got reply %v with an error", reply)
	}
	for _, err := range []error{checkErr, readErr} {
		if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want INTERNAL without the error's text", err)
		}
	}
	if !strings.Contains(logged, "secret detail") {
		t.Errorf("the log lacks the error: %s", logged)
	}
}

func TestGuard_TableCoversEveryCode(t *testing.T) {
	want := map[authz.Code]codes.Code{
		authz.Invalid:            codes.InvalidArgument,
		authz.NotFound:           codes.NotFound,
		authz.AlreadyExists:      codes.AlreadyExists,
		authz.FailedPrecondition: codes.FailedPrecondition,
		authz.OutOfRange:         codes.OutOfRange,
		authz.PermissionDenied:   codes.PermissionDenied,
		authz.Unavailable:        codes.Unavailable,
		authz.ResourceExhausted:  codes.ResourceExhausted,
		authz.UnknownOutcome:     codes.Unknown,
		authz.DeadlineExceeded:   codes.DeadlineExceeded,
		authz.Canceled:           codes.Canceled,
		authz.Internal:           codes.Internal,
		authz.Unauthenticated:    codes.Unauthenticated,
		authz.Aborted:            codes.Aborted,
	}
	for code, grpcCode := range want {
		_, _, err, _ := callGuarded(func() error { return &authz.Error{Code: code, Reason: "WHY", Message: "m"} })
		if got := status.Code(err); got != grpcCode {
			t.Errorf("%v: got %v, want %v", code, got, grpcCode)
		}
	}
	if len(errorTable) != len(want) {
		t.Errorf("the table has %d codes, this test %d", len(errorTable), len(want))
	}
}

func TestGuard_StatusCarriesTheDetails(t *testing.T) {
	_, _, err, _ := callGuarded(func() error {
		return &authz.Error{
			Code: authz.Unavailable, Reason: "NO_LEADER", Field: "consistency", Value: strings.Repeat("v", 1000),
			Message: "no leader", Fix: "try again", Metadata: map[string]string{"node": "n1"},
		}
	})
	var info *errdetails.ErrorInfo
	var bad *errdetails.BadRequest
	var retry *errdetails.RetryInfo
	for _, d := range status.Convert(err).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.BadRequest:
			bad = d
		case *errdetails.RetryInfo:
			retry = d
		}
	}
	if info.GetReason() != "NO_LEADER" || info.GetDomain() != domain || info.GetMetadata()["node"] != "n1" ||
		info.GetMetadata()["fix"] != "try again" || len(info.GetMetadata()["value"]) != maxShown {
		t.Errorf("got ErrorInfo %v", info)
	}
	if v := bad.GetFieldViolations(); len(v) != 1 || v[0].GetField() != "consistency" || v[0].GetDescription() != "no leader: try again" {
		t.Errorf("got BadRequest %v", bad)
	}
	if retry.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("got RetryInfo %v", retry)
	}
}
