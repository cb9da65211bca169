package native

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/authz"
)

func TestGuard_LogsTheCauseAndTellsItNobody(t *testing.T) {
	_, logged, checkErr, _ := callGuarded(func() error {
		return &authz.Error{Code: authz.Internal, Reason: "INTERNAL", Message: "internal error", Err: errors.New("the secret cause")}
	})
	if status.Code(checkErr) != codes.Internal || strings.Contains(checkErr.Error(), "secret") {
		t.Errorf("got %v, want INTERNAL without the cause", checkErr)
	}
	if !strings.Contains(logged, "the secret cause") {
		t.Errorf("the log lacks the cause: %s", logged)
	}
}
