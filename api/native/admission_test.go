package native

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/internal/telemetry/recorded"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// right admits one key, whose name is "app".
func right(key string) (string, bool) { return "app", key == "right" }

func withKey(ctx context.Context, value string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", value)
}

func TestAdmission_WantsARightKey(t *testing.T) {
	conn := start(t, New(Config{Keys: right}))
	for value, want := range map[string]failure{
		"":             {codes.Unauthenticated, "NO_KEY", "", true},
		"right":        {codes.Unauthenticated, "NO_KEY", "", true},
		"Basic right":  {codes.Unauthenticated, "NO_KEY", "", true},
		"Bearer wrong": {codes.Unauthenticated, "WRONG_KEY", "", true},
		"Bearer ":      {codes.Unauthenticated, "WRONG_KEY", "", true},
		"Bearer right": {codes.InvalidArgument, "MISSING_FIELD", "object", true}, // admitted
		"bearer right": {codes.InvalidArgument, "MISSING_FIELD", "object", true},
	} {
		ctx := deadline(t)
		if value != "" {
			ctx = withKey(ctx, value)
		}
		_, err := pembav1.NewPermissionServiceClient(conn).Check(ctx, &pembav1.CheckRequest{})
		if got := failureOf(err); got != want {
			t.Errorf("%q: got %+v", value, got)
		}
	}
	twice := withKey(withKey(deadline(t), "Bearer right"), "Bearer right")
	if _, err := pembav1.NewPermissionServiceClient(conn).Check(twice, &pembav1.CheckRequest{}); failureOf(err).Reason != "NO_KEY" {
		t.Errorf("two keys: %v", err)
	}
}

// Every method refuses strangers, but for health and those that are listed here:
// a new one cannot be forgotten.
func TestAdmission_StandsAroundEveryMethod(t *testing.T) {
	s := New(Config{Keys: right})
	conn := start(t, s)
	for service, info := range s.grpc.GetServiceInfo() {
		if service == healthpb.Health_ServiceDesc.ServiceName {
			continue
		}
		for _, m := range info.Methods {
			name := "/" + service + "/" + m.Name
			if name == pembav1.ClusterService_Discover_FullMethodName {
				continue
			}
			stream, err := conn.NewStream(deadline(t), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, name)
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.RecvMsg(&pembav1.Error{}); status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := healthpb.NewHealthClient(conn).Check(deadline(t), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
}

func TestAdmission_LetsThoseWithAKeyReflectAndEcho(t *testing.T) {
	conn := start(t, New(Config{Keys: right}))
	ctx := withKey(deadline(t), "Bearer right")
	if _, err := pembav1.NewBenchServiceClient(conn).Echo(ctx, &pembav1.CheckRequest{}); err != nil {
		t.Errorf("echo: %v", err)
	}
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err == nil {
		err = stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	}
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Errorf("reflection: %v", err)
	}
}

func TestAdmission_ThoseWhoWriteAreCalledByTheirKey(t *testing.T) {
	var callers []authz.Caller
	desc := pembav1.TupleService_ServiceDesc
	desc.Methods = []grpc.MethodDesc{{MethodName: "Write", Handler: func(_ any, ctx context.Context, _ func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		callers = append(callers, callerOf(ctx))
		return nil, nil
	}}}
	for _, g := range []guard{{}, {keys: right}} {
		ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("authorization", "Bearer right"))
		if _, err := g.wrap(&desc).Methods[0].Handler(nil, ctx, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(callers) != 2 || callers[0].Name != "anonymous" || callers[1].Name != "app" {
		t.Errorf("got %v", callers)
	}
}

func TestGuard_AllocatesNothingWithoutKeys(t *testing.T) {
	desc := pembav1.PermissionService_ServiceDesc
	desc.Methods = []grpc.MethodDesc{{MethodName: "Check", Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
		return nil, nil
	}}}
	tracer, _ := recorded.New(0.000001)
	for name, c := range map[string]struct {
		guard guard
		most  float64
	}{
		"bare":      {guard{}, 0},
		"watched":   {guard{meter: newMeter(), tracer: tracer}, 0},
		"with keys": {guard{keys: right}, 1}, // gRPC copies the header's values
	} {
		handler := c.guard.wrap(&desc).Methods[0].Handler
		ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("authorization", "Bearer right"))
		if n := testing.AllocsPerRun(1000, func() { _, _ = handler(nil, ctx, nil, nil) }); n > c.most {
			t.Errorf("%s: a call allocates %v times, want %v", name, n, c.most)
		}
	}
}

func TestCertificateName_IsThatOfAVerifiedCertificate(t *testing.T) {
	spiffe, err := url.Parse("spiffe://example/billing")
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]*x509.Certificate{
		"cn":                       {Subject: pkix.Name{CommonName: "cn"}},
		"dns":                      {Subject: pkix.Name{CommonName: "cn"}, DNSNames: []string{"dns", "second"}},
		"spiffe://example/billing": {DNSNames: []string{"dns"}, URIs: []*url.URL{spiffe}},
	} {
		shown := tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
		if got := certificateName(credentials.TLSInfo{State: shown}); got != "" {
			t.Errorf("%s: %q is the name of one that is not verified", want, got)
		}
		shown.VerifiedChains = [][]*x509.Certificate{{c}}
		if got := certificateName(credentials.TLSInfo{State: shown}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
