package native

import (
	"context"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// readBatch is how many tuples one message of a stream carries at most.
const readBatch = 256

// Read streams tuples at one view.
func (s *tupleServer) Read(r *pembav1.ReadRequest, stream grpc.ServerStreamingServer[pembav1.ReadResponse]) error {
	if r.GetFilter() == nil {
		return missing("filter", "name at least the type of the objects")
	}
	filter, err := filterOf("filter", r.GetFilter())
	if err != nil {
		return err
	}
	request := authz.ReadRequest{Tenant: r.GetTenant(), Filter: filter, Limit: int(r.GetLimit())}
	if request.Cursor, err = cursorOf(r.GetCursor()); err != nil {
		return err
	}
	if request.Consistency, err = consistencyOf(r.GetConsistency()); err != nil {
		return err
	}
	leave, err := s.streams.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.bounded(stream.Context())
	reading, err := s.service.Read(ctx, request)
	cancel() // the view is chosen; sending it takes as long as the client takes
	if err != nil {
		return atConsistency(err, request.Consistency)
	}
	return sendTuples(stream.Context(), reading, func(tuples []*pembav1.Tuple, cursor string) error {
		return sendWithin(stream, &pembav1.ReadResponse{Tuples: tuples, Token: reading.Token, Cursor: cursor}, s.streams.stall)
	})
}

// Export streams the schema and all tuples at one view.
func (s *tupleServer) Export(r *pembav1.ExportRequest, stream grpc.ServerStreamingServer[pembav1.ExportResponse]) error {
	cursor, err := cursorOf(r.GetCursor())
	if err != nil {
		return err
	}
	consistency, err := consistencyOf(r.GetConsistency())
	if err != nil {
		return err
	}
	leave, err := s.streams.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.bounded(stream.Context())
	reading, err := s.service.Export(ctx, r.GetTenant(), consistency, cursor)
	cancel()
	if err != nil {
		return atConsistency(err, consistency)
	}
	schema := reading.Schema
	return sendTuples(stream.Context(), reading, func(tuples []*pembav1.Tuple, cursor string) error {
		reply := &pembav1.ExportResponse{Schema: schema, Tuples: tuples, Token: reading.Token, Cursor: cursor}
		schema = ""
		return sendWithin(stream, reply, s.streams.stall)
	})
}

// sendTuples sends what is read in messages, at least one.
func sendTuples(ctx context.Context, reading *authz.Reading, send func(tuples []*pembav1.Tuple, cursor string) error) error {
	var batch []*pembav1.Tuple
	var failed error
	err := reading.Each(ctx, func(t tuple.Tuple) bool {
		batch = append(batch, protoTuple(t))
		if len(batch) == readBatch {
			failed = send(batch, reading.Cursor())
			batch = nil
		}
		return failed == nil
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return err
	}
	return send(batch, reading.Cursor())
}

// DeleteMatching deletes what a filter selects.
func (s *tupleServer) DeleteMatching(r *pembav1.DeleteMatchingRequest, stream grpc.ServerStreamingServer[pembav1.DeleteMatchingResponse]) error {
	if r.GetFilter() == nil {
		return missing("filter", "name at least the type of the objects")
	}
	filter, err := filterOf("filter", r.GetFilter())
	if err != nil {
		return err
	}
	leave, err := s.streams.enter()
	if err != nil {
		return err
	}
	defer leave()
	request := authz.DeleteMatchingRequest{Tenant: r.GetTenant(), Filter: filter, Limit: r.GetLimit(), Expired: r.GetExpiredOnly()}
	ctx, cancel := s.streams.lasting(stream.Context())
	defer cancel()
	err = s.service.DeleteMatching(ctx, callerOf(ctx), request, func(d authz.Deletion) error {
		return sendWithin(stream, &pembav1.DeleteMatchingResponse{Deleted: d.Deleted, Complete: d.Complete, Token: d.Token}, s.streams.stall)
	})
	return stopped(ctx, err)
}
