package native

import (
	"maps"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

const (
	maxWatchTypes = 100
	watchBatch    = 512 // changes in one message
)

// Watch streams what changes.
func (s *tupleServer) Watch(r *pembav1.WatchRequest, stream grpc.ServerStreamingServer[pembav1.WatchResponse]) error {
	request, err := watchRequestOf(r)
	if err != nil {
		return err
	}
	leave, err := s.streams.stay()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.streams.lasting(stream.Context())
	defer cancel()
	starting, done := s.bounded(ctx)
	watch, err := s.service.Watch(starting, request)
	done()
	if err != nil {
		return err
	}
	sent := watch.Token() // everything up to here has been taken by the client's side
	if err := s.sendChanges(stream, authz.WatchedRevision{Token: sent}, sent); err != nil {
		return err
	}
	for {
		revision, err := watch.Next(ctx, s.streams.beat)
		if err != nil {
			return resumable(stopped(ctx, err), sent)
		}
		if err := s.sendChanges(stream, revision, sent); err != nil {
			return err
		}
		sent = revision.Token
	}
}

func watchRequestOf(r *pembav1.WatchRequest) (authz.WatchRequest, error) {
	request := authz.WatchRequest{Tenant: r.GetTenant(), From: r.GetFrom(), Types: r.GetObjectTypes()}
	switch {
	case len(request.From) > maxTokenBytes:
		return request, tooLong("from", len(request.From), maxTokenBytes)
	case len(request.Types) > maxWatchTypes:
		return request, tooMany("object_types", len(request.Types), maxWatchTypes)
	}
	for i, typ := range request.Types {
		if !tuple.ValidType(typ) {
			return request, invalid(at("object_types", i), typ, "the name of a type")
		}
	}
	return request, nil
}

// sendChanges sends a revision in messages, the last of which has the token.
func (s *tupleServer) sendChanges(stream grpc.ServerStreamingServer[pembav1.WatchResponse], r authz.WatchedRevision, sent string) error {
	for first := true; first || len(r.Tuples) > 0; first = false {
		part := r.Tuples[:min(len(r.Tuples), watchBatch)]
		r.Tuples = r.Tuples[len(part):]
		reply := &pembav1.WatchResponse{SchemaChanged: r.Schema && first}
		for _, c := range part {
			reply.Changes = append(reply.Changes, protoChange(c))
		}
		if len(r.Tuples) == 0 {
			reply.Token = r.Token
		}
		if err := sendWithin(stream, reply, s.streams.stall); err != nil {
			return resumable(err, sent)
		}
	}
	return nil
}

func protoChange(c authz.TupleChange) *pembav1.TupleChange {
	op := pembav1.TupleChange_OPERATION_TOUCHED
	if c.Deleted {
		op = pembav1.TupleChange_OPERATION_DELETED
	}
	return &pembav1.TupleChange{Operation: op, Tuple: protoTuple(c.Tuple)}
}

// resumable adds to an error from where the watch can go on.
func resumable(err error, token string) error {
	e, ok := err.(*authz.Error)
	if !ok || e.Code != authz.ResourceExhausted && e.Code != authz.Unavailable {
		return err
	}
	told := *e
	told.Metadata = maps.Clone(e.Metadata)
	if told.Metadata == nil {
		told.Metadata = map[string]string{}
	}
	told.Metadata["token"] = token
	told.Fix = "watch again from the token in the metadata"
	return &told
}
