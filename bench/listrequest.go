package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// listRequest asks for all objects of a question's type on which its subject has
// its permission, or for all subjects of the subject's type that have it on its
// object, and reads the list to its end.
type listRequest struct {
	op       Op
	client   pb.PermissionServiceClient
	source   *Source
	random   *rand.Rand
	tenant   string
	question Question

	// Of the list under way.
	results int
	first   time.Time      // of the first result
	watched map[string]int // how often some ids that might be listed were; nil = not looked at
}

func newListRequest(l *Load, op Op, conn *grpc.ClientConn, source *Source, random *rand.Rand) *listRequest {
	return &listRequest{op: op, client: pb.NewPermissionServiceClient(conn), source: source, random: random, tenant: l.Tenant}
}

func (r *listRequest) prepare() { r.question = r.source.Next() }

func (r *listRequest) do(ctx context.Context, due time.Time, t *tally) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a list that is not read to its end
	r.results, r.first, r.watched = 0, time.Time{}, nil
	slot := t.sample.offer()
	if slot >= 0 {
		r.watch(t.sample.size)
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	if r.results == 0 {
		r.first = time.Now()
	}
	t.answered(due, r.results)
	record(t.first, r.first.Sub(due))
	if slot < 0 {
		return nil
	}
	kept, err := r.kept()
	t.sample.groups[slot] = kept
	return err
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
		return readList(r, stream, (*pb.ListObjectsResponse).GetObjects)
	}
	stream, err := r.client.ListSubjects(ctx, &pb.ListSubjectsRequest{
		Tenant: r.tenant, Object: &pb.Object{Type: q.Object.Type, Id: q.Object.ID},
		Permission: q.Permission, SubjectType: q.Subject.Type,
	})
	if err != nil {
		return err
	}
	return readList(r, stream, (*pb.ListSubjectsResponse).GetSubjects)
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
func readList[M any, P counted[M], R listed](r *listRequest, stream grpc.ServerStreamingClient[M], results func(*M) []R) error {
	count := int64(0)
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if count != int64(r.results) {
				return fmt.Errorf("the list has %d results and says %d", r.results, count)
			}
			return nil
		}
		if err != nil {
			return err
		}
		count = P(message).GetCount()
		part := results(message)
		if r.results == 0 && len(part) > 0 {
			r.first = time.Now()
		}
		r.results += len(part)
		for _, one := range part {
			if one.GetDecision() != pb.Decision_DECISION_ALLOWED {
				return fmt.Errorf("%s is listed with %s %s", one.GetId(), one.GetDecision(), one.GetError().GetMessage())
			}
			if r.watched == nil {
				continue
			}
			if n, ok := r.watched[one.GetId()]; ok {
				r.watched[one.GetId()] = n + 1
			}
		}
	}
}

// watch chooses n ids that might be listed.
func (r *listRequest) watch(n int) {
	o := &r.source.population.orgs[r.question.org]
	letter, count := o.candidates(&r.question, r.op)
	prefix := "o" + strconv.Itoa(o.index)
	r.watched = make(map[string]int, n)
	for range n {
		r.watched[id(prefix, letter, r.random.IntN(count))] = 0
	}
}

// candidates says of which kind, and how many, what a list about q may hold is.
func (o *org) candidates(q *Question, op Op) (letter byte, count int) {
	switch {
	case op == ListObjects:
		for _, k := range kinds {
			if k.typ == q.Object.Type {
				return k.letter, k.count(o)
			}
		}
	case q.Subject.Type == "user":
		return 'u', o.users
	}
	return 's', o.accounts
}

// kept are the decisions that the list implies for the watched ids.
func (r *listRequest) kept() ([]Answered, error) {
	var all []Answered
	for id, times := range r.watched {
		q := r.question
		if r.op == ListObjects {
			q.Object.ID = id
		} else {
			q.Subject = tuple.Subject{Type: q.Subject.Type, ID: id}
		}
		decision := pb.Decision_DECISION_DENIED
		switch {
		case times == 1:
			decision = pb.Decision_DECISION_ALLOWED
		case times > 1:
			return nil, fmt.Errorf("%s is listed %d times", id, times)
		}
		all = append(all, Answered{q, r.op, decision})
	}
	return all, nil
}

func (r *listRequest) String() string {
	q := &r.question
	if r.op == ListObjects {
		return fmt.Sprintf("list objects %s %s %s", q.Object.Type, q.Permission, q.Subject)
	}
	return fmt.Sprintf("list subjects %s %s %s", q.Object, q.Permission, q.Subject.Type)
}
