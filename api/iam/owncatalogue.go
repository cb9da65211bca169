package iam

import (
	"context"

	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/catalogue"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func pbKind(k *catalogue.Kind) *pb.Kind {
	return &pb.Kind{Id: k.ID, PermissionPrefix: k.Permissions, ParentKinds: k.Parents}
}

func (o own) listKinds(ctx context.Context, call *core.Call, _ *pb.ListKindsRequest) (*pb.ListKindsResponse, error) {
	kinds, err := o.iam.Kinds(ctx, call)
	if err != nil {
		return nil, err
	}
	return &pb.ListKindsResponse{Kinds: list(kinds, pbKind)}, nil
}

func (o own) getCatalogue(ctx context.Context, call *core.Call, _ *pb.GetCatalogueRequest) (*pb.GetCatalogueResponse, error) {
	source, err := o.iam.Catalogue(ctx, call)
	if err != nil {
		return nil, err
	}
	return &pb.GetCatalogueResponse{Source: source}, nil
}

func (o own) setCatalogue(ctx context.Context, call *core.Call, r *pb.SetCatalogueRequest) (*pb.SetCatalogueResponse, error) {
	op, err := o.iam.SetCatalogue(ctx, call, r.GetSource())
	return made(op, err, func(op *core.Operation) *pb.SetCatalogueResponse {
		return &pb.SetCatalogueResponse{OperationId: op.ID}
	})
}
