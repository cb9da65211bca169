package authz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// maxLayerSchema bounds the text of a layer's schema, in bytes.
const maxLayerSchema = 16 << 20

// A Layer is a reserved tenant in the hands of the one package that it belongs
// to: its questions are those of a Service (the field), for which it is the
// tenant that "" stands for; its facts are tuples and named records, which
// change together. It is safe for concurrent use.
//
// A layer's schema is a function of what the layer stores: the record
// store.SchemaRecord says that, and since when, there is one, and every write
// that changes what the function reads has to set WriteSchema.
type Layer struct {
	*Service
	tenant string
	schema func(v LayerView) (string, error)
	mark   atomic.Pointer[mark] // nil = nobody follows
}

// Layer opens a reserved tenant; its name begins with "_". schema returns the
// schema's text at a view, and nothing but the view may decide what it is. It is
// called once for each version, by whichever request comes first or by Follow. A tenant is opened once.
func (s *Service) Layer(tenant string, schema func(v LayerView) (string, error)) *Layer {
	l := &Layer{Service: &Service{core: s.core, own: tenant}, tenant: tenant, schema: schema}
	s.layersMu.Lock()
	defer s.layersMu.Unlock()
	if s.layers == nil {
		s.layers = map[string]*Layer{}
	}
	if s.layers[tenant] != nil {
		panic("layer " + tenant + " is opened twice")
	}
	s.layers[tenant] = l
	return l
}

func (c *core) layerOf(tenant string) *Layer {
	c.layersMu.RLock()
	defer c.layersMu.RUnlock()
	return c.layers[tenant]
}

// Secret returns random bytes that are the same on every node for the cluster's
// life, to authenticate what is handed out; nil before the cluster is founded.
func (l *Layer) Secret() []byte { return l.node.Store().Secret() }

// IsLeader reports whether this node leads: for work that one node should do.
func (l *Layer) IsLeader() bool { return l.node.Ready() && l.node.IsLeader() }

// Now returns the node's clock, Unix nanoseconds.
func (l *Layer) Now() int64 { return l.opts.Now() }

// Found creates the tenant, unless it is there.
func (l *Layer) Found(ctx context.Context, by Caller) error {
	_, err := l.propose(ctx, store.Command{Kind: store.KindCreateTenant, Tenant: l.tenant, Actor: by.Name, Address: by.Address})
	var e *Error
	if errors.As(err, &e) && e.Reason == "TENANT_EXISTS" {
		return nil
	}
	return err
}

// A LayerView is one view of a layer: a Viewpoint, if the layer has a schema
// there, and its records.
type LayerView struct {
	Viewpoint
}

// View returns the view that c asks for. The reason of the error is
// UNKNOWN_TENANT before Found.
func (l *Layer) View(ctx context.Context, c Consistency) (LayerView, error) {
	v, err := l.view(ctx, "", c)
	if err != nil {
		return LayerView{}, err
	}
	if c.Level == Any && !l.isReady(v) {
		if before, ok := l.viewBefore(v); ok {
			v = before
		}
	}
	at := l.at(v)
	if _, _, ok := v.Record(store.SchemaRecord); ok {
		if at.graph, _, err = l.graphOf(ctx, v); err != nil {
			return LayerView{}, err
		}
	}
	return at, nil
}

// ViewAt returns the view of a revision that this layer has named, once this node
// has it.
func (l *Layer) ViewAt(ctx context.Context, revision uint64) (LayerView, error) {
	v, err := l.view(ctx, "", Consistency{})
	if err != nil {
		return LayerView{}, err
	}
	return l.View(ctx, Consistency{Level: Exactly, Token: l.tokenAt(v.Incarnation(), revision)})
}

func (l *Layer) at(v store.View) LayerView {
	return LayerView{Viewpoint{service: l.Service, view: v, Token: l.token(v), Time: l.timeOf(v)}}
}

