package iam

import (
	"context"
	"crypto/rsa"
	"errors"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
)

// CreateToken makes an IAM token for whoever holds an authorized key: jwt is the
// assertion that he signed with it. It takes nothing else. The token holds until
// expiresAt, Unix seconds: for 12 hours, or until the account expires. Any node
// that has come as far as the consistency token accepts it.
func (s *Service) CreateToken(ctx context.Context, call *Call, jwt string) (token string, expiresAt int64, consistency string, err error) {
	v, err := s.view(ctx, authz.Consistency{Level: authz.Latest})
	if err != nil {
		return "", 0, "", err
	}
	call.Seen = v.Token
	audiences := append([]string{credential.VendorAudience}, s.config.Audiences...)
	a, err := credential.VerifyAssertion(jwt, time.Unix(0, v.Time), audiences, func(kid string) (*rsa.PublicKey, string, error) {
		var k Key
		if found, err := load(v, keyKey(kid), &k); err != nil || !found {
			return nil, "", err
		}
		public, err := credential.ParsePublicKey(k.PublicPEM)
		if err != nil {
			return nil, "", broken("read the key "+kid, err)
		}
		return public, k.AccountID, nil
	})
	var refused *credential.AssertionError
	if errors.As(err, &refused) {
		e := unauthenticated("INVALID_ASSERTION", refused.Text, "sign another one with an authorized key of a service account")
		e.Metadata = map[string]string{"field": refused.Field}
		return "", 0, "", e
	}
	if err != nil {
		return "", 0, "", err
	}
	claims := credential.Claims{SubjectType: string(ServiceAccount), SubjectID: a.AccountID, KeyID: a.KeyID}
	return s.mint(v, claims, 0)
}

// CreateTokenFor makes an IAM token of another account for who may impersonate it.
// The token names him, and does not outlive his. Who acts for another already
// must come as himself, and who would act for an owner be one.
func (s *Service) CreateTokenFor(ctx context.Context, call *Call, accountID string) (token string, expiresAt int64, consistency string, err error) {
	if err := checkID("service_account_id", accountID); err != nil {
		return "", 0, "", err
	}
	fresh := *call
	fresh.Stale = false
	v, caller, err := s.read(ctx, &fresh)
	if err != nil {
		return "", 0, "", err
	}
	call.Seen = v.Token
	r := Resource{ServiceAccountKind, accountID}
	if err := s.mustGet(ctx, v, caller, r, "createToken"); err != nil {
		return "", 0, "", err
	}
	if caller.Impersonator != (Subject{}) {
		return "", 0, "", &Error{Code: authz.PermissionDenied, Reason: "IMPERSONATION_CHAIN", Value: r.String(),
			Message: caller.Subject.String() + " is impersonated by " + caller.Impersonator.String() + " and cannot impersonate others", Fix: "grant the impersonator the role there"}
	}
	if err := s.work(ctx, v).as(caller).mustOwnWhatItOwns(Subject{ServiceAccount, accountID}); err != nil {
		return "", 0, "", err
	}
	claims := credential.Claims{
		SubjectType: string(ServiceAccount), SubjectID: accountID, KeyID: caller.KeyID,
		ImpersonatorType: string(caller.Subject.Type), ImpersonatorID: caller.Subject.ID,
	}
	token, expiresAt, consistency, err = s.mint(v, claims, caller.ExpiresAt)
	var e *Error
	if errors.As(err, &e) && e.Code == authz.Unauthenticated { // the account is, not the caller
		other := *e
		other.Code, err = authz.FailedPrecondition, &other
	}
	return token, expiresAt, consistency, err
}

// mint signs a token for an account that can authenticate. until bounds its life,
// Unix seconds, 0 = nothing else does.
func (s *Service) mint(v *authz.LayerView, c credential.Claims, until int64) (token string, expiresAt int64, consistency string, err error) {
	if _, ok := v.Record(accountKey(c.SubjectID)); !ok {
		return "", 0, "", unauthenticated("ACCOUNT_DELETED", "the service account does not exist", "use another account")
	}
	who := Subject{SubjectType(c.SubjectType), c.SubjectID}
	if err := mustBeOn(v, who); err != nil {
		return "", 0, "", err
	}
	c.ID, c.IssuedAt = credential.NewID("ajt"), v.Time/1e9
	c.ExpiresAt = c.IssuedAt + int64(credential.MaxTokenLife/time.Second)
	if until != 0 {
		c.ExpiresAt = min(c.ExpiresAt, until)
	}
	var o off
	if _, err := load(v, offKey(c.SubjectID), &o); err != nil {
		return "", 0, "", err
	}
	if o.ExpiresAt != 0 {
		c.ExpiresAt = min(c.ExpiresAt, o.ExpiresAt/1e9)
	}
	if c.ExpiresAt <= c.IssuedAt {
		return "", 0, "", unauthenticated("ACCOUNT_EXPIRED", who.String()+" expires this second", "have its expiry moved")
	}
	ring, err := s.keyring(v)
	if err != nil {
		return "", 0, "", err
	}
	key, err := ring.signer()
	if err != nil {
		return "", 0, "", err
	}
	return key.Sign(&c), c.ExpiresAt, v.Token, nil
}

// RevokeToken makes a token invalid, everywhere that has come as far as the
// consistency token, and returns whose it was. Whoever holds a token may revoke
// it: that is why there need not be a caller. A token that has expired, or has
// been revoked, is no error.
func (s *Service) RevokeToken(ctx context.Context, call *Call, token string) (of Subject, consistency string, err error) {
	for range maxTries {
		v, err := s.view(ctx, authz.Consistency{Level: authz.Latest})
		if err != nil {
			return Subject{}, "", err
		}
		call.Seen = v.Token
		ring, err := s.keyring(v)
		if err != nil {
			return Subject{}, "", err
		}
		claims, err := s.tokens.Verify(token, ring.public)
		if err != nil {
			return Subject{}, "", invalid("iam_token", "", "The token is invalid: "+err.Error(), "send an IAM token")
		}
		of = Subject{SubjectType(claims.SubjectType), claims.SubjectID}
		key := revokedKey(claims.ID)
		if _, revoked := v.Record(key); revoked || claims.ExpiresAt <= v.Time/1e9 {
			return of, v.Token, nil
		}
		c := s.work(ctx, v)
		c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordIs, Record: key})
		c.putBytes(key, []byte(of.String()))
		c.expire(key, time.Duration(claims.ExpiresAt*1e9-v.Time))
		consistency, err = s.layer.Commit(ctx, authz.Caller{Name: of.String(), Address: call.Address}, c.write)
		if !isConflict(err) {
			return of, consistency, err
		}
	}
	return Subject{}, "", &Error{Code: authz.Aborted, Reason: "TOO_BUSY", Message: "others revoke the token", Fix: "try again shortly"}
}
