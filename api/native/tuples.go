package native

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// readBatch is how many tuples one message of a Read stream carries at most.
const readBatch = 256

// A tupleServer is pemba.v1.TupleService.
type tupleServer struct {
	pembav1.UnimplementedTupleServiceServer
	base
	reads chan struct{} // holds one element for each Read under way
	stall time.Duration
}

// Write changes tuples.
func (s *tupleServer) Write(ctx context.Context, r *pembav1.WriteRequest) (*pembav1.WriteResponse, error) {
	request, err := writeRequestOf(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	token, err := s.service.Write(ctx, callerOf(ctx), request)
	if err != nil {
		return nil, atPreconditions(err, r.GetPreconditions())
	}
	return &pembav1.WriteResponse{Token: token}, nil
}

func writeRequestOf(r *pembav1.WriteRequest) (authz.WriteRequest, error) {
	request := authz.WriteRequest{Tenant: r.GetTenant(), RequestID: r.GetRequestId()}
	switch updates, preconditions := len(r.GetUpdates()), len(r.GetPreconditions()); {
	case updates == 0:
		return request, missing("updates", "send at least one update")
	case updates > maxUpdates:
		return request, tooMany("updates", updates, maxUpdates)
	case preconditions > maxPreconditions:
		return request, tooMany("preconditions", preconditions, maxPreconditions)
	}
	request.Updates = make([]authz.Update, len(r.GetUpdates()))
	for i, p := range r.GetUpdates() {
		update, err := updateOf(at("updates", i), p)
		if err != nil {
			return request, err
		}
		request.Updates[i] = update
	}
	for i, p := range r.GetPreconditions() {
		precondition, err := preconditionOf(at("preconditions", i), p)
		if err != nil {
			return request, err
		}
		request.Preconditions = append(request.Preconditions, precondition)
	}
	return request, nil
}

func updateOf(field string, p *pembav1.Update) (authz.Update, error) {
	var update authz.Update
	switch p.GetOperation() {
	case pembav1.Update_OPERATION_CREATE:
		update.Op = authz.Create
	case pembav1.Update_OPERATION_TOUCH:
		update.Op = authz.Touch
	case pembav1.Update_OPERATION_DELETE:
		update.Op = authz.Delete
	default:
		return update, invalid(field+".operation", p.GetOperation().String(), "OPERATION_CREATE, OPERATION_TOUCH or OPERATION_DELETE")
	}
	if p.GetTuple() == nil {
		return update, missing(field+".tuple", "an update names the tuple that it is about")
	}
	var err error
	update.Tuple, err = tupleOf(field+".tuple", p.GetTuple())
	return update, err
}

func preconditionOf(field string, p *pembav1.Precondition) (authz.Precondition, error) {
	var err error
	precondition := authz.Precondition{}
	switch c := p.GetCondition().(type) {
	case *pembav1.Precondition_TuplesMatch:
		precondition.Kind = authz.TuplesMatch
		precondition.Filter, err = filterOf(field+".tuples_match", c.TuplesMatch)
	case *pembav1.Precondition_TuplesAbsent:
		precondition.Kind = authz.TuplesAbsent
		precondition.Filter, err = filterOf(field+".tuples_absent", c.TuplesAbsent)
	case *pembav1.Precondition_RowUnchanged_:
		return rowUnchangedOf(field+".row_unchanged", c.RowUnchanged)
	case *pembav1.Precondition_SchemaUnchanged:
		precondition.Kind = authz.SchemaUnchanged
		precondition.Since, err = tokenOf(field+".schema_unchanged", c.SchemaUnchanged)
	default:
		err = missing(field, "set one of its conditions")
	}
	return precondition, err
}

func rowUnchangedOf(field string, p *pembav1.Precondition_RowUnchanged) (authz.Precondition, error) {
	precondition := authz.Precondition{
		Kind:     authz.RowUnchanged,
		Object:   objectOf(p.GetObject()),
		Relation: p.GetRelation(),
	}
	if err := validRow(field, precondition.Object, precondition.Relation); err != nil {
		return precondition, err
	}
	var err error
	precondition.Since, err = tokenOf(field+".since", p.GetSince())
	return precondition, err
}

// Read streams tuples at one view.
func (s *tupleServer) Read(r *pembav1.ReadRequest, stream grpc.ServerStreamingServer[pembav1.ReadResponse]) error {
	if r.GetFilter() == nil {
		return missing("filter", "name at least the type of the objects")
	}
	filter, err := filterOf("filter", r.GetFilter())
	if err != nil {
		return err
	}
	consistency, err := consistencyOf(r.GetConsistency())
	if err != nil {
		return err
	}
	select {
	case s.reads <- struct{}{}:
		defer func() { <-s.reads }()
	default:
		return tooManyReads(cap(s.reads))
	}
	ctx, cancel := s.bounded(stream.Context())
	token, tuples, err := s.service.Read(ctx, authz.ReadRequest{Tenant: r.GetTenant(), Filter: filter, Consistency: consistency})
	cancel() // the view is chosen; sending it takes as long as the client takes
	if err != nil {
		return atConsistency(err, consistency)
	}
	reply := &pembav1.ReadResponse{Token: token}
	sent := false
	for t := range tuples {
		reply.Tuples = append(reply.Tuples, protoTuple(t))
		if len(reply.Tuples) < readBatch {
			continue
		}
		if err := s.send(stream, reply); err != nil {
			return err
		}
		sent, reply = true, &pembav1.ReadResponse{Token: token}
	}
	if len(reply.Tuples) > 0 || !sent {
		return s.send(stream, reply)
	}
	return nil
}

// send waits for the client to take reply, but not for ever: a Read keeps its
// view in memory. When it gives up, the end of the handler ends the send.
func (s *tupleServer) send(stream grpc.ServerStreamingServer[pembav1.ReadResponse], reply *pembav1.ReadResponse) error {
	done := make(chan error, 1)
	go func() { done <- stream.Send(reply) }()
	timer := time.NewTimer(s.stall)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return &authz.Error{Code: authz.ResourceExhausted, Reason: "SLOW_READER",
			Message: fmt.Sprintf("the client took nothing for %v", s.stall), Fix: "read faster, or a smaller part by a filter"}
	}
}

func tooManyReads(most int) error {
	return &authz.Error{Code: authz.ResourceExhausted, Reason: "TOO_MANY_READS",
		Message: fmt.Sprintf("%d reads are under way", most), Fix: "try again shortly"}
}
