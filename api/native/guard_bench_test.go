package native

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/pemba-authz/pemba/internal/telemetry/recorded"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// BenchmarkGuard is what the guard costs a call. A unary call over loopback
// costs two processors some 30 us.
func BenchmarkGuard(b *testing.B) {
	tracer, _ := recorded.New(0)
	for _, c := range []struct {
		name  string
		guard guard
	}{
		{"bare", guard{}},
		{"measured", guard{meter: newMeter()}},
		{"measured and sampled", guard{meter: newMeter(), tracer: tracer}},
		{"with keys", guard{keys: right}},
	} {
		desc := pembav1.PermissionService_ServiceDesc
		desc.Methods = []grpc.MethodDesc{{MethodName: "Check", Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
			return nil, nil
		}}}
		handler := c.guard.wrap(&desc).Methods[0].Handler
		ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("authorization", "Bearer right"))
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = handler(nil, ctx, nil, nil)
				}
			})
		})
	}
}
