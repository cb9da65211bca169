package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// Installed says how a population came onto a server.
type Installed struct {
	Tuples    int     `json:"tuples"`
	Seconds   float64 `json:"seconds"` // of the import
	PerSecond float64 `json:"per_second"`

	// Resident memory of a server that is known, in bytes; 0 = not known.
	MemoryBefore int64 `json:"memory_before,omitempty"`
	MemoryAfter  int64 `json:"memory_after,omitempty"`
}

// Install writes the schema of p and then, as one import, its tuples; those that
// are there already are replaced.
func (p *Population) Install(ctx context.Context, conn grpc.ClientConnInterface, tenant string) (Installed, error) {
	if err := p.writeSchema(ctx, conn, tenant); err != nil {
		return Installed{}, err
	}
	start := time.Now()
	if err := p.send(ctx, conn, tenant); err != nil {
		return Installed{}, fmt.Errorf("import the population: %w", err)
	}
	took := time.Since(start).Seconds()
	return Installed{Tuples: p.Size(), Seconds: took, PerSecond: float64(p.Size()) / took}, nil
}

func (p *Population) writeSchema(ctx context.Context, conn grpc.ClientConnInterface, tenant string) error {
	schema, err := p.Schema()
	if err != nil {
		return err
	}
	request := &pb.WriteSchemaRequest{Tenant: tenant, Schema: schema}
	if _, err := pb.NewSchemaServiceClient(conn).WriteSchema(ctx, request); err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	return nil
}

// importBatch is how many tuples are written atomically: a few hundred KiB, far
// below what a write may hold.
const importBatch = 4000

// send imports the tuples and returns when the last is durable.
func (p *Population) send(ctx context.Context, conn grpc.ClientConnInterface, tenant string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pb.NewTupleServiceClient(conn).Import(ctx)
	if err != nil {
		return err
	}
	answered := make(chan error, 1)
	go func() { answered <- awaitImport(stream) }()
	if p.sendAll(stream, tenant) == nil {
		_ = stream.CloseSend()
	} // else the stream has ended, and the reason is in the answer
	return <-answered
}

type importStream = grpc.BidiStreamingClient[pb.ImportRequest, pb.ImportResponse]

func (p *Population) sendAll(stream importStream, tenant string) error {
	start := &pb.ImportStart{Tenant: tenant}
	if err := stream.Send(&pb.ImportRequest{Part: &pb.ImportRequest_Start{Start: start}}); err != nil {
		return err
	}
	sent := 0
	batch := make([]*pb.Tuple, 0, importBatch)
	for t := range p.Tuples() {
		batch = append(batch, tupleMessage(t))
		sent++
		if len(batch) < importBatch && sent < p.Size() {
			continue
		}
		part := &pb.ImportRequest_Batch{Batch: &pb.ImportBatch{Sequence: uint64(sent), Tuples: batch}}
		if err := stream.Send(&pb.ImportRequest{Part: part}); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return nil
}

// awaitImport reads the answers until the import is complete.
func awaitImport(stream importStream) error {
	complete := false
	for {
		answer, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && complete:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("the server ended the import before it was complete")
		case err != nil:
			return err
		}
		complete = answer.GetComplete()
	}
}

func tupleMessage(t tuple.Tuple) *pb.Tuple {
	return &pb.Tuple{
		Object:   &pb.Object{Type: t.Object.Type, Id: t.Object.ID},
		Relation: t.Relation,
		Subject:  subjectMessage(t.Subject),
	}
}
