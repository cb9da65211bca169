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
	MaxWideFilters   = 8 // different precondition filters without an object's id
	MaxRecords       = 1_000
	MaxEmptyShapes   = 10_000
	MaxCommandBytes  = 1 << 20
	MaxRecordKey     = 1_024 // bytes
	MaxEntryCommands = 1_024
	MaxTenantName    = 64
	MinClusterSecret = 16 // bytes
	MaxClusterSecret = 64
)

// SchemaRecord is the record that holds a tenant's schema: its source text.
const SchemaRecord = "schema"

// Kind is what a command does.
type Kind uint8

const (
	// KindInit names the cluster (ClusterID), gives it its secret
	// (ClusterSecret) and creates the first tenant (Tenant). It succeeds once in
	// a cluster's life.
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
	ClusterSecret  []byte // KindInit: random bytes, see Store.Secret
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
	// PreRecordEquals demands that Record is there with exactly Value, or, if
	// Value is nil, that it is not there. It looks at no revision, so it never
	// fails for the horizon.
	PreRecordEquals
)

// Precondition must hold when the command is applied, before its own changes.
type Precondition struct {
	Kind     PreconditionKind
	Filter   tuple.Filter
	Record   string
	Object   tuple.Object
	Relation string
	Since    uint64 // a revision; must not lie below the horizon
	Value    []byte // PreRecordEquals: nil = no record, empty = a record without bytes
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

// maxTime bounds command times, so that sums with windows do not overflow.
const maxTime = 1 << 62

// Validate checks c's limits and parts, without a store. A proposer calls it.
func (c *Command) Validate() error {
	err := c.bounds()
	if err == nil && c.Kind == KindInit && len(c.ClusterSecret) == 0 {
		err = errNoSecret
	}
	for i := 0; err == nil && i < len(c.Updates); i++ {
		if u := c.Updates[i]; u.Op != OpDelete {
			err = inUpdate(i, u.Tuple.Validate())
		} else {
			err = inUpdate(i, u.Tuple.Key().Validate())
		}
	}
	for i := 0; err == nil && i < len(c.Preconditions); i++ {
		if err = c.Preconditions[i].validate(); err != nil {
			err = fmt.Errorf("precondition %d: %w", i, err)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidCommand, err)
	}
	return nil
}

func inUpdate(i int, err error) error {
	if err != nil {
		return fmt.Errorf("update %d: %w", i, err)
	}
	return nil
}

// bounds is the part of Validate that Apply relies on. It must come out alike
// on every replica, so it uses nothing that may differ between versions of Go,
// such as Unicode tables or the JSON encoder.
func (c *Command) bounds() error {
	if c.Time < 0 || c.Time > maxTime {
		return fmt.Errorf("time %d is out of range", c.Time)
	}
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
		if err := validSecret(c.ClusterSecret); err != nil {
			return err
		}
		return validTenant(c.Tenant)
	case KindWrite:
		if err := validTenant(c.Tenant); err != nil {
			return err
		}
		return c.writeBounds()
	case KindCreateTenant, KindDeleteTenant:
		return validTenant(c.Tenant)
	case KindHorizon, KindIncarnation:
		return nil
	}
	return fmt.Errorf("unknown kind %d", c.Kind)
}

func (c *Command) writeBounds() error {
	switch {
	case len(c.Updates) > MaxUpdates:
		return fmt.Errorf("%d updates in one write; at most %d", len(c.Updates), MaxUpdates)
	case len(c.Preconditions) > MaxPreconditions:
		return fmt.Errorf("%d preconditions in one write; at most %d", len(c.Preconditions), MaxPreconditions)
	case c.wideFilters() > MaxWideFilters:
		return fmt.Errorf("more than %d different preconditions without an object's id in one write", MaxWideFilters)
	case len(c.Records) > MaxRecords:
		return fmt.Errorf("%d records in one write; at most %d", len(c.Records), MaxRecords)
	case len(c.Empty) > MaxEmptyShapes:
		return fmt.Errorf("%d shapes to be empty in one write; at most %d", len(c.Empty), MaxEmptyShapes)
	}
	for i, p := range c.Preconditions {
		if p.Kind < PreTuplesMatch || p.Kind > PreRecordEquals {
			return fmt.Errorf("precondition %d: unknown kind %d", i, p.Kind)
		}
	}
	again, _, isAgain := FirstDuplicate(c.Updates)
	for i := range c.Updates {
		if err := inUpdate(i, c.Updates[i].bounds()); err != nil {
			return err
		}
		if isAgain && i == again {
			return fmt.Errorf("update %d: %s occurs twice in one write", i, c.Updates[i].Tuple.Key())
		}
	}
	return validRecords(c.Records)
}

var errNoSecret = fmt.Errorf("a cluster needs a secret of %d to %d bytes", MinClusterSecret, MaxClusterSecret)

// validSecret lets none pass as well: Apply founds such a cluster, Validate
// does not let one be proposed.
func validSecret(b []byte) error {
	if len(b) != 0 && (len(b) < MinClusterSecret || len(b) > MaxClusterSecret) {
		return errNoSecret
	}
	return nil
}

// wideFilters counts the different filters that may have to read more than one
// object's tuples.
func (c *Command) wideFilters() int {
	wide := map[tuple.Filter]struct{}{}
	for _, p := range c.Preconditions {
		if p.Kind <= PreTuplesAbsent && p.Filter.ID == "" {
			wide[p.Filter] = struct{}{}
		}
	}
	return len(wide)
}

// bounds checks what the store's layout needs of a tuple.
func (u *Update) bounds() error {
	t := u.Tuple
	switch {
	case u.Op < OpCreate || u.Op > OpDelete:
		return fmt.Errorf("unknown operation %d", u.Op)
	case t.Object.Type == "" || t.Object.ID == "" || t.Object.ID == tuple.Wildcard || t.Relation == "" ||
		t.Subject.Type == "" || t.Subject.ID == "":
		return fmt.Errorf("tuple %s lacks a part", t.Key())
	case t.Subject.IsWildcard() && t.Subject.Relation != "" || t.Caveat == "" && t.Context != "" || t.Expires < 0:
		return fmt.Errorf("tuple %s has parts that exclude each other", t.Key())
	case t.Subject.Relation == tuple.Wildcard:
		return fmt.Errorf("tuple %s has a wildcard for a relation", t.Key())
	case max(len(t.Object.ID), len(t.Subject.ID)) > tuple.MaxIDLen || len(t.Context) > tuple.MaxContextLen ||
		max(len(t.Object.Type), len(t.Relation), len(t.Subject.Type), len(t.Subject.Relation), len(t.Caveat)) > tuple.MaxNameLen:
		return fmt.Errorf("tuple of %.40s has a part that is too long", t.Key())
	}
	return nil
}

func (p Precondition) validate() error {
	switch p.Kind {
	case PreTuplesMatch, PreTuplesAbsent:
		return p.Filter.Validate()
	case PreRecordUnchanged, PreRecordEquals:
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
