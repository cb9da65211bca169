package native

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// start serves s on loopback and returns a connection to it; both end with t.
func start(t testing.TB, s *Server) *grpc.ClientConn {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	// A fixed window, so that a client that does not read holds the server up.
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return conn
}

// deadline returns a context that bounds a test's request.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestServer_HealthFollowsReadiness(t *testing.T) {
	s := New(Config{})
	health := healthpb.NewHealthClient(start(t, s))
	services := []string{"", "pemba.v1.PermissionService", "pemba.v1.TupleService", "pemba.v1.SchemaService", "pemba.v1.ClusterService"}
	for _, step := range []struct {
		ready bool
		want  healthpb.HealthCheckResponse_ServingStatus
	}{
		{false, healthpb.HealthCheckResponse_NOT_SERVING},
		{true, healthpb.HealthCheckResponse_SERVING},
		{false, healthpb.HealthCheckResponse_NOT_SERVING},
	} {
		s.SetReady(step.ready)
		for _, name := range services {
			reply, err := health.Check(deadline(t), &healthpb.HealthCheckRequest{Service: name})
			if err != nil || reply.GetStatus() != step.want {
				t.Errorf("ready %v: health of %q is %v, %v", step.ready, name, reply.GetStatus(), err)
			}
		}
	}
}

func TestServer_ShutdownTellsWatchersAndEndsThem(t *testing.T) {
	s := New(Config{})
	conn := start(t, s)
	s.SetReady(true)
	watch, err := healthpb.NewHealthClient(conn).Watch(deadline(t), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := watch.Recv(); err != nil || first.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("got %v, %v", first, err)
	}
	if err := s.Shutdown(deadline(t)); err != nil {
		t.Errorf("shut down beside an open watch: %v", err)
	}
	for err == nil {
		_, err = watch.Recv()
	}
	if status.Code(err) == codes.DeadlineExceeded {
		t.Errorf("the watch outlived the server: %v", err)
	}
	if _, err := pembav1.NewBenchServiceClient(conn).Echo(deadline(t), &pembav1.CheckRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a request after shutdown: %v", err)
	}
}

func TestServer_ShutdownCutsWhatOutlivesItsDeadline(t *testing.T) {
	s := New(Config{})
	conn := start(t, s)
	// A reflection stream stays open for as long as its client likes.
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	list := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(list); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); err != context.Canceled {
		t.Errorf("got %v, want the context's error", err)
	}
	if _, err := stream.Recv(); err == nil {
		t.Error("the stream outlived the server")
	}
}

func TestServer_ReflectionListsTheServices(t *testing.T) {
	conn := start(t, New(Config{}))
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	list := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(list); err != nil {
		t.Fatal(err)
	}
	reply, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range reply.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, want := range []string{"pemba.v1.PermissionService", "pemba.v1.TupleService", "grpc.health.v1.Health"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not in %v", want, names)
		}
	}
}

func TestServer_OversizeMessageNamesBothSizes(t *testing.T) {
	conn := start(t, New(Config{}))
	request := &pembav1.CheckRequest{ContextJson: strings.Repeat("x", 17<<20)}
	_, err := pembav1.NewPermissionServiceClient(conn).Check(deadline(t), request)
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "16777216") {
		t.Errorf("got %v", err)
	}
}

func TestServer_HandlerPanicReachesTheClientAsInternal(t *testing.T) {
	// Without a service every question panics.
	conn := start(t, New(Config{Log: slog.New(slog.DiscardHandler)}))
	reply, err := pembav1.NewPermissionServiceClient(conn).Check(deadline(t), asks(t, "doc:readme#view@user:ann"))
	if status.Code(err) != codes.Internal || reply.GetDecision() != pembav1.Decision_DECISION_UNSPECIFIED {
		t.Errorf("got %v, %v", reply, err)
	}
}
