package native

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// ListObjects streams the objects that a subject reaches.
func (s *permissionServer) ListObjects(r *pembav1.ListObjectsRequest, stream grpc.ServerStreamingServer[pembav1.ListObjectsResponse]) error {
	request, err := listObjectsOf(r)
	if err != nil {
		return err
	}
	leave, err := s.streams.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.bounded(stream.Context())
	list, err := s.service.ListObjects(ctx, request)
	cancel() // the view is chosen; sending it takes as long as the client takes
	if err != nil {
		return atConsistency(err, request.Consistency)
	}
	now := timestamppb.New(time.Unix(0, list.Time))
	return sendList(stream.Context(), list, r.GetCountOnly(), s.listedObject, func(results []*pembav1.ListedObject, n authz.ListCount) error {
		return sendWithin(stream, &pembav1.ListObjectsResponse{
			Objects: results, Cursor: list.Cursor(), Token: list.Token, DecisionTime: now,
			Count: n.Results, ConditionalCount: n.Conditional, UndecidedCount: n.Undecided,
		}, s.streams.stall)
	})
}

func listObjectsOf(r *pembav1.ListObjectsRequest) (request authz.ListObjectsRequest, err error) {
	switch {
	case r.GetType() == "":
		return request, missing("type", "name the type of the objects")
	case r.GetPermission() == "":
		return request, missing("permission", "name a permission or relation of the type")
	case r.GetSubject() == nil:
		return request, missing("subject", "name who asks for access")
	}
	request = authz.ListObjectsRequest{
		Tenant: r.GetTenant(), Type: r.GetType(), Permission: r.GetPermission(), Subject: subjectOf(r.GetSubject()),
		Prefix: r.GetIdPrefix(), Limit: int(r.GetLimit()),
	}
	if request.Context, err = contextOf("context_json", r.GetContextJson()); err != nil {
		return request, err
	}
	if request.Contextual, err = tuplesOf("contextual_tuples", r.GetContextualTuples()); err != nil {
		return request, err
	}
	if request.Cursor, err = cursorOf(r.GetCursor()); err != nil {
		return request, err
	}
	request.Consistency, err = consistencyOf(r.GetConsistency())
	return request, err
}

// ListSubjects streams the subjects that reach an object.
func (s *permissionServer) ListSubjects(r *pembav1.ListSubjectsRequest, stream grpc.ServerStreamingServer[pembav1.ListSubjectsResponse]) error {
	request, err := listSubjectsOf(r)
	if err != nil {
		return err
	}
	leave, err := s.streams.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.bounded(stream.Context())
	list, err := s.service.ListSubjects(ctx, request)
	cancel()
	if err != nil {
		return atConsistency(err, request.Consistency)
	}
	now := timestamppb.New(time.Unix(0, list.Time))
	return sendList(stream.Context(), list, r.GetCountOnly(), s.listedSubject, func(results []*pembav1.ListedSubject, n authz.ListCount) error {
		return sendWithin(stream, &pembav1.ListSubjectsResponse{
			Subjects: results, Cursor: list.Cursor(), Token: list.Token, DecisionTime: now,
			Count: n.Results, ConditionalCount: n.Conditional, UndecidedCount: n.Undecided, ExceptedCount: n.Excepted,
		}, s.streams.stall)
	})
}

func listSubjectsOf(r *pembav1.ListSubjectsRequest) (request authz.ListSubjectsRequest, err error) {
	switch {
	case r.GetObject() == nil:
		return request, missing("object", "name the object that access is asked for")
	case r.GetPermission() == "":
		return request, missing("permission", "name a permission or relation of the object's type")
	case r.GetSubjectType() == "":
		return request, missing("subject_type", "name the type of the subjects")
	}
	request = authz.ListSubjectsRequest{
		Tenant: r.GetTenant(), Object: objectOf(r.GetObject()), Permission: r.GetPermission(),
		Type: r.GetSubjectType(), Relation: r.GetSubjectRelation(), Prefix: r.GetIdPrefix(), Limit: int(r.GetLimit()),
	}
	if request.Context, err = contextOf("context_json", r.GetContextJson()); err != nil {
		return request, err
	}
	if request.Contextual, err = tuplesOf("contextual_tuples", r.GetContextualTuples()); err != nil {
		return request, err
	}
	if request.Cursor, err = cursorOf(r.GetCursor()); err != nil {
		return request, err
	}
	request.Consistency, err = consistencyOf(r.GetConsistency())
	return request, err
}

// cursorOf checks that a cursor is not too long; the service reads it.
func cursorOf(text string) (string, error) {
	if len(text) > authz.MaxCursorLen {
		return "", tooLong("cursor", len(text), authz.MaxCursorLen)
	}
	return text, nil
}
