package native

import (
	"context"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// A guard stands around every method of a service, so that no method can forget
// it: it turns errors into statuses and a panic into INTERNAL. It is put around
// the handlers when they are registered; a call allocates nothing for it, where
// an interceptor allocates twice.
type guard struct {
	log *slog.Logger
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
	m.Handler = func(srv any, ctx context.Context, decode func(any) error, i grpc.UnaryServerInterceptor) (reply any, err error) {
		defer func() {
			if p := recover(); p != nil {
				reply, err = nil, g.panicked(name, p)
			}
		}()
		reply, err = inner(srv, ctx, decode, i)
		if err != nil {
			return nil, g.status(name, err)
		}
		return reply, nil
	}
	return m
}

func (g guard) stream(service string, s grpc.StreamDesc) grpc.StreamDesc {
	inner, name := s.Handler, service+"/"+s.StreamName
	s.Handler = func(srv any, stream grpc.ServerStream) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = g.panicked(name, p)
			}
		}()
		if err := inner(srv, stream); err != nil {
			return g.status(name, err)
		}
		return nil
	}
	return s
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

// A boundedStream is a stream with a shorter life.
type boundedStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s boundedStream) Context() context.Context { return s.ctx }
