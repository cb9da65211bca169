package native

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A benchServer is the baseline of a load generator. It is registered without a
// guard: nothing stands between gRPC and the reply.
type benchServer struct {
	pembav1.UnimplementedBenchServiceServer
	reply *pembav1.CheckResponse // shared by all calls, never changed
}

// newBenchServer prepares a reply as long as that of a typical Check.
func newBenchServer() *benchServer {
	return &benchServer{reply: &pembav1.CheckResponse{
		Work:         &pembav1.Work{Steps: 12, Reads: 8},
		Token:        strings.Repeat("x", 40),
		DecisionTime: timestamppb.New(time.Unix(1_700_000_000, 123_456_789)),
	}}
}

// Echo returns the prepared reply.
func (s *benchServer) Echo(context.Context, *pembav1.CheckRequest) (*pembav1.CheckResponse, error) {
	return s.reply, nil
}
