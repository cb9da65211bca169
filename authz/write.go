package authz

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// maxRevalidations is how often a write is validated and proposed again
// because the schema changed in between.
const maxRevalidations = 8

// Op is what an update does to a tuple.
type Op = store.Op

// The operations.
const (
	Create = store.OpCreate
	Touch  = store.OpTouch
	Delete = store.OpDelete
)

// Update changes one tuple.
type Update = store.Update

// PreconditionKind is what a precondition demands.
type PreconditionKind uint8

const (
	TuplesMatch     PreconditionKind = iota + 1 // Filter selects a tuple
	TuplesAbsent                                // Filter selects none
	RowUnchanged                                // no tuple of (Object, Relation) changed after Since
	SchemaUnchanged                             // the schema did not change after Since
)

// Precondition must hold for a write to happen.
type Precondition struct {
	Kind     PreconditionKind
	Filter   tuple.Filter
	Object   tuple.Object
	Relation string
	Since    string // a token
}

// WriteRequest changes tuples, all or none of them.
type WriteRequest struct {
	Tenant        string
	Updates       []Update
	Preconditions []Precondition
	RequestID     string // a UUIDv7; the same one takes effect once. "" = none
}

// Write changes tuples if the schema allows them and all preconditions hold.
// An expiry that has passed is no mistake: the tuple counts as absent from now
// on, whatever stood there before.
// It returns once the change is durable. On code UnknownOutcome the change may
// or may not happen; the same request id makes another try safe.
func (s *Service) Write(ctx context.Context, by Caller, r WriteRequest) (token string, err error) {
	return s.write(ctx, by, r, 0)
}

// write is Write to one incarnation of the tenant, 0 = whichever there is.
func (s *Service) write(ctx context.Context, by Caller, r WriteRequest, incarnation uint64) (token string, err error) {
	name, err := s.tenantName(r.Tenant)
	if err != nil {
		return "", err
	}
	if r.RequestID != "" {
		if _, err := store.RequestTime(r.RequestID); err != nil {
			return "", tupleError(err)
		}
	}
	var caughtUp bool
	for range maxRevalidations {
		seen := s.node.Store().Revision()
		c, err := s.writeCommand(ctx, name, by, r)
		if incarnation != 0 && c.Incarnation > incarnation {
			return "", unknownTenant(name)
		}
		if err != nil {
			if kept, ok := s.kept(&c); ok {
				return s.written(&c, kept)
			}
			if caughtUp {
				return "", err
			}
			if caughtUp, err = s.mayRevalidate(ctx, seen, err); caughtUp {
				continue
			}
			return "", err
		}
		out, err := s.replicate(ctx, c)
		if err != nil {
			return "", proposeError(err)
		}
		if out.Code != store.CodeSchemaChanged && out.Code != store.CodeTenantIncarnation {
			return s.written(&c, out)
		}
		if err := s.node.Wait(ctx, out.Revision); err != nil {
			return "", nodeError(err)
		}
	}
	return "", schemaBusy()
}

// written translates what c came to.
func (s *Service) written(c *store.Command, out store.Outcome) (token string, err error) {
	if out.Code != store.OK {
		return "", outcomeError(out, c)
	}
	return s.tokenAt(c.Incarnation, out.Revision), nil
}

// mayRevalidate reports whether this node, at revision seen, has refused for
// want of what it has now; else it returns the error to tell. Where nobody says
// how far the cluster is, nothing is refused for good: what this node lacks may
// allow it, and the first try of a retry may have taken effect.
func (s *Service) mayRevalidate(ctx context.Context, seen uint64, refused error) (bool, error) {
	var e *Error
	if errors.As(refused, &e) && e.Code == Unavailable {
		return false, refused
	}
	if err := s.readIndex(ctx); err != nil {
		return false, nodeError(err)
	}
	return s.node.Store().Revision() > seen, refused
}

// kept returns the outcome of an earlier try, which a retry must learn even if
// the schema would not allow it any more.
func (s *Service) kept(c *store.Command) (store.Outcome, bool) {
	if c.RequestID == "" {
		return store.Outcome{}, false
	}
	return s.node.Store().Kept(c)
}