// HasSchema reports whether the layer has a schema at the view; without one,
// nothing can be asked.
func (v *LayerView) HasSchema() bool { return v.graph != nil }

// Record returns a named record. The value is shared: read only.
func (v *LayerView) Record(key string) (value []byte, ok bool) {
	value, _, ok = v.view.Record(key)
	return value, ok
}

// Tuples yields the tuples that f selects and that have not expired, in an order
// that is the view's. A filter with an object's or a subject's id reads that
// one's tuples only, any other all of the layer.
func (v *LayerView) Tuples(f tuple.Filter) iter.Seq[tuple.Tuple] {
	return func(yield func(tuple.Tuple) bool) {
		for t := range v.view.Tuples(f) {
			if t.Expires != 0 && t.Expires <= v.Time {
				continue
			}
			if !yield(t) {
				return
			}
		}
	}
}

// Has reports whether a tuple is there and has not expired.
func (v *LayerView) Has(k tuple.Key) bool {
	for range v.Tuples(filterOf(k)) {
		return true
	}
	return false
}

// Explain is Service.Explain at this view.
func (v *LayerView) Explain(ctx context.Context, q Question) (*Explanation, error) {
	asked := v.service.question(&q, nil, v.Time)
	why, err := v.graph.Explain(ctx, v.view, &asked)
	if err != nil {
		return nil, questionError(err)
	}
	return why, nil
}

// filterOf selects the tuple with a key.
func filterOf(k tuple.Key) tuple.Filter {
	f := tuple.Filter{
		Type: k.Object.Type, ID: k.Object.ID, Relation: k.Relation,
		SubjectType: k.Subject.Type, SubjectID: k.Subject.ID, SubjectRelation: k.Subject.Relation,
	}
	if f.SubjectRelation == "" {
		f.SubjectRelation = tuple.Plain
	}
	return f
}

// RequirementKind says what a Requirement demands.
type RequirementKind uint8

const (
	RecordUnchanged RequirementKind = iota + 1 // Record is as it was at the write's view
	RecordIs                                   // Record has Value; nil = it is not there
	TupleThere                                 // a tuple has Key and has not expired
	RowSame                                    // no tuple of (Key.Object, Key.Relation) has changed since the write's view
	NoTuple                                    // Filter selects none that has not expired
)

// A Requirement must hold when a write takes effect, or it does not.
type Requirement struct {
	Kind   RequirementKind
	Record string
	Value  []byte
	Key    tuple.Key
	Filter tuple.Filter
}

// RecordUpdate writes or deletes a named record.
type RecordUpdate = store.RecordUpdate

// LayerWrite changes tuples and records, all or nothing.
type LayerWrite struct {
	At      *LayerView // what the decision to write rests on. Required
	Updates []Update   // keys are distinct
	Records []RecordUpdate
	Require []Requirement

	// WriteSchema says that what the layer's schema is made of changes. Relations
	// that it will not have must be named by Unbound.
	WriteSchema bool
	Unbound     []Relation // of these no tuple may be left
}

// Relation names a relation of a type.
type Relation struct{ Type, Name string }

// Conflict is the reason of errors that say that a requirement of a LayerWrite
// does not hold (any more). Where it is one of
// them, metadata "index" says which, from 0; else something that is created is
// there, or the schema or the tenant has changed.
const Conflict = "CONFLICT"

