package native

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/internal/telemetry"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A guard stands around every method of a service, so that no method can forget
// it: it admits callers, bounds what their requests take, measures and traces, and
// turns errors into statuses and a panic into INTERNAL. It is put around the handlers when they are registered;
// a call allocates nothing for it, where an interceptor allocates twice. Keys
// cost one small allocation.
type guard struct {
	log    *slog.Logger
	keys   Keys              // nil = everybody is admitted
	meter  *telemetry.Meter  // nil = nothing is measured
	tracer *telemetry.Tracer // nil = nothing is traced

	question           bool          // what it stands around asks and changes nothing
	most               int           // bytes of one of its requests; 0 = as many as gRPC receives
	questions, changes *requestBytes // of services that ask, of all others
	patience           time.Duration // of streams that wait for them
}

// asks reports whether a service only asks for permissions.
func (g guard) asks(service string) bool {
	return g.question || service == pembav1.PermissionService_ServiceDesc.ServiceName
}

// bytesOf returns the bound that a service's requests share. Questions have one
// of their own, so that imports do not hold them up.
func (g guard) bytesOf(service string) *requestBytes {
	if g.asks(service) {
		return g.questions
	}
	return g.changes
}

// wrap returns desc with each handler guarded.
func (g guard) wrap(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	guarded := *desc
	guarded.Methods = nil
	for _, m := range desc.Methods {
		guarded.Methods = append(guarded.Methods, g.method(desc.ServiceName, m))
	}
	guarded.Streams = nil
	for _, s := range desc.Streams {
		guarded.Streams = append(guarded.Streams, g.stream(desc.ServiceName, s))
	}
	return &guarded
}

func (g guard) method(service string, m grpc.MethodDesc) grpc.MethodDesc {
	inner, name := m.Handler, service+"/"+m.MethodName
	measured := g.meter.Method(service, m.MethodName, false)
	admit, bytes := g.admission(service, m.MethodName), g.bytesOf(service)
	m.Handler = func(srv any, ctx context.Context, decode func(any) error, i grpc.UnaryServerInterceptor) (reply any, err error) {
		call := measured.Begin()
		var span telemetry.Span
		defer func() {
			if p := recover(); p != nil {
				reply, err = nil, g.panicked(name, p)
			}
			end(call, span, err)
		}()
		ctx, caller, err := admit(ctx)
		if err != nil {
			return nil, err
		}
		if ctx, span = g.tracer.Request(ctx, service, m.MethodName); span.Traced() {
			span.Text("pemba.caller", caller)
		}
		request := newUnaryCall(bytes, g.most, decode)
		defer request.end()
		reply, err = inner(srv, ctx, request.receive, i)
		if err != nil {
			return nil, g.failed(span, name, err)
		}
		return reply, nil
	}
	return m
}

func (g guard) stream(service string, s grpc.StreamDesc) grpc.StreamDesc {
	inner, name := s.Handler, service+"/"+s.StreamName
	measured := g.meter.Method(service, s.StreamName, true)
	admit, bytes := g.admission(service, s.StreamName), g.bytesOf(service)
	tracer := g.tracer
	if "/"+name == pembav1.PermissionService_StreamCheck_FullMethodName {
		tracer = nil // its questions have traces of their own
	}
	s.Handler = func(srv any, stream grpc.ServerStream) (err error) {
		call := measured.Begin()
		var span telemetry.Span
		defer func() {
			if p := recover(); p != nil {
				err = g.panicked(name, p)
			}
			end(call, span, err)
		}()
		ctx, caller, err := admit(stream.Context())
		if err != nil {
			return err
		}
		if ctx, span = tracer.Request(ctx, service, s.StreamName); span.Traced() {
			span.Text("pemba.caller", caller)
		}
		counted := newCountedStream(stream, ctx, bytes, g.patience)
		defer counted.end()
		if err := inner(srv, counted); err != nil {
			return g.failed(span, name, err)
		}
		return nil
	}
	return s
}

// failed is status, and says to the span why.
func (g guard) failed(span telemetry.Span, name string, err error) error {
	if span.Traced() {
		span.Failed(domainError(err).Reason)
	}
	return g.status(name, err)
}

// end says how a request ended.
func end(call telemetry.Call, span telemetry.Span, err error) {
	code := status.Code(err)
	if span.Traced() {
		span.Int("rpc.grpc.status_code", int64(code))
		span.End()
	}
	call.End(uint32(code))
}

// panicked logs p with its stack and returns what the client sees.
func (g guard) panicked(name string, p any) error {
	g.log.Error("request panicked", "method", name, "panic", p, "stack", string(debug.Stack()))
	return internalStatus().Err()
}

// endless bounds health watches, which have no end of their own, by the server's
// life, so that Shutdown need not cut them.
func (s *Server) endless(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if info.FullMethod != healthpb.Health_Watch_FullMethodName {
		return handler(srv, stream)
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	return handler(srv, boundedStream{stream, ctx})
}

// A boundedStream is a stream with a context of a shorter life.
type boundedStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s boundedStream) Context() context.Context { return s.ctx }
