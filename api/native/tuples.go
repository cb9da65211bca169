package native

import (
	"context"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A tupleServer is pemba.v1.TupleService.
type tupleServer struct {
	pembav1.UnimplementedTupleServiceServer
	base
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
