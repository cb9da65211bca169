package main

import (
	"context"
	"errors"
	"io"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// fakeSpice speaks authzed.api.v1.
type fakeSpice struct {
	v1.UnimplementedPermissionsServiceServer
	v1.UnimplementedSchemaServiceServer
	v1.UnimplementedExperimentalServiceServer
	fakeWorld
	source string
	imports
	imported string // the way by which tuples came
}

// imports are which ways of importing the fake has.
type imports struct{ bulk, experimental bool }

const fakeToken = "between-us"

func serveSpice(t *testing.T, f *fakeSpice) string {
	return serve(t, func(s *grpc.Server) {
		v1.RegisterPermissionsServiceServer(s, f)
		v1.RegisterSchemaServiceServer(s, f)
		v1.RegisterExperimentalServiceServer(s, f)
	})
}

func authorized(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+fakeToken {
		return status.Error(codes.Unauthenticated, "no key")
	}
	return nil
}

func (f *fakeSpice) ReadSchema(ctx context.Context, _ *v1.ReadSchemaRequest) (*v1.ReadSchemaResponse, error) {
	if err := authorized(ctx); err != nil {
		return nil, err
	}
	if f.source == "" {
		return nil, status.Error(codes.NotFound, "no schema")
	}
	return &v1.ReadSchemaResponse{SchemaText: f.source}, nil
}

func (f *fakeSpice) WriteSchema(_ context.Context, r *v1.WriteSchemaRequest) (*v1.WriteSchemaResponse, error) {
	if f.size() > 0 {
		return nil, status.Error(codes.InvalidArgument, "there are tuples of the old schema")
	}
	schema, err := graph.Parse(r.GetSchema())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	f.source, f.schema = r.GetSchema(), schema
	return &v1.WriteSchemaResponse{}, nil
}

func fromSpice(r *v1.Relationship) tuple.Tuple {
	return tuple.Tuple{Object: fromReference(r.GetResource()), Relation: r.GetRelation(), Subject: fromSubject(r.GetSubject())}
}

func fromReference(o *v1.ObjectReference) tuple.Object {
	return tuple.Object{Type: o.GetObjectType(), ID: o.GetObjectId()}
}

func fromSubject(s *v1.SubjectReference) tuple.Subject {
	o := fromReference(s.GetObject())
	return tuple.Subject{Type: o.Type, ID: o.ID, Relation: s.GetOptionalRelation()}
}

func (f *fakeSpice) WriteRelationships(_ context.Context, r *v1.WriteRelationshipsRequest) (*v1.WriteRelationshipsResponse, error) {
	for _, u := range r.GetUpdates() {
		one := []tuple.Tuple{fromSpice(u.GetRelationship())}
		if u.GetOperation() == v1.RelationshipUpdate_OPERATION_DELETE {
			f.write(nil, one)
		} else {
			f.write(one, nil)
		}
	}
	if f.imported == "" {
		f.imported = "writes"
	}
	return &v1.WriteRelationshipsResponse{WrittenAt: &v1.ZedToken{Token: "after"}}, nil
}

func (f *fakeSpice) DeleteRelationships(_ context.Context, r *v1.DeleteRelationshipsRequest) (*v1.DeleteRelationshipsResponse, error) {
	progress := v1.DeleteRelationshipsResponse_DELETION_PROGRESS_COMPLETE
	if f.deleteType(r.GetRelationshipFilter().GetResourceType(), int(r.GetOptionalLimit())) {
		progress = v1.DeleteRelationshipsResponse_DELETION_PROGRESS_PARTIAL
	}
	return &v1.DeleteRelationshipsResponse{DeletionProgress: progress}, nil
}

func (f *fakeSpice) ImportBulkRelationships(stream grpc.ClientStreamingServer[v1.ImportBulkRelationshipsRequest, v1.ImportBulkRelationshipsResponse]) error {
	if !f.bulk {
		return status.Error(codes.Unimplemented, "an old server")
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			f.imported = "bulk"
			return stream.SendAndClose(&v1.ImportBulkRelationshipsResponse{})
		}
		if err != nil {
			return err
		}
		f.take(m.GetRelationships())
	}
}

func (f *fakeSpice) BulkImportRelationships(stream grpc.ClientStreamingServer[v1.BulkImportRelationshipsRequest, v1.BulkImportRelationshipsResponse]) error {
	if !f.experimental {
		return status.Error(codes.Unimplemented, "another old server")
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			f.imported = "experimental"
			return stream.SendAndClose(&v1.BulkImportRelationshipsResponse{})
		}
		if err != nil {
			return err
		}
		f.take(m.GetRelationships())
	}
}

func (f *fakeSpice) take(all []*v1.Relationship) {
	for _, r := range all {
		f.write([]tuple.Tuple{fromSpice(r)}, nil)
	}
}

func (f *fakeSpice) permissionship(o *v1.ObjectReference, permission string, s *v1.SubjectReference) v1.CheckPermissionResponse_Permissionship {
	if f.allows(fromReference(o), permission, fromSubject(s)) {
		return v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION
	}
	return v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION
}

func (f *fakeSpice) CheckPermission(ctx context.Context, r *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
	if err := authorized(ctx); err != nil {
		return nil, err
	}
	if r.GetConsistency().GetAtLeastAsFresh().GetToken() != "after" && !r.GetConsistency().GetFullyConsistent() {
		return nil, status.Error(codes.InvalidArgument, "the question may be answered from before the import")
	}
	return &v1.CheckPermissionResponse{Permissionship: f.permissionship(r.GetResource(), r.GetPermission(), r.GetSubject())}, nil
}

// CheckBulkPermissions answers in another order than it was asked.
func (f *fakeSpice) CheckBulkPermissions(_ context.Context, r *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
	answer := &v1.CheckBulkPermissionsResponse{}
	for i := range r.GetItems() {
		item := r.GetItems()[len(r.GetItems())-1-i]
		answer.Pairs = append(answer.Pairs, &v1.CheckBulkPermissionsPair{Request: item, Response: &v1.CheckBulkPermissionsPair_Item{
			Item: &v1.CheckBulkPermissionsResponseItem{Permissionship: f.permissionship(item.GetResource(), item.GetPermission(), item.GetSubject())},
		}})
	}
	return answer, nil
}

func (f *fakeSpice) LookupResources(r *v1.LookupResourcesRequest, stream grpc.ServerStreamingServer[v1.LookupResourcesResponse]) error {
	for _, id := range f.objects(r.GetResourceObjectType(), r.GetPermission(), fromSubject(r.GetSubject())) {
		if err := stream.Send(&v1.LookupResourcesResponse{ResourceObjectId: id,
			Permissionship: v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_HAS_PERMISSION}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeSpice) LookupSubjects(r *v1.LookupSubjectsRequest, stream grpc.ServerStreamingServer[v1.LookupSubjectsResponse]) error {
	for _, id := range f.subjects(fromReference(r.GetResource()), r.GetPermission(), r.GetSubjectObjectType()) {
		if err := stream.Send(&v1.LookupSubjectsResponse{Subject: &v1.ResolvedSubject{SubjectObjectId: id,
			Permissionship: v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_HAS_PERMISSION}}); err != nil {
			return err
		}
	}
	return nil
}
