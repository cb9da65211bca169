package bench

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/proto/codec"
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

// batchRequest asks several questions with BatchCheck or BatchEcho. Its messages
// are used again, so that many questions cost what the server takes for them and
// not what the load generator does.
type batchRequest struct {
	conn      *grpc.ClientConn
	method    string
	source    *Source
	questions []Question
	message   codec.Batch
	answer    codec.BatchAnswer
}

func newBatchRequest(l *Load, op Op, conn *grpc.ClientConn, source *Source, size int) *batchRequest {
	r := &batchRequest{conn: conn, method: pb.PermissionService_BatchCheck_FullMethodName, source: source, questions: make([]Question, size)}
	r.message.Tenant, r.message.Items = l.Tenant, make([]codec.Question, size)
	if op == BatchEcho {
		r.method = pb.BenchService_BatchEcho_FullMethodName
	}
	return r
}

func (r *batchRequest) prepare() {
	for i := range r.questions {
		r.questions[i] = r.source.Next()
		r.message.Items[i] = r.questions[i].plain()
	}
}

// batchOptions are those of a call with messages of package codec.
var batchOptions = []grpc.CallOption{grpc.ForceCodecV2(codec.Codec{}), grpc.StaticMethod()}

func (r *batchRequest) do(ctx context.Context, due time.Time, t *tally) error {
	if err := r.conn.Invoke(ctx, r.method, &r.message, &r.answer, batchOptions...); err != nil {
		return err
	}
	t.answered(due, len(r.questions))
	results := r.answer.Results
	return t.batch(r.questions, len(results), func(i int) (pb.Decision, *pb.Error) { return results[i].Decision, results[i].Error })
}

// batchMessage is a batch as a message of the protobuf library.
func batchMessage(questions []Question, tenant string) *pb.BatchCheckRequest {
	m := &pb.BatchCheckRequest{Tenant: tenant, Items: make([]*pb.BatchCheckItem, len(questions))}
	for i := range questions {
		m.Items[i] = questions[i].item()
	}
	return m
}

// batch enters the answer to a batch, of n results, and keeps one of its decisions.
func (t *tally) batch(questions []Question, n int, result func(int) (pb.Decision, *pb.Error)) error {
	if n != len(questions) {
		return fmt.Errorf("%d results for a batch of %d", n, len(questions))
	}
	for i := range questions {
		decision, e := result(i)
		if e != nil {
			return statusOf(e, questions[i])
		}
		t.decision(decision)
	}
	i := t.sample.random.IntN(n)
	decision, _ := result(i)
	t.sample.keep(Answered{questions[i], t.op, decision})
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
