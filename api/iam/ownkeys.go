package iam

import (
	"context"
	"fmt"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func (o own) addKey(ctx context.Context, call *core.Call, r *pb.AddKeyRequest) (*pb.AddKeyResponse, error) {
	k, err := o.iam.AddKey(ctx, call, r.GetServiceAccountId(), r.GetDescription(), r.GetPublicKey())
	if err != nil {
		return nil, err
	}
	return &pb.AddKeyResponse{
		KeyId: k.ID, ServiceAccountId: k.AccountID, CreatedAt: stamp(k.CreatedAt), KeyAlgorithm: fmt.Sprint("RSA_", k.Bits),
	}, nil
}

func (o own) rotateSigningKey(ctx context.Context, call *core.Call, _ *pb.RotateSigningKeyRequest) (*pb.RotateSigningKeyResponse, error) {
	op, err := o.iam.RotateSigningKey(ctx, call)
	return made(op, err, func(op *core.Operation) *pb.RotateSigningKeyResponse {
		return &pb.RotateSigningKeyResponse{OperationId: op.ID}
	})
}
