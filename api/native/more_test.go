package native

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pemba-authz/pemba/authz"
)

// another is a service of another front door, which fails as it is told.
func another(name string, err error) MoreService {
	return MoreService{Impl: nil, Desc: &grpc.ServiceDesc{
		ServiceName: name, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Do", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			if err := decode(&emptypb.Empty{}); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, err
		}}},
	}}
}

// callAnother calls a service without a key.
func callAnother(t *testing.T, conn *grpc.ClientConn, name string) error {
	t.Helper()
	return conn.Invoke(deadline(t), "/"+name+"/Do", &emptypb.Empty{}, &emptypb.Empty{})
}

func TestMore_KeysAreAskedUnlessTheServiceDoes(t *testing.T) {
	plain, own := another("a.Plain", nil), another("a.Own", nil)
	own.SelfAuthenticating = true
	conn := start(t, New(Config{Keys: right, Log: discard, More: []MoreService{plain, own}}))
	if err := callAnother(t, conn, "a.Plain"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %v, want that a key is missing", err)
	}
	if err := conn.Invoke(withKey(deadline(t), "Bearer right"), "/a.Plain/Do", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
		t.Error(err)
	}
	if err := callAnother(t, conn, "a.Own"); err != nil {
		t.Error(err)
	}
}

// ownStatus is a status with a cause, as other front doors make them.
type ownStatus struct{ cause error }

func (e ownStatus) Error() string              { return e.GRPCStatus().String() }
func (e ownStatus) GRPCStatus() *status.Status { return status.New(codes.DataLoss, "theirs") }
func (e ownStatus) Unwrap() error              { return e.cause }

func TestMore_GuardedAsOurs(t *testing.T) {
	meter := newMeter()
	conn := start(t, New(Config{Log: discard, Meter: meter, More: []MoreService{
		another("a.Domain", &authz.Error{Code: authz.Aborted, Reason: "WHY", Message: "m"}),
		another("a.Unknown", errors.New("secret")),
		another("a.Status", ownStatus{&authz.Error{Code: authz.NotFound, Reason: "WHY"}}),
	}}))
	for name, want := range map[string]codes.Code{"a.Domain": codes.Aborted, "a.Unknown": codes.Internal, "a.Status": codes.DataLoss} {
		if err := callAnother(t, conn, name); status.Code(err) != want {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	if got := len(meter.Stats()); got != 3 {
		t.Errorf("%d methods were counted, want 3", got)
	}
}

func TestMore_TakesNoMoreThanItSays(t *testing.T) {
	m := another("a.Small", nil)
	m.MaxRequestBytes = 100
	conn := start(t, New(Config{Log: discard, More: []MoreService{m}}))
	send := func(n int) codes.Code {
		return status.Code(conn.Invoke(deadline(t), "/a.Small/Do", wrapperspb.Bytes(make([]byte, n)), &emptypb.Empty{}))
	}
	if got := send(98); got != codes.OK { // and two bytes before them
		t.Errorf("100 bytes: got %v", got)
	}
	if got := send(99); got != codes.InvalidArgument {
		t.Errorf("101 bytes: got %v, want INVALID_ARGUMENT", got)
	}
}

func TestMore_HealthKnowsThem(t *testing.T) {
	conn := start(t, New(Config{Log: discard, More: []MoreService{another("a.Plain", nil)}}))
	got, err := healthpb.NewHealthClient(conn).Check(deadline(t), &healthpb.HealthCheckRequest{Service: "a.Plain"})
	if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestMore_QuestionsShareTheirBytes(t *testing.T) {
	g := guard{questions: newRequestBytes(1), changes: newRequestBytes(2)}
	if got := g.around(MoreService{Question: true}).bytesOf("a.Asks"); got != g.questions {
		t.Error("a service that asks takes of the bytes for changes")
	}
	if got := g.around(MoreService{}).bytesOf("a.Changes"); got != g.changes {
		t.Error("a service that changes takes of the bytes for questions")
	}
}