// Commit makes the change durable. Tuples are checked against the schema at
// w.At, which must still be in force; any can be deleted. Where a requirement does not hold, or the
// schema has changed, the reason of the error is Conflict, nothing is changed,
// and the decision is to be made again at a newer view.
func (l *Layer) Commit(ctx context.Context, by Caller, w LayerWrite) (token string, err error) {
	c, own, err := l.commandOf(by, &w)
	if err != nil {
		return "", err
	}
	out, err := l.replicate(ctx, c)
	if err != nil {
		return "", proposeError(err)
	}
	switch out.Code {
	case store.OK:
		return l.tokenAt(c.Incarnation, out.Revision), nil
	case store.CodePrecondition, store.CodeSchemaChanged, store.CodeTenantIncarnation, store.CodeAlreadyExists, store.CodeHorizon:
		// What stands in the way may be newer than what this node has.
		if err := l.node.Wait(ctx, out.Revision); err != nil {
			return "", nodeError(err)
		}
		e := outcomeError(out, &c)
		conflict := &Error{Code: FailedPrecondition, Reason: Conflict, Message: e.Message, Err: out.Err(), Fix: "read anew and decide again"}
		if i := out.Index - own; i >= 0 && (out.Code == store.CodePrecondition || out.Code == store.CodeHorizon) {
			conflict.Metadata = map[string]string{"index": fmt.Sprint(i)}
		}
		return "", conflict
	}
	return "", outcomeError(out, &c)
}

// commandOf makes the command of a write. The first own of its preconditions
// are not the caller's.
func (l *Layer) commandOf(by Caller, w *LayerWrite) (c store.Command, own int, err error) {
	v := w.At
	c = store.Command{
		Kind: store.KindWrite, Tenant: l.tenant, Incarnation: v.view.Incarnation(),
		Actor: by.Name, Address: by.Address, Updates: w.Updates, Records: w.Records,
	}
	source, rev, written := v.view.Record(store.SchemaRecord)
	c.SchemaRevision = rev
	if !written {
		if len(w.Updates) > 0 {
			return c, 0, internal(errors.New("tuples before there is a schema"))
		}
		c.Preconditions, own = append(c.Preconditions, store.Precondition{Kind: store.PreRecordEquals, Record: store.SchemaRecord}), 1
	} else if err := checkEach(v.graph, w.Updates, checkLayerUpdate); err != nil {
		return c, own, err
	}
	if w.WriteSchema {
		c.Records = append(c.Records[:len(c.Records):len(c.Records)], store.RecordUpdate{Key: store.SchemaRecord, Value: nextVersion(source)})
	}
	for _, r := range w.Unbound {
		c.Empty = append(c.Empty, l.shapesOf(v.graph, r)...)
	}
	for _, r := range w.Require {
		c.Preconditions = append(c.Preconditions, r.precondition(v.Revision()))
	}
	return c, own, nil
}

// nextVersion returns a text that differs from the one before, and from all
// others before it.
func nextVersion(source []byte) []byte {
	var n uint64
	fmt.Fscanf(bytes.NewReader(source), "layer schema %d", &n)
	return fmt.Appendf(nil, "layer schema %d", n+1)
}

// shapesOf returns the classes of tuples that a relation may have.
func (l *Layer) shapesOf(g *graph.Graph, r Relation) []store.EmptyShape {
	var out []store.EmptyShape
	for _, t := range g.Restrictions(r.Type, r.Name) {
		out = append(out, store.EmptyShape{
			Type: r.Type, Relation: r.Name, SubjectType: t.Type, SubjectRelation: t.Relation, Wildcard: t.Wildcard,
			AnyCaveat: true, AnyExpiring: true,
		})
	}
	return out
}

func (r *Requirement) precondition(at uint64) store.Precondition {
	switch r.Kind {
	case RecordUnchanged:
		return store.Precondition{Kind: store.PreRecordUnchanged, Record: r.Record, Since: at}
	case RecordIs:
		return store.Precondition{Kind: store.PreRecordEquals, Record: r.Record, Value: r.Value}
	case TupleThere:
		return store.Precondition{Kind: store.PreTuplesMatch, Filter: filterOf(r.Key)}
	case NoTuple:
		return store.Precondition{Kind: store.PreTuplesAbsent, Filter: r.Filter}
	case RowSame:
		return store.Precondition{Kind: store.PreRowUnchanged, Object: r.Key.Object, Relation: r.Key.Relation, Since: at}
	}
	panic(fmt.Sprintf("requirement kind %d", r.Kind))
}
