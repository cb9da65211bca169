// Package native is the front door of pemba's own API, pemba.v1 over gRPC. It
// translates requests, answers and errors and decides nothing.
package native

import (
	"context"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	maxHeaderBytes   = 64 << 10         // metadata of one request
	connectTimeout   = 20 * time.Second // for the handshakes of a new connection
	keepaliveTime    = 2 * time.Minute  // an idle connection is probed after this
	keepaliveTimeout = 20 * time.Second // and cut when the probe is not answered
	keepaliveMinimum = 10 * time.Second // clients that probe more often are cut

	// streamWorkers is how many goroutines stay to handle requests, so that a walk
	// finds a stack that is large enough: in fresh goroutines the growing of
	// stacks took 17 % of the process's time. More requests at once get goroutines
	// of their own.
	streamWorkers = 128
)

// A Server serves pemba.v1, what other front doors add to it, gRPC health and
// reflection on any number of listeners. Its methods may be called from any goroutine.
type Server struct {
	grpc    *grpc.Server
	health  *health.Server
	names   []string // of the services that health knows, "" included
	streams *streams

	questions, changes *requestBytes

	// stopping is cancelled when Shutdown begins; it ends what has no end of its
	// own: watches, imports, streams of checks.
	stopping context.Context
	stop     context.CancelFunc
}

// New makes a Server. Its health is NOT_SERVING until SetReady(true).
func New(c Config) *Server {
	c = c.withDefaults()
	s := &Server{health: health.NewServer()}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.grpc = grpc.NewServer(s.options(c)...)

	g := guard{
		log: c.Log, keys: c.Keys, meter: c.Meter, tracer: c.Tracer,
		questions: newRequestBytes(c.MaxBytes), changes: newRequestBytes(c.MaxBytes), patience: c.MaxStall,
	}
	s.questions, s.changes = g.questions, g.changes
	s.streams = &streams{
		reads: make(chan struct{}, c.MaxReads), watches: make(chan struct{}, c.MaxWatches),
		stall: c.MaxStall, beat: c.Heartbeat, stopping: s.stopping,
	}
	b := base{service: c.Service, maxWait: c.MaxWait, streams: s.streams}
	s.grpc.RegisterService(g.wrap(permissionService()), newPermissionServer(b, g))
	s.grpc.RegisterService(g.wrap(&pembav1.TupleService_ServiceDesc), &tupleServer{base: b})
	s.grpc.RegisterService(g.wrap(&pembav1.SchemaService_ServiceDesc), &schemaServer{base: b})
	s.grpc.RegisterService(g.wrap(&pembav1.TenantService_ServiceDesc), &tenantServer{base: b})
	s.grpc.RegisterService(g.wrap(&pembav1.ClusterService_ServiceDesc), &clusterServer{base: b, version: c.Version})
	for _, m := range c.More {
		s.grpc.RegisterService(g.around(m).wrap(m.Desc), m.Impl)
	}
	admitting := registrar{s.grpc, g}
	pembav1.RegisterBenchServiceServer(admitting, newBenchServer())
	s.names = []string{""}
	for name := range s.grpc.GetServiceInfo() {
		s.names = append(s.names, name)
	}
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(admitting)
	s.SetReady(false)
	return s
}

// options returns gRPC's settings. There is no interceptor for unary calls: it
// would cost each of them two allocations; see guard.
func (s *Server) options(c Config) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(c.MaxRequestBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(uint32(c.MaxStreams)),
		grpc.ConnectionTimeout(connectTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMinimum, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.StreamInterceptor(s.endless),
		grpc.ForceServerCodecV2(countingCodec{}),
	}
	if c.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(c.TLS)))
	}
	return options
}

// Serve accepts connections until Shutdown, and then returns nil, or until lis
// fails. It closes lis.
func (s *Server) Serve(lis net.Listener) error {
	if err := s.grpc.Serve(lis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// SetReady tells gRPC health, for every service, whether this node answers.
// Requests are not refused by it: a node that is not ready refuses them itself.
func (s *Server) SetReady(ready bool) {
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if ready {
		state = healthpb.HealthCheckResponse_SERVING
	}
	for _, name := range s.names {
		s.health.SetServingStatus(name, state)
	}
}

// Stats says what is under way, and how much may be.
type Stats struct {
	Reads, MaxReads     int // reads, exports, lists, expansions, explanations, deletions
	Watches, MaxWatches int // watches, imports, streams of checks

	QuestionBytes, ChangeBytes int64 // of large requests: questions, all others
	MaxBytes                   int64 // of each
}

// Stats counts what is under way.
func (s *Server) Stats() Stats {
	return Stats{
		Reads: len(s.streams.reads), MaxReads: cap(s.streams.reads), Watches: len(s.streams.watches), MaxWatches: cap(s.streams.watches),
		QuestionBytes: s.questions.held.Load(), ChangeBytes: s.changes.held.Load(), MaxBytes: s.questions.most,
	}
}

// Shutdown reports NOT_SERVING, refuses new requests and waits for those under
// way. When ctx ends first it cuts them and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.health.Shutdown()
	s.stop()
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		return ctx.Err()
	}
}
