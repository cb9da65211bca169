package iam

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/iam/credential"
)

// keyPair is an authorized key. Making one takes long, so tests share a few.
type keyPair struct{ private, public string }

func newKeyPair() keyPair {
	private, public, err := credential.GenerateKey(2048)
	if err != nil {
		panic(err)
	}
	return keyPair{private, public}
}

var (
	rootKeys  = sync.OnceValue(newKeyPair) // of the account that Found makes
	otherKeys = sync.OnceValue(newKeyPair)
)

// site is a founded service over a real node, whose clock the test sets.
type site struct {
	*Service
	*Founded
	t     testing.TB
	node  *cluster.Node
	check *check.Checker
	clock *atomic.Int64 // Unix nanoseconds
	owner *Call         // of the founding account, which owns everything
}

// newEmptySite is a site that has not been founded.
func newEmptySite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, clock: new(atomic.Int64)}
	s.clock.Store(time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC).UnixNano())
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	if s.node, err = cluster.Open(t.Context(), cluster.Config{DataDir: t.TempDir(), MinFreeDisk: -1, Logger: quiet, Now: s.clock.Load}); err != nil {
		t.Fatal(err)
	}
	if s.check, err = check.New(check.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.check.Close()
		if err := s.node.Store().Verify(); err != nil {
			t.Error(err)
		}
		if err := s.node.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Service = s.open(Config{Master: credential.NewMasterKey()})
	return s
}

// open opens another service over the site's node, as a restarted process would.
func (s *site) open(c Config) *Service {
	c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	c.Service = authz.New(s.node, s.check, authz.Options{Now: s.clock.Load})
	return New(c)
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := newEmptySite(t)
	s.found()
	return s
}

func (s *site) found() {
	s.t.Helper()
	var err error
	if s.Founded, err = s.Found(s.t.Context(), authz.Caller{Name: "test"}, FoundRequest{PublicPEM: rootKeys().public}); err != nil {
		s.t.Fatal(err)
	}
	s.owner = s.withKey(s.KeyID, s.AccountID, rootKeys())
}

// assertion signs a JWT with an account's key, now.
func (s *site) assertion(keyID, accountID string, k keyPair) string {
	s.t.Helper()
	f := credential.KeyFile{ID: keyID, ServiceAccountID: accountID, PrivateKey: k.private}
	jwt, err := f.Assertion(time.Unix(0, s.clock.Load()), credential.VendorAudience)
	if err != nil {
		s.t.Fatal(err)
	}
	return jwt
}

// withKey returns a call with a token that was made with a key.
func (s *site) withKey(keyID, accountID string, k keyPair) *Call {
	s.t.Helper()
	token, _, _, err := s.CreateToken(s.t.Context(), &Call{}, s.assertion(keyID, accountID, k))
	if err != nil {
		s.t.Fatal(err)
	}
	return &Call{Token: token}
}

// as returns a call of somebody who needs no key for it.
func (s *site) as(who Subject) *Call {
	s.t.Helper()
	v, err := s.view(s.t.Context(), authz.Consistency{Level: authz.Latest})
	if err != nil {
		s.t.Fatal(err)
	}
	ring, err := s.keyring(v)
	if err != nil {
		s.t.Fatal(err)
	}
	now := v.Time / 1e9
	return &Call{Token: ring.current.Sign(&credential.Claims{
		ID: credential.NewID("tok"), SubjectType: string(who.Type), SubjectID: who.ID, IssuedAt: now, ExpiresAt: now + 12*3600,
	})}
}

// pass lets time go by, and the janitor do its work.
func (s *site) pass(d time.Duration) {
	s.t.Helper()
	s.clock.Add(int64(d))
	if err := s.clean(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// renew gives the owner a new token.
func (s *site) renew() { s.owner = s.withKey(s.KeyID, s.AccountID, rootKeys()) }

func (s *site) organization() Resource { return Resource{OrganizationKind, s.OrganizationID} }
func (s *site) cloud() Resource        { return Resource{CloudKind, s.CloudID} }
func (s *site) folder() Resource       { return Resource{FolderKind, s.FolderID} }
func (s *site) root() Subject          { return Subject{ServiceAccount, s.AccountID} }

// done takes what a change returns, and wants it done.
func (s *site) done(op *Operation, err error) *Operation {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	if !op.Done || op.Token == "" {
		s.t.Fatalf("operation %+v", op)
	}
	return op
}

// refuses wants an error with a reason that is good to read.
func (s *site) refuses(reason string, err error) *Error {
	s.t.Helper()
	e, ok := err.(*Error)
	if !ok {
		s.t.Fatalf("error %v, want %s", err, reason)
	}
	if e.Reason != reason || e.Message == "" || e.Code == 0 {
		s.t.Fatalf("error %s (%v), want %s", e.Reason, e, reason)
	}
	return e
}

func (s *site) newFolder(name string) Resource {
	s.t.Helper()
	return s.done(s.CreateFolder(s.t.Context(), s.owner, s.CloudID, About{Name: name})).Resource
}

// newAccount makes an account in a folder, with roles there.
func (s *site) newAccount(name string, in Resource, roles ...string) Subject {
	s.t.Helper()
	op := s.done(s.CreateAccount(s.t.Context(), s.owner, in.ID, About{Name: name}, 0))
	who := Subject{ServiceAccount, op.Resource.ID}
	for _, r := range roles {
		s.give(r, who, in)
	}
	return who
}

func (s *site) newUser(login string) Subject {
	s.t.Helper()
	op := s.done(s.AddUser(s.t.Context(), s.owner, s.OrganizationID, User{Type: UserAccount, Login: login}))
	return op.User.Subject()
}

func (s *site) newGroup(name string, members ...Subject) *Group {
	s.t.Helper()
	g := s.done(s.CreateGroup(s.t.Context(), s.owner, s.OrganizationID, About{Name: name})).Group
	if len(members) > 0 {
		var deltas []MemberDelta
		for _, m := range members {
			deltas = append(deltas, MemberDelta{Member: m})
		}
		s.done(s.UpdateGroupMembers(s.t.Context(), s.owner, g.ID, deltas))
	}
	return g
}

func (s *site) give(role string, who Subject, on Resource) {
	s.t.Helper()
	s.done(s.UpdateBindings(s.t.Context(), s.owner, on, []BindingDelta{{Binding: Binding{role, who}}}))
}

// can asks whether somebody has a permission now.
func (s *site) can(who Subject, permission string, on Resource) bool {
	s.t.Helper()
	v, caller, err := s.read(s.t.Context(), s.as(who))
	if err != nil {
		s.t.Fatal(err)
	}
	ok, err := caller.allows(s.t.Context(), v, permission, on)
	if err != nil {
		s.t.Fatal(err)
	}
	return ok
}

// now returns the newest view.
func (s *site) now() *authz.LayerView {
	s.t.Helper()
	v, err := s.view(s.t.Context(), authz.Consistency{Level: authz.Latest})
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}
