package native

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A benchServer is the baseline of a load generator. It is registered without a
// guard: nothing stands between gRPC and the reply.
type benchServer struct {
	pembav1.UnimplementedBenchServiceServer
	reply  *pembav1.CheckResponse    // shared by all calls, never changed
	result *pembav1.BatchCheckResult // the same
}

// newBenchServer prepares a reply as long as that of a typical Check.
func newBenchServer() *benchServer {
	return &benchServer{reply: &pembav1.CheckResponse{
		Work:         &pembav1.Work{Steps: 12, Reads: 8},
		Token:        strings.Repeat("x", 40),
		DecisionTime: timestamppb.New(time.Unix(1_700_000_000, 123_456_789)),
	}, result: &pembav1.BatchCheckResult{Decision: pembav1.Decision_DECISION_ALLOWED, Work: &pembav1.Work{Steps: 12, Reads: 8}}}
}

// Echo returns the prepared reply.
func (s *benchServer) Echo(context.Context, *pembav1.CheckRequest) (*pembav1.CheckResponse, error) {
	return s.reply, nil
}

// BatchEcho returns a prepared result for each item.
func (s *benchServer) BatchEcho(_ context.Context, r *pembav1.BatchCheckRequest) (*pembav1.BatchCheckResponse, error) {
	reply := &pembav1.BatchCheckResponse{Results: make([]*pembav1.BatchCheckResult, len(r.GetItems())), Token: s.reply.GetToken(), DecisionTime: s.reply.GetDecisionTime()}
	for i := range reply.Results {
		reply.Results[i] = s.result
	}
	return reply, nil
}

// StreamEcho returns a prepared reply for each message, in the order in which
// they come.
func (s *benchServer) StreamEcho(stream grpc.BidiStreamingServer[pembav1.StreamCheckRequest, pembav1.StreamCheckResponse]) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		reply := &pembav1.StreamCheckResponse{Id: request.GetId()}
		if batch := request.GetBatch(); batch != nil {
			results, _ := s.BatchEcho(stream.Context(), batch)
			reply.Answer = &pembav1.StreamCheckResponse_Batch{Batch: results}
		} else {
			reply.Answer = &pembav1.StreamCheckResponse_Check{Check: s.reply}
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
}
