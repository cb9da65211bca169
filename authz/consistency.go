package authz

import (
	"context"
	"fmt"
	"sync/atomic"

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
	name, err := tenantName(tenant)
	if err != nil {
		return store.View{}, err
	}
	at := uint64(0)
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
	v, err := s.node.Store().View(name, at)
	if err != nil {
		return v, viewError(err)
	}
	return v, nil
}

// fresh refuses to answer from state that may be older than allowed.
func (s *Service) fresh() error {
	if !s.node.Ready() {
		return &Error{Code: Unavailable, Reason: "NOT_READY", Message: "this node is still catching up", Fix: "try another node, or again shortly"}
	}
	if since := s.node.LastContact(); since > s.opts.MaxStaleness {
		return &Error{Code: Unavailable, Reason: "STALE",
			Message: fmt.Sprintf("this node has not heard of a leader for more than %v", s.opts.MaxStaleness), Fix: "try another node"}
	}
	return nil
}

// catchUp returns once the store shows every write acknowledged before the call.
func (s *Service) catchUp(ctx context.Context) error {
	rev, err := s.node.ReadIndex(ctx)
	if err == nil {
		err = s.node.Wait(ctx, rev)
	}
	if err != nil {
		return nodeError(err)
	}
	return nil
}

func (s *Service) viewOfToken(ctx context.Context, tenant string, c Consistency) (store.View, error) {
	const field = "consistency.token"
	p, err := s.position(c.Token, field)
	if err != nil {
		return store.View{}, err
	}
	if p.revision > s.node.Store().Revision() {
		if err := s.node.CheckAhead(ctx, p.revision); err != nil {
			return store.View{}, nodeError(err)
		}
		if err := s.node.Wait(ctx, p.revision); err != nil {
			return store.View{}, nodeError(err)
		}
	}
	at := p.revision
	if c.Level == AtLeast {
		at = 0
	}
	v, err := s.node.Store().View(tenant, at)
	if err != nil {
		return v, viewError(err)
	}
	if err := sameTenant(p, v.Incarnation(), field, c.Token); err != nil {
		return v, err
	}
	return v, nil
}

// position reads a token and checks that it is of this cluster's present life.
func (s *Service) position(token, field string) (position, error) {
	refuse := func(reason, message, fix string) (position, error) {
		return position{}, &Error{Code: Invalid, Reason: reason, Field: field, Value: token, Message: message, Fix: fix}
	}
	p, err := parseToken(token)
	if err != nil {
		return refuse("MALFORMED_TOKEN", "this is not a consistency token", "send a token exactly as an answer gave it")
	}
	if p.cluster != s.digest() {
		return refuse("FOREIGN_TOKEN", "the token is of another cluster", "use a token that this cluster has given")
	}
	if _, incarnation := s.node.Store().Cluster(); p.incarnation != incarnation {
		return refuse("OLD_INCARNATION", "the token is from before this cluster was restored", "read anew and use the token of that answer")
	}
	return p, nil
}

func sameTenant(p position, incarnation uint64, field, token string) error {
	if p.tenant == incarnation {
		return nil
	}
	return &Error{Code: Invalid, Reason: "OTHER_TENANT", Field: field, Value: token,
		Message: "the token is of another tenant, or of one that was deleted and created again", Fix: "use a token of this tenant"}
}

// issued is the newest token given for a tenant; questions between two writes
// share it.
type issued struct {
	latest atomic.Pointer[issuedToken]
}

type issuedToken struct {
	position
	text string
}

// token returns the token of v's revision.
func (s *Service) token(v store.View) string {
	return s.tokenAt(v.Tenant(), v.Incarnation(), v.Revision())
}

func (s *Service) tokenAt(tenant string, tenantIncarnation, rev uint64) string {
	_, incarnation := s.node.Store().Cluster()
	p := position{s.digest(), incarnation, tenantIncarnation, rev}
	slot, ok := s.tokens.Load(tenant)
	if !ok {
		slot, _ = s.tokens.LoadOrStore(tenant, &issued{})
	}
	is := slot.(*issued)
	if last := is.latest.Load(); last != nil && last.position == p {
		return last.text
	}
	next := &issuedToken{p, p.text()}
	is.latest.Store(next)
	return next.text
}
