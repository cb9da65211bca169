package iam

import (
	"context"
	"errors"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
	"github.com/pemba-authz/pemba/tuple"
)

// Caller is who makes a call, as a token proves it.
type Caller struct {
	Subject      Subject // zero = anonymous
	Impersonator Subject // who made a token for Subject; zero = Subject did
	KeyID        string  // authorized key that the token was made with, "" = none
	TokenID      string
	ExpiresAt    int64 // of the token, Unix seconds

	subjects *authz.SubjectSet   // Subject and what it is besides
	rests    []authz.Requirement // all records that this has been found out from
	until    int64               // when one of them means something else, Unix nanoseconds, 0 = never
}

// IsAnonymous reports whether nobody has authenticated.
func (c *Caller) IsAnonymous() bool { return c.Subject == Subject{} }

var (
	everybody     = Subject{System, AllUsers}.tuple()
	authenticated = Subject{System, AllAuthenticatedUsers}.tuple()
)

// caller returns who a token speaks for, at a view. "" is an anonymous caller.
// It is shared: read only.
func (s *Service) caller(v *authz.LayerView, token string) (*Caller, error) {
	if token == "" {
		return anonymous, nil
	}
	claims, err := s.genuine(v, token)
	if err != nil {
		return nil, err
	}
	key := callerKey{claims: claims}
	if c := s.callers.find(v, key); c != nil {
		return c, nil
	}
	if err := mustNotBeRevoked(v, claims); err != nil {
		return nil, err
	}
	c := &Caller{
		Subject: Subject{SubjectType(claims.SubjectType), claims.SubjectID}, KeyID: claims.KeyID,
		Impersonator: Subject{SubjectType(claims.ImpersonatorType), claims.ImpersonatorID},
		TokenID:      claims.ID, ExpiresAt: claims.ExpiresAt,
	}
	for _, who := range []Subject{c.Subject, c.Impersonator} {
		if err := c.mustBeWell(v, who); err != nil {
			return nil, err
		}
	}
	if c.KeyID != "" {
		if _, ok := v.Record(keyKey(c.KeyID)); !ok {
			return nil, unauthenticated("KEY_DELETED", "the key that the token was made with has been deleted", "make a token with another key")
		}
		c.rests = append(c.rests, authz.Requirement{Kind: authz.RecordUnchanged, Record: keyKey(c.KeyID)})
	}
	c.rests = append(c.rests, authz.Requirement{Kind: authz.RecordIs, Record: revokedKey(c.TokenID)})
	return c, s.complete(v, key, c)
}

var anonymous = &Caller{subjects: authz.NewSubjectSet(everybody)}

// complete finds out what else a caller is, and remembers him.
func (s *Service) complete(v *authz.LayerView, key callerKey, c *Caller) error {
	implied, err := s.implied(v, c.Subject)
	if err != nil {
		return err
	}
	c.subjects = authz.NewSubjectSet(append([]tuple.Subject{c.Subject.tuple()}, implied...)...)
	s.callers.keep(v, key, c)
	return nil
}

// callerOf returns a caller that a service has authenticated itself.
func (s *Service) callerOf(v *authz.LayerView, who Subject) (*Caller, error) {
	switch {
	case who == (Subject{}) || who == Subject{System, AllUsers}:
		return anonymous, nil
	case who.Type == GroupSubject || who.Type == System:
		return nil, invalid("subject", who.String(), "a caller is a user or a service account", "name one, or nobody for an anonymous caller")
	}
	key := callerKey{subject: who}
	if c := s.callers.find(v, key); c != nil {
		return c, nil
	}
	if err := who.check("subject"); err != nil {
		return nil, err
	}
	c := &Caller{Subject: who}
	if err := c.mustBeWell(v, who); err != nil {
		return nil, err
	}
	return c, s.complete(v, key, c)
}

// genuine checks a token's signature and life.
func (s *Service) genuine(v *authz.LayerView, token string) (*credential.Claims, error) {
	ring, err := s.keyring(v)
	if err != nil {
		return nil, err
	}
	claims, err := s.tokens.Verify(token, ring.public)
	if err != nil {
		return nil, unauthenticated("INVALID_TOKEN", "The token is invalid: "+err.Error(), "get a new one")
	}
	if claims.ExpiresAt <= v.Time/1e9 {
		return nil, unauthenticated("TOKEN_EXPIRED", "The token has expired", "get a new one")
	}
	return claims, nil
}

