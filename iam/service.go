package iam

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync/atomic"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
)

// Tenant is the reserved tenant that holds everything. No front door but this
// layer's writes it.
const Tenant = "_iam"

// Config says what a Service works with.
type Config struct {
	// Service is the engine. Required.
	Service *authz.Service

	// Master seals the secrets that are replicated. The same on every node.
	// Required.
	Master *credential.MasterKey

	// Old is a second master key that secrets may be sealed under, while one takes
	// the place of the other. nil = none.
	Old *credential.MasterKey

	// Audiences are those that assertions for tokens may be made out to, besides
	// the vendor's, which its SDKs have built in.
	Audiences []string

	// Strict refuses to grant a role to those who do not hold all that it permits.
	Strict bool

	// Log takes what a client must not see. nil = slog.Default().
	Log *slog.Logger
}

// Service is the IAM layer of one node. It is safe for concurrent use.
type Service struct {
	layer  *authz.Layer
	config Config
	tokens *credential.Tokens

	ring      atomic.Pointer[keyring]
	catalogue atomic.Pointer[knownCatalogue]
	callers   knownCallers
	names     atomic.Pointer[knownNames]
	makingKey chan struct{} // room for making RSA keys, which takes seconds of CPU
}

// mostTokens is how many verified tokens are remembered.
const mostTokens = 1 << 16

// New opens the layer. It is done once for an engine.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &Service{config: c, tokens: credential.NewTokens(mostTokens), makingKey: make(chan struct{}, 1)}
	s.callers.seed = maphash.MakeSeed()
	s.layer = c.Service.Layer(Tenant, s.schema)
	return s
}

// Call is what every request brings with it.
type Call struct {
	Token       string // IAM token, "" = anonymous
	Address     string
	UserAgent   string
	RequestID   string
	Idempotency string   // key that makes a retry of a change safe, "" = none
	Request     [32]byte // digest of the method and its request, with Idempotency
	Consistency authz.Consistency
	// Stale says that Consistency counts; otherwise reads are linearizable.
	Stale bool

	// Seen is set: a consistency token of the view that an answer is of, or of the
	// first with what has been changed.
	Seen string
}

func (c *Call) consistency() authz.Consistency {
	if c.Stale {
		return c.Consistency
	}
	return authz.Consistency{Level: authz.Latest}
}

// view returns the view that a call asks for, of a layer that has been founded.
func (s *Service) view(ctx context.Context, c authz.Consistency) (*authz.LayerView, error) {
	v, err := s.layer.View(ctx, c)
	if isUnknownTenant(err) {
		return nil, notFounded()
	}
	if err != nil {
		return nil, err
	}
	if !v.HasSchema() {
		return nil, notFounded()
	}
	return &v, nil
}

func notFounded() *Error {
	return precondition("IAM_NOT_INITIALIZED", "there is no organization yet", "run pemba iam init once")
}
