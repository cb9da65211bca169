package store

import (
	"errors"
	"fmt"

	"github.com/pemba-authz/pemba/tuple"
)

// Limits of one command. An entry may hold several commands.
const (
	MaxUpdates       = 10_000
	MaxPreconditions = 1_000
	MaxRecords       = 1_000
	MaxEmptyShapes   = 10_000
	MaxCommandBytes  = 1 << 20
	MaxRecordKey     = 1_024 // bytes
	MaxEntryCommands = 1_024
	MaxTenantName    = 64
)

// SchemaRecord is the record that holds a tenant's schema: its source text.
const SchemaRecord = "schema"

// Kind is what a command does.
type Kind uint8

const (
	// KindInit names the cluster (ClusterID) and creates the first tenant
	// (Tenant). It succeeds once in a cluster's life.
	KindInit Kind = iota + 1
	// KindWrite changes tuples and records of one tenant, all or nothing.
	KindWrite
	// KindCreateTenant creates Tenant; its incarnation is the revision.
	KindCreateTenant
	// KindDeleteTenant deletes Tenant with all that it holds.
	KindDeleteTenant
	// KindHorizon moves the oldest readable revision up to Horizon.
	KindHorizon
	// KindIncarnation sets the cluster's incarnation to NewIncarnation, which
	// makes all older tokens foreign (restore, recovery from lost quorum).
	KindIncarnation
)

// Command is one caller's request as it stands in the log: everything that
// Apply needs, so that every replica decides alike. Apply has no other source
// of time, ids or identity.
type Command struct {
	Kind        Kind
	Tenant      string
	Incarnation uint64 // of the tenant, as the caller saw it; 0 = the current one

	Actor   string // who asked
	Address string // from where
	// RequestID makes a retry safe: the same id from the same actor in the
	// same tenant takes effect once. It is a UUIDv7, whose time is the id's
	// creation time. "" = no deduplication.
	RequestID string
	Time      int64 // the proposer's clock, Unix nanoseconds

	// For KindWrite:
	SchemaRevision uint64 // of the schema that Updates were validated against; 0 = not checked
	Preconditions  []Precondition
	Updates        []Update // keys are distinct
	Records        []RecordUpdate
	Empty          []EmptyShape // no live tuple may have one of these shapes

	ClusterID      string // KindInit
	Horizon        uint64 // KindHorizon
	NewIncarnation uint64 // KindIncarnation
}

// Op is what an update does to a tuple.
type Op uint8

const (
	OpCreate Op = iota + 1 // fails if the tuple is there
	OpTouch                // creates it or replaces its caveat and expiry
	OpDelete               // an absent tuple is fine
)

// Update changes one tuple. For OpDelete only the tuple's key counts.
type Update struct {
	Op    Op
	Tuple tuple.Tuple
}

// RecordUpdate writes or deletes one named record.
type RecordUpdate struct {
	Key    string
	Value  []byte
	Delete bool
}

// PreconditionKind is what a precondition demands.
type PreconditionKind uint8

const (
	// PreTuplesMatch demands that Filter selects at least one tuple that is
	// live and not expired at the command's time.
	PreTuplesMatch PreconditionKind = iota + 1
	// PreTuplesAbsent demands that it selects none.
	PreTuplesAbsent
	// PreRecordUnchanged demands that Record has not changed after Since.
	PreRecordUnchanged
	// PreRowUnchanged demands that no tuple of (Object, Relation) has changed
	// after Since.
	PreRowUnchanged
)

// Precondition must hold when the command is applied, before its own changes.
type Precondition struct {
	Kind     PreconditionKind
	Filter   tuple.Filter
	Record   string
	Object   tuple.Object
	Relation string
	Since    uint64 // a revision; must not lie below the horizon
}

// EmptyShape names tuples by class: a kind of object, a relation, a kind of
// subject and, unless AnyCaveat or AnyExpiring, the caveat's name ("" = none)
// and whether they expire.
type EmptyShape struct {
	Type, Relation, SubjectType, SubjectRelation string
	Wildcard                                     bool
	Caveat                                       string
	AnyCaveat                                    bool
	Expiring, AnyExpiring                        bool
}

// String names the class as a schema would: "doc#viewer: user:* with ip".
func (e EmptyShape) String() string {
	s := e.Type + "#" + e.Relation + ": " + e.SubjectType
	switch {
	case e.Wildcard:
		s += ":*"
	case e.SubjectRelation != "":
		s += "#" + e.SubjectRelation
	}
	sep := " with "
	if e.Caveat != "" {
		s += sep + e.Caveat
		sep = " and "
	}
	if e.Expiring {
		s += sep + "expiration"
	}
	return s
}

