package iam

import (
	"strings"
	"testing"
	"time"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
)

func TestTokens_OfAccountsAreImpersonation(t *testing.T) {
	s := open(t)
	id, _ := s.account(t, "robot")
	got := must(s.tokens.CreateForServiceAccount(s.ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: id}))(t)
	life := time.Until(got.GetExpiresAt().AsTime())
	if life <= 0 || life > 12*time.Hour || !strings.HasPrefix(got.GetIamToken(), "t1.") {
		t.Errorf("got a token %.3s... for %v", got.GetIamToken(), life)
	}
	if keys := must(s.keys.List(s.as(t, got.GetIamToken()), &iamv1.ListKeysRequest{}))(t); len(keys.GetKeys()) != 0 {
		t.Errorf("the token is the owner's: %v", keys)
	}
}

func TestTokens_RevokedOnesAreRefused(t *testing.T) {
	s := open(t)
	token := s.token(t, s.key)
	ctx := s.as(t, token)
	must(s.keys.List(ctx, &iamv1.ListKeysRequest{}))(t)
	got := must(s.tokens.Revoke(ctx, &iamv1.RevokeIamTokenRequest{IamToken: token}))(t)
	if got.GetSubjectId() != s.AccountID {
		t.Errorf("revoked a token of %q", got.GetSubjectId())
	}
	_, err := s.keys.List(ctx, &iamv1.ListKeysRequest{})
	refused(t, err, "Unauthenticated TOKEN_REVOKED")
	must(s.keys.List(s.ctx, &iamv1.ListKeysRequest{}))(t) // another token of the same key
}

func TestTokens_NeedNoAuthenticationToBeMade(t *testing.T) {
	s := open(t)
	jwt, err := s.key.Assertion(time.Now(), audience)
	if err != nil {
		t.Fatal(err)
	}
	// An SDK may send a token that has expired with the request for a new one.
	must(s.tokens.Create(s.as(t, "t1.stale"), &iamv1.CreateIamTokenRequest{Identity: &iamv1.CreateIamTokenRequest_Jwt{Jwt: jwt}}))(t)
}

func TestTokens_Refusals(t *testing.T) {
	s := open(t)
	_, err := s.tokens.Create(s.ctx, &iamv1.CreateIamTokenRequest{Identity: &iamv1.CreateIamTokenRequest_YandexPassportOauthToken{YandexPassportOauthToken: "y0_x"}})
	refused(t, err, "Unimplemented")
	_, err = s.tokens.Create(s.ctx, &iamv1.CreateIamTokenRequest{})
	refused(t, err, "InvalidArgument INVALID_FIELD")
	wrong, err := s.key.Assertion(time.Now(), "https://elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	for _, jwt := range []string{wrong, "no.jwt.atall"} {
		_, err = s.tokens.Create(s.ctx, &iamv1.CreateIamTokenRequest{Identity: &iamv1.CreateIamTokenRequest_Jwt{Jwt: jwt}})
		if got := reasonless(err); got != "Unauthenticated" {
			t.Errorf("got %v, want UNAUTHENTICATED", err)
		}
		if strings.Contains(err.Error(), jwt) {
			t.Error("the error repeats the JWT")
		}
	}
	_, ctx := s.account(t, "robot")
	_, err = s.tokens.CreateForServiceAccount(ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: s.AccountID})
	refused(t, err, "PermissionDenied PERMISSION_DENIED")
}
