package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// listRequest asks for all objects of a question's type on which its subject has
// its permission, or for all subjects of the subject's type that have it on its
// object, and reads the list to its end.
type listRequest struct {
	op       Op
	client   pb.PermissionServiceClient
	source   *Source
	tenant   string
	question Question
	list     listing
}

func newListRequest(l *Load, op Op, conn *grpc.ClientConn, source *Source, random *rand.Rand) *listRequest {
	return &listRequest{
		op: op, client: pb.NewPermissionServiceClient(conn), source: source, tenant: l.Tenant,
		list: listing{population: source.population, op: op, random: random},
	}
}

func (r *listRequest) prepare() { r.question = r.source.Next() }

func (r *listRequest) do(ctx context.Context, due time.Time, t *tally) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a list that is not read to its end
	slot := r.list.begin(r.question, t)
	if err := r.read(ctx); err != nil {
		return err
	}
	return r.list.end(due, slot, t)
}

func (r *listRequest) read(ctx context.Context) error {
	q := &r.question
	if r.op == ListObjects {
		stream, err := r.client.ListObjects(ctx, &pb.ListObjectsRequest{
			Tenant: r.tenant, Type: q.Object.Type, Permission: q.Permission, Subject: subjectMessage(q.Subject),
		})
		if err != nil {
			return err
		}
		return readList(&r.list, stream, (*pb.ListObjectsResponse).GetObjects)
	}
	stream, err := r.client.ListSubjects(ctx, &pb.ListSubjectsRequest{
		Tenant: r.tenant, Object: &pb.Object{Type: q.Object.Type, Id: q.Object.ID},
		Permission: q.Permission, SubjectType: q.Subject.Type,
	})
	if err != nil {
		return err
	}
	return readList(&r.list, stream, (*pb.ListSubjectsResponse).GetSubjects)
}

// listed is one result of either list.
type listed interface {
	GetId() string
	GetDecision() pb.Decision
	GetError() *pb.Error
}

// counted is one message of either list.
type counted[M any] interface {
	*M
	GetCount() int64
}

// readList reads a list to its end. Populations have neither caveats nor
// wildcards, so every result is allowed.
func readList[M any, P counted[M], R listed](l *listing, stream grpc.ServerStreamingClient[M], results func(*M) []R) error {
	count := int64(0)
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if count != int64(l.results) {
				return fmt.Errorf("the list has %d results and says %d", l.results, count)
			}
			return nil
		}
		if err != nil {
			return err
		}
		count = P(message).GetCount()
		for _, one := range results(message) {
			if one.GetDecision() != pb.Decision_DECISION_ALLOWED {
				return fmt.Errorf("%s is listed with %s %s", one.GetId(), one.GetDecision(), one.GetError().GetMessage())
			}
			l.add(one.GetId())
		}
	}
}

func (r *listRequest) String() string {
	q := &r.question
	if r.op == ListObjects {
		return fmt.Sprintf("list objects %s %s %s", q.Object.Type, q.Permission, q.Subject)
	}
	return fmt.Sprintf("list subjects %s %s %s", q.Object, q.Permission, q.Subject.Type)
}
