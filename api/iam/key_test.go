package iam

import (
	"testing"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestKeys_LiveAndDie(t *testing.T) {
	s := open(t)
	id, _ := s.account(t, "robot")
	made := must(s.keys.Create(s.ctx, &iamv1.CreateKeyRequest{ServiceAccountId: id, Description: "first"}))(t)
	key := made.GetKey()
	if key.GetServiceAccountId() != id || key.GetKeyAlgorithm() != iamv1.Key_RSA_2048 || key.GetDescription() != "first" || key.GetCreatedAt() == nil {
		t.Errorf("made %v", key)
	}
	s.token(t, keyFile(key.GetId(), id, made.GetPrivateKey())) // it is of use

	op := must(s.keys.Update(s.ctx, &iamv1.UpdateKeyRequest{KeyId: key.GetId(), Description: "second"}))(t)
	if got := response[*iamv1.Key](t, op); got.GetDescription() != "second" || meta[*iamv1.UpdateKeyMetadata](t, op).GetKeyId() != key.GetId() {
		t.Errorf("updated to %v", got)
	}
	if got := must(s.keys.Get(s.ctx, &iamv1.GetKeyRequest{KeyId: key.GetId()}))(t); got.GetPublicKey() != key.GetPublicKey() || got.GetDescription() != "second" {
		t.Errorf("read %v", got)
	}
	if got := must(s.keys.List(s.ctx, &iamv1.ListKeysRequest{ServiceAccountId: id}))(t); len(got.GetKeys()) != 1 {
		t.Errorf("listed %v", got)
	}
	if got := must(s.keys.ListOperations(s.ctx, &iamv1.ListKeyOperationsRequest{KeyId: key.GetId()}))(t); len(got.GetOperations()) == 0 {
		t.Error("no operations are listed")
	}
	op = must(s.keys.Delete(s.ctx, &iamv1.DeleteKeyRequest{KeyId: key.GetId()}))(t)
	response[*emptypb.Empty](t, op)
	_, err := s.keys.Get(s.ctx, &iamv1.GetKeyRequest{KeyId: key.GetId()})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
}

func TestKeys_WithoutAccountAreTheCallersOwn(t *testing.T) {
	s := open(t)
	got := must(s.keys.List(s.ctx, &iamv1.ListKeysRequest{}))(t)
	if len(got.GetKeys()) != 1 || got.GetKeys()[0].GetId() != s.KeyID {
		t.Errorf("got %v", got)
	}
	if made := must(s.keys.Create(s.ctx, &iamv1.CreateKeyRequest{}))(t); made.GetKey().GetServiceAccountId() != s.AccountID {
		t.Errorf("made %v", made.GetKey())
	}
}

func TestKeys_OfOthersAreRefused(t *testing.T) {
	s := open(t)
	_, ctx := s.account(t, "robot")
	_, err := s.keys.Create(ctx, &iamv1.CreateKeyRequest{ServiceAccountId: s.AccountID})
	refused(t, err, "PermissionDenied PERMISSION_DENIED")
	_, err = s.keys.List(ctx, &iamv1.ListKeysRequest{ServiceAccountId: s.AccountID})
	refused(t, err, "PermissionDenied PERMISSION_DENIED")
}