func mustNotBeRevoked(v *authz.LayerView, claims *credential.Claims) error {
	if _, revoked := v.Record(revokedKey(claims.ID)); revoked {
		return unauthenticated("TOKEN_REVOKED", "The token has been revoked", "get a new one")
	}
	return nil
}

// mustBeWell refuses a subject that is gone, suspended or expired.
func (c *Caller) mustBeWell(v *authz.LayerView, who Subject) error {
	if who == (Subject{}) {
		return nil
	}
	key := accountKey(who.ID)
	if who.Type != ServiceAccount {
		key = userKey(who.ID)
	}
	there, err := isKnown(v, key, who)
	if err != nil {
		return err
	}
	if !there {
		return unauthenticated("ACCOUNT_DELETED", who.String()+" does not exist", "check the id, or use another account")
	}
	if err := mustBeOn(v, who); err != nil {
		return err
	}
	var o off
	if _, err := load(v, offKey(who.ID), &o); err != nil {
		return err
	}
	if o.ExpiresAt != 0 && (c.until == 0 || o.ExpiresAt < c.until) {
		c.until = o.ExpiresAt
	}
	c.rests = append(c.rests,
		authz.Requirement{Kind: authz.RecordUnchanged, Record: key},
		authz.Requirement{Kind: authz.RecordUnchanged, Record: offKey(who.ID)})
	return nil
}

// isKnown reports whether there is a service account or a user of this type.
func isKnown(v *authz.LayerView, key string, who Subject) (bool, error) {
	if who.Type == ServiceAccount {
		_, ok := v.Record(key)
		return ok, nil
	}
	var u User
	found, err := load(v, key, &u)
	return found && u.Type == who.Type, err
}

// off says why an account may not authenticate.
type off struct {
	Suspended bool  `json:"suspended,omitempty"`
	ExpiresAt int64 `json:"expiresAt,omitempty"` // Unix nanoseconds, 0 = never
}

func mustBeOn(v *authz.LayerView, who Subject) error {
	var o off
	found, err := load(v, offKey(who.ID), &o)
	switch {
	case err != nil || !found:
		return err
	case o.Suspended:
		return unauthenticated("ACCOUNT_SUSPENDED", who.String()+" is suspended", "have it reactivated")
	case o.ExpiresAt != 0 && o.ExpiresAt <= v.Time:
		return unauthenticated("ACCOUNT_EXPIRED", who.String()+" has expired", "have its expiry moved")
	}
	return nil
}

// implied returns the system groups that a subject is in. What is not stored is
// not there: an unknown subject is in none but the public ones.
func (s *Service) implied(v *authz.LayerView, who Subject) ([]tuple.Subject, error) {
	if who == (Subject{}) {
		return nil, nil
	}
	out := []tuple.Subject{everybody, authenticated}
	if who.Type != UserAccount && who.Type != FederatedUser {
		return out, nil
	}
	var u User
	if _, err := load(v, userKey(who.ID), &u); err != nil {
		return nil, err
	}
	for _, id := range u.Organizations {
		out = append(out, Subject{System, "group:organization:" + id + ":users"}.tuple())
	}
	if u.FederationID != "" {
		out = append(out, Subject{System, "group:federation:" + u.FederationID + ":users"}.tuple())
	}
	return out, nil
}

// question asks for a permission, or a role, of the caller.
func (c *Caller) question(name string, on Resource) authz.Question {
	all := c.all()
	return authz.Question{Object: on.object(), Permission: name, Subject: all[0], Implied: all[1:]}
}

// whole returns the caller and what he is besides. Who has not been found out is nobody.
func (c *Caller) whole() *authz.SubjectSet {
	if c.subjects == nil {
		return anonymous.subjects
	}
	return c.subjects
}

// all returns the subjects of whole.
func (c *Caller) all() []tuple.Subject { return c.whole().Subjects() }

// Authenticate says who a token speaks for.
func (s *Service) Authenticate(ctx context.Context, token string, at authz.Consistency) (*Caller, error) {
	if token == "" {
		return nil, unauthenticated("NO_TOKEN", "there is no token", "send an IAM token")
	}
	v, err := s.view(ctx, at)
	if err != nil {
		return nil, err
	}
	return s.caller(v, token)
}

func isUnknownTenant(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == "UNKNOWN_TENANT"
}