func schemaBusy() *Error {
	return &Error{Code: Unavailable, Reason: "SCHEMA_BUSY", Message: "the schema keeps changing", Fix: "try again shortly"}
}

// newest returns the newest view of this node, once it has caught up.
func (s *Service) newest(tenant string) (store.View, error) {
	if !s.node.Ready() {
		return store.View{}, notReady()
	}
	v, err := s.node.Store().View(tenant, 0)
	if err != nil {
		return v, viewError(err)
	}
	return v, nil
}

// writeCommand validates r against the schema that this node has, and binds
// the command to it.
func (s *Service) writeCommand(ctx context.Context, tenant string, by Caller, r WriteRequest) (store.Command, error) {
	v, err := s.newest(tenant)
	if err != nil {
		return store.Command{}, err
	}
	c := store.Command{
		Kind: store.KindWrite, Tenant: tenant, Incarnation: v.Incarnation(),
		Actor: by.Name, Address: by.Address, RequestID: r.RequestID, Updates: r.Updates,
	}
	// The command is whole before anything is checked, so that kept knows it.
	if c.Preconditions, err = preconditions(r.Preconditions); err != nil {
		return c, err
	}
	g, rev, err := s.graphOf(ctx, v)
	if err != nil {
		return c, err
	}
	c.SchemaRevision = rev
	if err := s.checkPreconditions(ctx, g, tenant, r.Preconditions); err != nil {
		return c, err
	}
	return c, checkUpdates(g, r.Updates)
}

func checkUpdates(g *graph.Graph, updates []Update) error {
	return checkEach(g, updates, checkUpdate)
}

// checkEach checks each update, and that no two are of one tuple.
func checkEach(g *graph.Graph, updates []Update, check func(*graph.Graph, *Update) error) error {
	again, first, isAgain := store.FirstDuplicate(updates)
	for i := range updates {
		if err := check(g, &updates[i]); err != nil {
			return tupleError(err).at(fmt.Sprintf("updates[%d].tuple", i))
		}
		if isAgain && i == again {
			key := updates[i].Tuple.Key().String()
			return &Error{Code: Invalid, Reason: "DUPLICATE_UPDATE", Field: fmt.Sprintf("updates[%d].tuple", i), Value: key,
				Message: fmt.Sprintf("%s is also what updates[%d] changes", clip(key), first), Fix: "change a tuple once in a write"}
		}
	}
	return nil
}

// checkUpdate checks a tuple against the schema. To delete one, its caveat and
// expiry need not be told.
func checkUpdate(g *graph.Graph, u *Update) error {
	t := u.Tuple
	if u.Op == Delete {
		t.Caveat, t.Context, t.Expires = "", "", 0
	}
	if err := t.Validate(); err != nil {
		return err
	}
	err := g.CheckTuple(t)
	var refused *graph.NotAllowedError
	if u.Op == Delete && errors.As(err, &refused) && (refused.Field == "caveat" || refused.Field == "expiration") {
		return nil
	}
	return err
}

// preconditions translates preconditions. Of their tokens it takes the
// revisions only.
func preconditions(in []Precondition) ([]store.Precondition, error) {
	var out []store.Precondition
	for i, p := range in {
		sp := store.Precondition{Filter: p.Filter, Object: p.Object, Relation: p.Relation}
		switch p.Kind {
		case TuplesMatch:
			sp.Kind = store.PreTuplesMatch
		case TuplesAbsent:
			sp.Kind = store.PreTuplesAbsent
		case RowUnchanged:
			sp.Kind = store.PreRowUnchanged
		case SchemaUnchanged:
			sp.Kind, sp.Record = store.PreRecordUnchanged, store.SchemaRecord
		default:
			return nil, internal(fmt.Errorf("precondition kind %d", p.Kind))
		}
		if p.isSince() {
			at, err := parseToken(p.Since)
			if err != nil {
				return nil, malformedToken(fmt.Sprintf("preconditions[%d].since", i), p.Since)
			}
			sp.Since = at.revision
		}
		out = append(out, sp)
	}
	return out, nil
}

// isSince reports whether p names a token.
func (p *Precondition) isSince() bool { return p.Kind == RowUnchanged || p.Kind == SchemaUnchanged }