// ErrInvalidCommand is wrapped by what Validate returns.
var ErrInvalidCommand = errors.New("invalid command")

// Validate checks c's limits and parts, without a store. A proposer calls it;
// Apply calls it again and answers CodeInvalid.
func (c *Command) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidCommand, err)
	}
	return nil
}

func (c *Command) validate() error {
	if c.RequestID != "" {
		if _, err := requestTime(c.RequestID); err != nil {
			return err
		}
	}
	switch c.Kind {
	case KindInit:
		if c.ClusterID == "" {
			return errors.New("a cluster needs an id")
		}
		return validTenant(c.Tenant)
	case KindWrite:
		if err := validTenant(c.Tenant); err != nil {
			return err
		}
		return c.validateWrite()
	case KindCreateTenant, KindDeleteTenant:
		return validTenant(c.Tenant)
	case KindHorizon, KindIncarnation:
		return nil
	}
	return fmt.Errorf("unknown kind %d", c.Kind)
}

func (c *Command) validateWrite() error {
	switch {
	case len(c.Updates) > MaxUpdates:
		return fmt.Errorf("%d updates in one write; at most %d", len(c.Updates), MaxUpdates)
	case len(c.Preconditions) > MaxPreconditions:
		return fmt.Errorf("%d preconditions in one write; at most %d", len(c.Preconditions), MaxPreconditions)
	case len(c.Records) > MaxRecords:
		return fmt.Errorf("%d records in one write; at most %d", len(c.Records), MaxRecords)
	case len(c.Empty) > MaxEmptyShapes:
		return fmt.Errorf("%d shapes to be empty in one write; at most %d", len(c.Empty), MaxEmptyShapes)
	}
	seen := make(map[tuple.Key]struct{}, len(c.Updates))
	for i, u := range c.Updates {
		if err := validUpdate(u); err != nil {
			return fmt.Errorf("update %d: %w", i, err)
		}
		if _, dup := seen[u.Tuple.Key()]; dup {
			return fmt.Errorf("update %d: %s occurs twice in one write", i, u.Tuple.Key())
		}
		seen[u.Tuple.Key()] = struct{}{}
	}
	for i, p := range c.Preconditions {
		if err := p.validate(); err != nil {
			return fmt.Errorf("precondition %d: %w", i, err)
		}
	}
	return validRecords(c.Records)
}

func validUpdate(u Update) error {
	switch u.Op {
	case OpCreate, OpTouch:
		return u.Tuple.Validate()
	case OpDelete:
		return u.Tuple.Key().Validate()
	}
	return fmt.Errorf("unknown operation %d", u.Op)
}

func (p Precondition) validate() error {
	switch p.Kind {
	case PreTuplesMatch, PreTuplesAbsent:
		return p.Filter.Validate()
	case PreRecordUnchanged:
		return validRecordKey(p.Record)
	case PreRowUnchanged:
		if !tuple.ValidName(p.Relation) {
			return &tuple.FieldError{Field: "relation", Value: p.Relation, Fix: "a row is an object and a relation"}
		}
		return p.Object.Validate("object")
	}
	return fmt.Errorf("unknown kind %d", p.Kind)
}

func validRecords(rs []RecordUpdate) error {
	seen := make(map[string]struct{}, len(rs))
	for i, r := range rs {
		if err := validRecordKey(r.Key); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		if _, dup := seen[r.Key]; dup {
			return fmt.Errorf("record %d: %q occurs twice in one write", i, r.Key)
		}
		seen[r.Key] = struct{}{}
	}
	return nil
}

func validRecordKey(k string) error {
	if k == "" || len(k) > MaxRecordKey {
		return fmt.Errorf("a record's key is 1 to %d bytes, not %d", MaxRecordKey, len(k))
	}
	return nil
}

// ValidTenant reports whether s can name a tenant.
func ValidTenant(s string) bool { return validTenant(s) == nil }

func validTenant(s string) error {
	ok := len(s) > 0 && len(s) <= MaxTenantName
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			i > 0 && (c == '-' || c == '.') || c == '_'
	}
	if !ok {
		return &tuple.FieldError{Field: "tenant", Value: s, Fix: "a tenant's name is 1 to 64 letters, digits, '-', '_' and '.', not starting with '-' or '.'"}
	}
	return nil
}
