package main

import (
	"context"
	"fmt"
	"testing"

	fga "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// fakeFGA speaks openfga.v1, with one store at a time. It reads the model that it
// is given, so a translation that means something else gives other answers.
type fakeFGA struct {
	fga.UnimplementedOpenFGAServiceServer
	fakeWorld
	stores int
	failed error // of batches, nil = none fails
}

func serveFGA(t *testing.T, f *fakeFGA) string {
	return serve(t, func(s *grpc.Server) { fga.RegisterOpenFGAServiceServer(s, f) })
}

func (f *fakeFGA) CreateStore(context.Context, *fga.CreateStoreRequest) (*fga.CreateStoreResponse, error) {
	f.stores++
	f.tuples = nil
	return &fga.CreateStoreResponse{Id: fmt.Sprintf("%026d", f.stores)}, nil
}

func (f *fakeFGA) DeleteStore(context.Context, *fga.DeleteStoreRequest) (*fga.DeleteStoreResponse, error) {
	f.tuples, f.schema = nil, nil
	return &fga.DeleteStoreResponse{}, nil
}

func (f *fakeFGA) WriteAuthorizationModel(_ context.Context, r *fga.WriteAuthorizationModelRequest) (*fga.WriteAuthorizationModelResponse, error) {
	f.schema = schemaOf(r.GetTypeDefinitions())
	return &fga.WriteAuthorizationModelResponse{AuthorizationModelId: fmt.Sprintf("%026d", 1)}, nil
}

// schemaOf reads a model.
func schemaOf(types []*fga.TypeDefinition) *graph.Schema {
	s := &graph.Schema{}
	for _, typ := range types {
		d := &graph.Definition{Name: typ.GetType()}
		for name, rewrite := range typ.GetRelations() {
			r := &graph.Relation{Name: name}
			if rewrite.GetThis() == nil {
				r.Rewrite = exprOf(rewrite)
			}
			for _, t := range typ.GetMetadata().GetRelations()[name].GetDirectlyRelatedUserTypes() {
				r.Types = append(r.Types, graph.TypeRestriction{Type: t.GetType(), Relation: t.GetRelation(), Wildcard: t.GetWildcard() != nil})
			}
			d.Relations = append(d.Relations, r)
		}
		s.Definitions = append(s.Definitions, d)
	}
	return s
}

func exprOf(u *fga.Userset) graph.Expr {
	all := func(children []*fga.Userset) (out []graph.Expr) {
		for _, c := range children {
			out = append(out, exprOf(c))
		}
		return out
	}
	switch u := u.GetUserset().(type) {
	case *fga.Userset_ComputedUserset:
		return &graph.Ref{Name: u.ComputedUserset.GetRelation()}
	case *fga.Userset_TupleToUserset:
		return &graph.Arrow{Tupleset: u.TupleToUserset.GetTupleset().GetRelation(), Target: u.TupleToUserset.GetComputedUserset().GetRelation()}
	case *fga.Userset_Union:
		return &graph.Union{Children: all(u.Union.GetChild())}
	case *fga.Userset_Intersection:
		return &graph.Intersection{Children: all(u.Intersection.GetChild())}
	case *fga.Userset_Difference:
		return &graph.Exclusion{Base: exprOf(u.Difference.GetBase()), Minus: exprOf(u.Difference.GetSubtract())}
	}
	panic(fmt.Sprintf("a model with %T", u.GetUserset()))
}

func (f *fakeFGA) Write(_ context.Context, r *fga.WriteRequest) (*fga.WriteResponse, error) {
	writes, deletes := r.GetWrites().GetTupleKeys(), r.GetDeletes().GetTupleKeys()
	if len(writes)+len(deletes) > 100 || len(writes)+len(deletes) == 0 {
		return nil, status.Error(codes.InvalidArgument, "a write has 1 to 100 tuples")
	}
	for _, k := range writes {
		f.write([]tuple.Tuple{{Object: parseSubject(k.GetObject()).Object(), Relation: k.GetRelation(), Subject: parseSubject(k.GetUser())}}, nil)
	}
	for _, k := range deletes {
		f.write(nil, []tuple.Tuple{{Object: parseSubject(k.GetObject()).Object(), Relation: k.GetRelation(), Subject: parseSubject(k.GetUser())}})
	}
	return &fga.WriteResponse{}, nil
}

func (f *fakeFGA) decide(k *fga.CheckRequestTupleKey) bool {
	return f.allows(parseSubject(k.GetObject()).Object(), k.GetRelation(), parseSubject(k.GetUser()))
}

func (f *fakeFGA) Check(_ context.Context, r *fga.CheckRequest) (*fga.CheckResponse, error) {
	if r.GetStoreId() == "" || r.GetAuthorizationModelId() == "" {
		return nil, status.Error(codes.InvalidArgument, "no store or no model")
	}
	return &fga.CheckResponse{Allowed: f.decide(r.GetTupleKey())}, nil
}

func (f *fakeFGA) BatchCheck(_ context.Context, r *fga.BatchCheckRequest) (*fga.BatchCheckResponse, error) {
	if f.failed != nil {
		return nil, f.failed
	}
	answer := &fga.BatchCheckResponse{Result: make(map[string]*fga.BatchCheckSingleResult)}
	for _, c := range r.GetChecks() {
		answer.Result[c.GetCorrelationId()] = &fga.BatchCheckSingleResult{
			CheckResult: &fga.BatchCheckSingleResult_Allowed{Allowed: f.decide(c.GetTupleKey())},
		}
	}
	return answer, nil
}

func (f *fakeFGA) StreamedListObjects(r *fga.StreamedListObjectsRequest, stream fga.OpenFGAService_StreamedListObjectsServer) error {
	for _, id := range f.objects(r.GetType(), r.GetRelation(), parseSubject(r.GetUser())) {
		if err := stream.Send(&fga.StreamedListObjectsResponse{Object: r.GetType() + ":" + id}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeFGA) ListUsers(_ context.Context, r *fga.ListUsersRequest) (*fga.ListUsersResponse, error) {
	typ := r.GetUserFilters()[0].GetType()
	answer := &fga.ListUsersResponse{}
	for _, id := range f.subjects(tuple.Object{Type: r.GetObject().GetType(), ID: r.GetObject().GetId()}, r.GetRelation(), typ) {
		answer.Users = append(answer.Users, &fga.User{User: &fga.User_Object{Object: &fga.Object{Type: typ, Id: id}}})
	}
	return answer, nil
}