// checkPreconditions checks filters by the schema, and tokens by the cluster.
func (s *Service) checkPreconditions(ctx context.Context, g *graph.Graph, tenant string, in []Precondition) error {
	for i, p := range in {
		field := fmt.Sprintf("preconditions[%d]", i)
		if p.isSince() {
			if _, err := s.since(ctx, tenant, p.Since, field+".since"); err != nil {
				return err
			}
		} else if err := checkFilter(g, p.Filter); err != nil {
			return err.at(field)
		}
	}
	return nil
}

// since returns the revision of a token that a precondition names. One that
// the cluster has not reached could never be changed since.
func (s *Service) since(ctx context.Context, tenant, token, field string) (uint64, error) {
	p, err := parseToken(token)
	if err != nil {
		return 0, malformedToken(field, token)
	}
	return p.revision, s.reach(ctx, p, tenant, field, token)
}

func proposeError(err error) *Error {
	if errors.Is(err, store.ErrInvalidCommand) {
		// What is wrong stands behind the names of the errors that are wrapped.
		_, why, ok := strings.Cut(err.Error(), store.ErrInvalidCommand.Error()+": ")
		if !ok {
			why = err.Error()
		}
		return &Error{Code: Invalid, Reason: "INVALID_WRITE", Message: why, Fix: "change or split the write", Err: err}
	}
	return nodeError(err)
}

// outcomeError translates how a command ended other than well.
func outcomeError(o store.Outcome, c *store.Command) *Error {
	e := &Error{Message: o.Code.String(), Err: o.Err()}
	switch o.Code {
	case store.CodeAlreadyExists:
		e.Code, e.Reason, e.Field, e.Value = AlreadyExists, "TUPLE_EXISTS", fmt.Sprintf("updates[%d].tuple", o.Index), o.Detail
		e.Message, e.Fix = "tuple "+clip(o.Detail)+" exists", "touch it instead of creating it, if that is fine"
	case store.CodePrecondition:
		e.Code, e.Reason, e.Field = FailedPrecondition, "PRECONDITION_FAILED", fmt.Sprintf("preconditions[%d]", o.Index)
		e.Message, e.Fix = fmt.Sprintf("precondition %d does not hold: %s", o.Index, o.Detail), "read anew and decide again"
	case store.CodeHorizon:
		e.Code, e.Reason, e.Field = OutOfRange, "TOKEN_TOO_OLD", fmt.Sprintf("preconditions[%d].since", o.Index)
		e.Fix = "read anew and use the token of that answer"
	case store.CodeShapeInUse:
		e.Code, e.Reason, e.Field, e.Value = FailedPrecondition, "SCHEMA_ORPHANS_TUPLES", "schema", o.Detail
		e.Message = "the new schema does not allow what is stored: " + o.Detail
		e.Fix = "delete these tuples first, or keep the relation's types"
	case store.CodeTenantExists:
		e.Code, e.Reason, e.Field, e.Value = AlreadyExists, "TENANT_EXISTS", "tenant", c.Tenant
		e.Message, e.Fix = fmt.Sprintf("there is a tenant %q", clip(c.Tenant)), "use it, or another name"
	case store.CodeTenantUnknown, store.CodeTenantIncarnation:
		return unknownTenant(c.Tenant)
	case store.CodeRequestReused:
		e.Code, e.Reason, e.Field, e.Value = FailedPrecondition, "REQUEST_ID_REUSED", "request_id", c.RequestID
		e.Fix = "make a new request id for each different write"
	case store.CodeRequestTooOld:
		e.Code, e.Reason, e.Field, e.Value = FailedPrecondition, "REQUEST_ID_TOO_OLD", "request_id", c.RequestID
		e.Message, e.Fix = "the request id is too old ("+o.Detail+")", "whether it took effect is not known any more; read, then decide"
	case store.CodeInvalid:
		e.Code, e.Reason, e.Message = Invalid, "INVALID_WRITE", o.Detail
	case store.CodeExhausted:
		e.Code, e.Reason, e.Message = ResourceExhausted, "STORE_FULL", o.Detail
	default:
		return internal(o.Err())
	}
	return e
}
