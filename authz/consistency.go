package authz

import (
	"context"
	"fmt"

	"github.com/pemba-authz/pemba/internal/faulty"
	"github.com/pemba-authz/pemba/store"
)

// Level is how fresh an answer must be.
type Level uint8

const (
	// Any answers from what the node has, at once. It may lag behind by up to
	// Options.MaxStaleness.
	Any Level = iota
	// AtLeast answers from the token's revision or a later one, and waits for
	// it within the request's deadline.
	AtLeast
	// Exactly answers from the token's revision.
	Exactly
	// Latest reflects every write acknowledged before the request.
	Latest
)

// Consistency is a level with the token that AtLeast and Exactly need.
type Consistency struct {
	Level Level
	Token string
}

// view returns the view of tenant that c asks for.
func (s *Service) view(ctx context.Context, tenant string, c Consistency) (store.View, error) {
	name, err := s.tenantName(tenant)
	if err != nil {
		return store.View{}, err
	}
	switch c.Level {
	case Any:
		err = s.fresh()
	case Latest:
		err = s.catchUp(ctx)
	default:
		return s.viewOfToken(ctx, name, c)
	}
	if err != nil {
		return store.View{}, err
	}
	v, err := s.node.Store().View(name, 0)
	if err != nil {
		return v, viewError(err)
	}
	return v, nil
}

// fresh refuses to answer from state that may be older than allowed.
func (s *Service) fresh() error {
	if !s.node.Ready() {
		return notReady()
	}
	if since := s.node.LastContact(); since > s.opts.MaxStaleness && !faulty.StaleAny {
		return &Error{Code: Unavailable, Reason: "STALE",
			Message: fmt.Sprintf("this node has not heard of a leader for more than %v", s.opts.MaxStaleness), Fix: "try another node"}
	}
	return nil
}

func notReady() *Error {
	return &Error{Code: Unavailable, Reason: "NOT_READY", Message: "this node is still catching up", Fix: "try another node, or again shortly"}
}

// catchUp returns once the store shows every write acknowledged before the call.
func (s *Service) catchUp(ctx context.Context) error {
	if err := s.readIndex(ctx); err != nil {
		return nodeError(err)
	}
	return nil
}

func (s *Service) viewOfToken(ctx context.Context, tenant string, c Consistency) (store.View, error) {
	const field = "consistency.token"
	p, err := parseToken(c.Token)
	if err != nil {
		return store.View{}, malformedToken(field, c.Token)
	}
	if err := s.reach(ctx, p, tenant, field, c.Token); err != nil {
		return store.View{}, err
	}
	at := p.revision
	if c.Level == AtLeast {
		at = 0
	}
	v, err := s.node.Store().View(tenant, at)
	switch {
	case err != nil:
		return v, viewError(err)
	case v.Incarnation() != p.tenant: // deleted and created again while this waited
		return v, otherTenant(field, c.Token)
	}
	return v, nil
}

// reach returns once the store has applied p's revision, and p is of the tenant
// in this cluster's present life. It fails at once if the cluster has not
// committed the revision. What a node that lags does not know, be it the tenant
// or a restore, it has to learn before it may refuse the token for it.
func (s *Service) reach(ctx context.Context, p position, tenant, field, token string) error {
	if !s.node.Ready() {
		return notReady()
	}
	digest, incarnation := s.life()
	if p.cluster == digest && p.incarnation >= incarnation && p.revision > s.node.Store().Revision() && !faulty.NoWait {
		if err := s.awaitRevision(ctx, p.revision); err != nil {
			return nodeError(err)
		}
	}
	if err := s.sameLife(p, field, token); err != nil {
		return err
	}
	return s.sameTenant(p, tenant, field, token)
}

// sameLife checks that p is of this cluster, and not from before a restore.
func (s *Service) sameLife(p position, field, token string) error {
	switch digest, incarnation := s.life(); {
	case p.cluster != digest:
		return &Error{Code: Invalid, Reason: "FOREIGN_TOKEN", Field: field, Value: token,
			Message: "the token is of another cluster", Fix: "use a token that this cluster has given"}
	case p.incarnation != incarnation:
		return &Error{Code: Invalid, Reason: "OLD_INCARNATION", Field: field, Value: token,
			Message: "the token is from before this cluster was restored", Fix: "read anew and use the token of that answer"}
	}
	return nil
}

// sameTenant checks that p is of the tenant as it exists now.
func (s *Service) sameTenant(p position, tenant, field, token string) error {
	info, ok := s.node.Store().Tenant(tenant)
	switch {
	case !ok:
		return unknownTenant(tenant)
	case info.Incarnation != p.tenant:
		return otherTenant(field, token)
	case p.revision < p.tenant: // no answer ever gave it
		return malformedToken(field, token)
	}
	return nil
}

func malformedToken(field, token string) *Error {
	return &Error{Code: Invalid, Reason: "MALFORMED_TOKEN", Field: field, Value: token,
		Message: "this is not a consistency token", Fix: "send a token exactly as an answer gave it"}
}

func otherTenant(field, token string) *Error {
	return &Error{Code: Invalid, Reason: "OTHER_TENANT", Field: field, Value: token,
		Message: "the token is of another tenant, or of one that was deleted and created again", Fix: "use a token of this tenant"}
}

// issuedToken is the newest token given; questions between two writes share it.
type issuedToken struct {
	position
	text string
}

// token returns the token of v's revision.
func (s *Service) token(v store.View) string {
	return s.tokenAt(v.Incarnation(), v.Revision())
}

func (s *Service) tokenAt(tenant, rev uint64) string {
	digest, incarnation := s.life()
	p := position{digest, incarnation, tenant, rev}
	slot := &s.issued[tenant%uint64(len(s.issued))]
	if last := slot.Load(); last != nil && last.position == p {
		return last.text
	}
	next := &issuedToken{p, p.text()}
	slot.Store(next)
	return next.text
}
