package iam

import (
	"context"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"

	core "github.com/pemba-authz/pemba/iam"
)

// keyService serves iam.v1.KeyService.
type keyService struct{ *door }

func (s keyService) mounted() Mounted {
	return s.service("yandex.cloud.iam.v1.KeyService", "yandex/cloud/iam/v1/key_service.proto",
		rpc("Get", s.get), rpc("List", s.list), rpc("Create", s.create), rpc("Update", s.update), rpc("Delete", s.delete),
		rpc("ListOperations", s.listOperations))
}

func (s keyService) get(ctx context.Context, call *core.Call, r *iamv1.GetKeyRequest) (*iamv1.Key, error) {
	k, err := s.iam.Key(ctx, call, r.GetKeyId())
	if err != nil {
		return nil, err
	}
	return protoKey(k), nil
}

func (s keyService) list(ctx context.Context, call *core.Call, r *iamv1.ListKeysRequest) (*iamv1.ListKeysResponse, error) {
	found, next, err := s.iam.Keys(ctx, call, r.GetServiceAccountId(), pageIn(r))
	return &iamv1.ListKeysResponse{Keys: all(found, protoKey), NextPageToken: next}, err
}

func (s keyService) create(ctx context.Context, call *core.Call, r *iamv1.CreateKeyRequest) (*iamv1.CreateKeyResponse, error) {
	bits := 2048
	if r.GetKeyAlgorithm() == iamv1.Key_RSA_4096 {
		bits = 4096
	}
	k, private, err := s.iam.CreateKey(ctx, call, r.GetServiceAccountId(), r.GetDescription(), bits)
	if err != nil {
		return nil, err
	}
	call.Seen = k.Token
	return &iamv1.CreateKeyResponse{Key: protoKey(k), PrivateKey: private}, nil
}

func (s keyService) update(ctx context.Context, call *core.Call, r *iamv1.UpdateKeyRequest) (*operation.Operation, error) {
	op, err := s.iam.UpdateKey(ctx, call, r.GetKeyId(), r.GetDescription(), updated(r))
	return operationOf(call, op, err)
}

func (s keyService) delete(ctx context.Context, call *core.Call, r *iamv1.DeleteKeyRequest) (*operation.Operation, error) {
	op, err := s.iam.DeleteKey(ctx, call, r.GetKeyId())
	return operationOf(call, op, err)
}

func (s keyService) listOperations(ctx context.Context, call *core.Call, r *iamv1.ListKeyOperationsRequest) (*iamv1.ListKeyOperationsResponse, error) {
	found, next, err := s.operationsOn(ctx, call, core.KeyKind, r.GetKeyId(), r)
	return &iamv1.ListKeyOperationsResponse{Operations: found, NextPageToken: next}, err
}

func protoKey(k *core.Key) *iamv1.Key {
	algorithm := iamv1.Key_RSA_2048
	if k.Bits == 4096 {
		algorithm = iamv1.Key_RSA_4096
	}
	return &iamv1.Key{
		Id: k.ID, Subject: &iamv1.Key_ServiceAccountId{ServiceAccountId: k.AccountID}, CreatedAt: protoTime(k.CreatedAt),
		Description: k.Description, KeyAlgorithm: algorithm, PublicKey: k.PublicPEM,
	}
}
