package main

import (
	"context"
	"iter"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/tuple"
)

// importBatch is how many tuples a message of an import carries; writeBatch how
// many one write of a server that has no import.
const (
	importBatch = 1000
	writeBatch  = 500
)

// load imports the tuples by the best way that the server has.
func (s *spiceDB) load(ctx context.Context, p *bench.Population) error {
	for _, way := range []func(context.Context, *bench.Population) error{s.importBulk, s.importExperimental} {
		if err := way(ctx, p); status.Code(err) != codes.Unimplemented {
			return err
		}
	}
	client := v1.NewPermissionsServiceClient(s.conns[0])
	for batch := range batches(p.Tuples(), writeBatch) {
		if _, err := client.WriteRelationships(ctx, &v1.WriteRelationshipsRequest{Updates: spiceUpdates(batch, nil)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *spiceDB) importBulk(ctx context.Context, p *bench.Population) error {
	stream, err := v1.NewPermissionsServiceClient(s.conns[0]).ImportBulkRelationships(ctx)
	if err != nil {
		return err
	}
	return sendAll(stream, p, func(all []*v1.Relationship) *v1.ImportBulkRelationshipsRequest {
		return &v1.ImportBulkRelationshipsRequest{Relationships: all}
	})
}

// importExperimental is the import of older servers.
func (s *spiceDB) importExperimental(ctx context.Context, p *bench.Population) error {
	//lint:ignore SA1019 older servers have no other import
	stream, err := v1.NewExperimentalServiceClient(s.conns[0]).BulkImportRelationships(ctx)
	if err != nil {
		return err
	}
	return sendAll(stream, p, func(all []*v1.Relationship) *v1.BulkImportRelationshipsRequest {
		return &v1.BulkImportRelationshipsRequest{Relationships: all}
	})
}

// sendAll sends the tuples and waits for the answer.
func sendAll[Q, A any](stream grpc.ClientStreamingClient[Q, A], p *bench.Population, request func([]*v1.Relationship) *Q) error {
	for batch := range batches(p.Tuples(), importBatch) {
		all := make([]*v1.Relationship, len(batch))
		for i, t := range batch {
			all[i] = spiceTuple(t)
		}
		if stream.Send(request(all)) != nil {
			break // the stream has ended, and the reason is in the answer
		}
	}
	_, err := stream.CloseAndRecv()
	return err
}

// batches cuts tuples into slices of n, which are reused.
func batches(tuples iter.Seq[tuple.Tuple], n int) iter.Seq[[]tuple.Tuple] {
	return func(yield func([]tuple.Tuple) bool) {
		batch := make([]tuple.Tuple, 0, n)
		for t := range tuples {
			if batch = append(batch, t); len(batch) == n {
				if !yield(batch) {
					return
				}
				batch = batch[:0]
			}
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}
