package iam

import (
	"context"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func pbPlaced(r *core.Registered) *pb.PlacedResource {
	return &pb.PlacedResource{Resource: pbResource(r.Resource), Parent: pbResource(r.Parent), ServiceAccountId: r.AccountID}
}

func (o own) registerResource(ctx context.Context, call *core.Call, r *pb.RegisterResourceRequest) (*pb.RegisterResourceResponse, error) {
	on, err := givenResource("resource", r.GetResource())
	if err != nil {
		return nil, err
	}
	parent, err := givenResource("parent", r.GetParent())
	if err != nil {
		return nil, err
	}
	op, err := o.iam.Register(ctx, call, on, parent, r.GetServiceAccountId())
	return made(op, err, func(op *core.Operation) *pb.RegisterResourceResponse {
		return &pb.RegisterResourceResponse{OperationId: op.ID}
	})
}

func (o own) unregisterResource(ctx context.Context, call *core.Call, r *pb.UnregisterResourceRequest) (*pb.UnregisterResourceResponse, error) {
	on, err := givenResource("resource", r.GetResource())
	if err != nil {
		return nil, err
	}
	op, err := o.iam.Unregister(ctx, call, on)
	return made(op, err, func(op *core.Operation) *pb.UnregisterResourceResponse {
		return &pb.UnregisterResourceResponse{OperationId: op.ID}
	})
}

func (o own) getResource(ctx context.Context, call *core.Call, r *pb.GetResourceRequest) (*pb.GetResourceResponse, error) {
	on, err := givenResource("resource", r.GetResource())
	if err != nil {
		return nil, err
	}
	placed, err := o.iam.Resource(ctx, call, on)
	if err != nil {
		return nil, err
	}
	return &pb.GetResourceResponse{Resource: pbPlaced(placed)}, nil
}

func (o own) listResources(ctx context.Context, call *core.Call, r *pb.ListResourcesRequest) (*pb.ListResourcesResponse, error) {
	parent, err := givenResource("parent", r.GetParent())
	if err != nil {
		return nil, err
	}
	placed, next, err := o.iam.Resources(ctx, call, parent, r.GetKind(), pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	return &pb.ListResourcesResponse{Resources: list(placed, pbPlaced), NextPageToken: next}, nil
}
