package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// liveWrites is how many of its writes a caller leaves in the store, before each
// further one is followed by the deletion of the oldest.
const liveWrites = 32

// writeRequest touches tuples and deletes them again. They are of objects and users
// of their own, so that no question about the population that is measured changes
// its answer.
type writeRequest struct {
	client  pb.TupleServiceClient
	scratch func(object, subject string) tuple.Tuple
	tenant  string
	prefix  string
	batch   int
	touched int // requests
	deleted int
	message *pb.WriteRequest
}

// writers numbers the callers that write, so that they do not share tuples.
var writers atomic.Uint64

func newWriteRequest(l *Load, conn *grpc.ClientConn, batch int) *writeRequest {
	return &writeRequest{
		client: pb.NewTupleServiceClient(conn), scratch: l.Questions.population.Scratch,
		tenant: l.Tenant, prefix: writerPrefix(), batch: batch,
	}
}

// writerPrefix begins the ids of one writer's tuples.
func writerPrefix() string {
	return "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.FormatUint(writers.Add(1), 36)
}

func (r *writeRequest) prepare() {
	if r.touched-r.deleted > liveWrites {
		r.message = r.write(pb.Update_OPERATION_DELETE, r.deleted)
	} else {
		r.message = r.write(pb.Update_OPERATION_TOUCH, r.touched)
	}
}

// write is the n-th request of an operation, with an id of its own.
func (r *writeRequest) write(op pb.Update_Operation, n int) *pb.WriteRequest {
	m := &pb.WriteRequest{Tenant: r.tenant, Updates: make([]*pb.Update, r.batch), RequestId: uuid.Must(uuid.NewV7()).String()}
	for i := range m.Updates {
		number := strconv.Itoa(n*r.batch + i)
		user := strconv.Itoa((n*r.batch + i) % 100)
		m.Updates[i] = &pb.Update{Operation: op, Tuple: tupleMessage(r.scratch(r.prefix+"-i"+number, r.prefix+"-u"+user))}
	}
	return m
}

func (r *writeRequest) do(ctx context.Context, due time.Time, t *tally) error {
	// Counted before the outcome is known: cleanUp deletes what may be there.
	if r.message.Updates[0].Operation == pb.Update_OPERATION_DELETE {
		r.deleted++
	} else {
		r.touched++
	}
	if _, err := r.client.Write(ctx, r.message); err != nil {
		return err
	}
	t.answered(due, r.batch)
	return nil
}

// cleanUpBatch is how many tuples are deleted atomically at the end.
const cleanUpBatch = 1000

// cleanUp deletes what is left.
func (r *writeRequest) cleanUp(ctx context.Context) error {
	var left []*pb.Update
	for n := max(0, r.deleted-1); n < r.touched; n++ {
		left = append(left, r.write(pb.Update_OPERATION_DELETE, n).Updates...)
	}
	for part := range slices.Chunk(left, cleanUpBatch) {
		if _, err := r.client.Write(ctx, &pb.WriteRequest{Tenant: r.tenant, Updates: part}); err != nil {
			return err
		}
	}
	return nil
}

func (r *writeRequest) String() string {
	return fmt.Sprintf("write of %d tuples", r.batch)
}
