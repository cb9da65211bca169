package main

import (
	"context"
	"fmt"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/tuple"
)

type spiceClient struct {
	*spiceDB
	permissions v1.PermissionsServiceClient
	level       *v1.Consistency
}

func spiceObject(o tuple.Object) *v1.ObjectReference {
	return &v1.ObjectReference{ObjectType: o.Type, ObjectId: o.ID}
}

func spiceSubject(s tuple.Subject) *v1.SubjectReference {
	return &v1.SubjectReference{Object: spiceObject(s.Object()), OptionalRelation: s.Relation}
}

func spiceTuple(t tuple.Tuple) *v1.Relationship {
	return &v1.Relationship{Resource: spiceObject(t.Object), Relation: t.Relation, Subject: spiceSubject(t.Subject)}
}

func spiceUpdates(touch, remove []tuple.Tuple) []*v1.RelationshipUpdate {
	var all []*v1.RelationshipUpdate
	for _, t := range touch {
		all = append(all, &v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_OPERATION_TOUCH, Relationship: spiceTuple(t)})
	}
	for _, t := range remove {
		all = append(all, &v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_OPERATION_DELETE, Relationship: spiceTuple(t)})
	}
	return all
}

// permitted is whether a permission is had. No workload has caveats, so that a
// conditional one is an error.
func permitted(p v1.CheckPermissionResponse_Permissionship) (bool, error) {
	switch p {
	case v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION:
		return true, nil
	case v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION:
		return false, nil
	}
	return false, fmt.Errorf("the permissionship is %s", p)
}

func (c *spiceClient) Check(q bench.Question) func(context.Context) (bool, error) {
	request := &v1.CheckPermissionRequest{
		Consistency: c.level, Resource: spiceObject(q.Object), Permission: q.Permission, Subject: spiceSubject(q.Subject),
	}
	return func(ctx context.Context) (bool, error) {
		answer, err := c.permissions.CheckPermission(ctx, request)
		if err != nil {
			return false, err
		}
		return permitted(answer.GetPermissionship())
	}
}

// Batch matches answers with questions by their content, not by their place: a
// server answers a question that comes twice once.
func (c *spiceClient) Batch(questions []bench.Question) func(context.Context) ([]bool, error) {
	request := &v1.CheckBulkPermissionsRequest{Consistency: c.level}
	for _, q := range questions {
		request.Items = append(request.Items, &v1.CheckBulkPermissionsRequestItem{
			Resource: spiceObject(q.Object), Permission: q.Permission, Subject: spiceSubject(q.Subject),
		})
	}
	return func(ctx context.Context) ([]bool, error) {
		answer, err := c.permissions.CheckBulkPermissions(ctx, request)
		if err != nil {
			return nil, err
		}
		return matchPairs(request.Items, answer.GetPairs())
	}
}

type spiceKey struct{ typ, id, permission, subjectType, subject, relation string }

func keyOf(i *v1.CheckBulkPermissionsRequestItem) spiceKey {
	return spiceKey{i.GetResource().GetObjectType(), i.GetResource().GetObjectId(), i.GetPermission(),
		i.GetSubject().GetObject().GetObjectType(), i.GetSubject().GetObject().GetObjectId(), i.GetSubject().GetOptionalRelation()}
}

func matchPairs(items []*v1.CheckBulkPermissionsRequestItem, pairs []*v1.CheckBulkPermissionsPair) ([]bool, error) {
	answers := make(map[spiceKey]bool, len(pairs))
	for _, p := range pairs {
		if e := p.GetError(); e != nil {
			return nil, status.ErrorProto(e)
		}
		has, err := permitted(p.GetItem().GetPermissionship())
		if err != nil {
			return nil, err
		}
		answers[keyOf(p.GetRequest())] = has
	}
	all := make([]bool, len(items))
	for i, item := range items {
		has, ok := answers[keyOf(item)]
		if !ok {
			return nil, fmt.Errorf("no answer to the question %d of a batch", i)
		}
		all[i] = has
	}
	return all, nil
}

// found is whether an entry of a list counts; a conditional one is an error.
func found(id string, p v1.LookupPermissionship) error {
	if p != v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_HAS_PERMISSION {
		return fmt.Errorf("%s is listed with %s", id, p)
	}
	return nil
}

func (c *spiceClient) ListObjects(q bench.Question) func(context.Context, func(string)) error {
	request := &v1.LookupResourcesRequest{
		Consistency: c.level, ResourceObjectType: q.Object.Type, Permission: q.Permission, Subject: spiceSubject(q.Subject),
	}
	return func(ctx context.Context, yield func(string)) error {
		stream, err := c.permissions.LookupResources(ctx, request)
		if err != nil {
			return err
		}
		return readStream(stream, func(m *v1.LookupResourcesResponse) error {
			yield(m.GetResourceObjectId())
			return found(m.GetResourceObjectId(), m.GetPermissionship())
		})
	}
}

func (c *spiceClient) ListSubjects(q bench.Question) func(context.Context, func(string)) error {
	request := &v1.LookupSubjectsRequest{
		Consistency: c.level, Resource: spiceObject(q.Object), Permission: q.Permission, SubjectObjectType: q.Subject.Type,
	}
	return func(ctx context.Context, yield func(string)) error {
		stream, err := c.permissions.LookupSubjects(ctx, request)
		if err != nil {
			return err
		}
		return readStream(stream, func(m *v1.LookupSubjectsResponse) error {
			yield(m.GetSubject().GetSubjectObjectId())
			return found(m.GetSubject().GetSubjectObjectId(), m.GetSubject().GetPermissionship())
		})
	}
}

func (c *spiceClient) Write(touch, remove []tuple.Tuple) func(context.Context) error {
	request := &v1.WriteRelationshipsRequest{Updates: spiceUpdates(touch, remove)}
	return func(ctx context.Context) error {
		_, err := c.permissions.WriteRelationships(ctx, request)
		return err
	}
}
