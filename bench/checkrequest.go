package bench

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// checkRequest asks one question with Check or Echo.
type checkRequest struct {
	call     func(context.Context, *pb.CheckRequest, ...grpc.CallOption) (*pb.CheckResponse, error)
	source   *Source
	tenant   string
	question Question
	message  *pb.CheckRequest
}

func newCheckRequest(l *Load, op Op, conn *grpc.ClientConn, source *Source) *checkRequest {
	r := &checkRequest{source: source, tenant: l.Tenant, call: pb.NewPermissionServiceClient(conn).Check}
	if op == Echo {
		r.call = pb.NewBenchServiceClient(conn).Echo
	}
	return r
}

func (r *checkRequest) prepare() {
	r.question = r.source.Next()
	r.message = r.question.Request(r.tenant)
}

func (r *checkRequest) do(ctx context.Context, due time.Time, t *tally) error {
	answer, err := r.call(ctx, r.message)
	if err != nil {
		return err
	}
	t.answered(due, 1)
	t.decision(answer.GetDecision())
	t.sample.keep(Answered{r.question, t.op, answer.GetDecision()})
	return nil
}

func (r *checkRequest) String() string { return r.question.String() }

// batchRequest asks several questions with BatchCheck or BatchEcho.
type batchRequest struct {
	call      func(context.Context, *pb.BatchCheckRequest, ...grpc.CallOption) (*pb.BatchCheckResponse, error)
	source    *Source
	tenant    string
	questions []Question
	message   *pb.BatchCheckRequest
}

func newBatchRequest(l *Load, op Op, conn *grpc.ClientConn, source *Source, size int) *batchRequest {
	r := &batchRequest{source: source, tenant: l.Tenant, questions: make([]Question, size)}
	r.call = pb.NewPermissionServiceClient(conn).BatchCheck
	if op == BatchEcho {
		r.call = pb.NewBenchServiceClient(conn).BatchEcho
	}
	return r
}

func (r *batchRequest) prepare() {
	for i := range r.questions {
		r.questions[i] = r.source.Next()
	}
	r.message = batchMessage(r.questions, r.tenant)
}

func batchMessage(questions []Question, tenant string) *pb.BatchCheckRequest {
	m := &pb.BatchCheckRequest{Tenant: tenant, Items: make([]*pb.BatchCheckItem, len(questions))}
	for i := range questions {
		m.Items[i] = questions[i].item()
	}
	return m
}

func (r *batchRequest) do(ctx context.Context, due time.Time, t *tally) error {
	answer, err := r.call(ctx, r.message)
	if err != nil {
		return err
	}
	t.answered(due, len(r.questions))
	return t.batch(r.questions, answer)
}

// batch enters the answer to a batch and keeps one of its decisions.
func (t *tally) batch(questions []Question, answer *pb.BatchCheckResponse) error {
	results := answer.GetResults()
	if len(results) != len(questions) {
		return fmt.Errorf("%d results for a batch of %d", len(results), len(questions))
	}
	for i, result := range results {
		if e := result.GetError(); e != nil {
			return statusOf(e, questions[i])
		}
		t.decision(result.GetDecision())
	}
	i := t.sample.random.IntN(len(questions))
	t.sample.keep(Answered{questions[i], t.op, results[i].GetDecision()})
	return nil
}

// statusOf is an error that is part of an answer, as the status that it would be
// by itself.
func statusOf(e *pb.Error, about Question) error {
	return status.Errorf(codes.Code(e.GetCode()), "%s: %s", about, e.GetMessage())
}

func (r *batchRequest) String() string {
	return fmt.Sprintf("a batch of %d that begins with %s", len(r.questions), r.questions[0])
}
