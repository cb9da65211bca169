package native

import (
	"math"
	"slices"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/internal/telemetry"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A permissionServer is pemba.v1.PermissionService.
type permissionServer struct {
	pembav1.UnimplementedPermissionServiceServer
	base
	guard   guard
	checks  *telemetry.Method // questions of streams
	batches *telemetry.Method // batches of streams
	frames  *telemetry.Method // frames of streams
}

// permissionService is PermissionService with handlers for checks that do not
// make objects of the protobuf library.
func permissionService() *grpc.ServiceDesc {
	desc := pembav1.PermissionService_ServiceDesc
	desc.Methods, desc.Streams = slices.Clone(desc.Methods), slices.Clone(desc.Streams)
	for i := range desc.Methods {
		switch m := &desc.Methods[i]; m.MethodName {
		case "Check":
			m.Handler = serveCheck
		case "BatchCheck":
			m.Handler = serveBatch
		}
	}
	for i := range desc.Streams {
		if m := &desc.Streams[i]; m.StreamName == "StreamCheck" {
			m.Handler = serveStream
		}
	}
	return &desc
}

func newPermissionServer(b base, g guard) *permissionServer {
	service := pembav1.PermissionService_ServiceDesc.ServiceName
	return &permissionServer{
		base: b, guard: g,
		checks:  g.meter.Method(service, "StreamCheck/Check", false),
		batches: g.meter.Method(service, "StreamCheck/BatchCheck", false),
		frames:  g.meter.Method(service, "StreamCheck/Frame", false),
	}
}

// decisionOf translates a decision; one that it does not know is none.
func decisionOf(d authz.Decision) pembav1.Decision {
	switch d {
	case authz.Allowed:
		return pembav1.Decision_DECISION_ALLOWED
	case authz.Conditional:
		return pembav1.Decision_DECISION_CONDITIONAL
	case authz.Denied:
		return pembav1.Decision_DECISION_DENIED
	}
	return pembav1.Decision_DECISION_UNSPECIFIED
}

func count(n int) int32 { return int32(min(n, math.MaxInt32)) }

// seconds splits Unix nanoseconds as google.protobuf.Timestamp has them.
func seconds(ns int64) (s int64, rest int32) {
	s, rest = ns/1e9, int32(ns%1e9)
	if rest < 0 {
		s, rest = s-1, rest+1e9
	}
	return s, rest
}
