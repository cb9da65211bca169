package authz

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// graphKey names a written schema.
type graphKey struct {
	tenant      string
	incarnation uint64
	revision    uint64   // that wrote it
	source      [32]byte // digest of its text: a restore may bring another history
}

func keyOfSchema(v store.View, rev uint64, source []byte) graphKey {
	return graphKey{v.Tenant(), v.Incarnation(), rev, sha256.Sum256(source)}
}

// graphs keeps compiled schemas: a bounded number of them, least recently used
// first to go, and for each tenant the one last used where a question finds it
// without a lock.
type graphs struct {
	last [4096]atomic.Pointer[compiled] // by tenant incarnation

	most    int
	mu      sync.Mutex // guards all below
	byKey   map[graphKey]*list.Element
	order   list.List // of *compiled, oldest first
	size    int       // of all
	flights map[graphKey]*flight
}

// mostText bounds the text of all graphs that are kept, but for the last two.
const mostText = 8 << 20

type compiled struct {
	key    graphKey
	source []byte // the record's own bytes
	graph  *graph.Graph
	size   int         // bytes of its text: a graph takes some 15 times as much
	layer  bool        // a layer's: its text is more than the record
	used   atomic.Bool // since it was last looked at for eviction
}

// is reports whether c is the schema of that record. Its bytes are the same
// memory as long as the store has not been restored.
func (c *compiled) is(v store.View, rev uint64, source []byte) bool {
	return c.key.revision == rev && c.key.incarnation == v.Incarnation() && c.holds(source)
}

// holds reports whether c was made of that record, and not of an equal one.
func (c *compiled) holds(source []byte) bool { return isSame(c.source, source) }

// isSame reports whether a and b are the same memory.
func isSame(a, b []byte) bool { return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b) }

// graphOf returns the compiled schema in force at v, and its revision. If it has
// to be compiled, whoever asks meanwhile waits for the same work.
func (s *Service) graphOf(ctx context.Context, v store.View) (*graph.Graph, uint64, error) {
	source, rev, ok := v.Record(store.SchemaRecord)
	if !ok {
		return nil, 0, &Error{Code: FailedPrecondition, Reason: "NO_SCHEMA",
			Message: fmt.Sprintf("tenant %q has no schema", v.Tenant()), Fix: "write a schema first"}
	}
	if c := s.graphs.lastOf(v.Incarnation()).Load(); c != nil && c.is(v, rev, source) {
		if !c.used.Load() {
			c.used.Store(true)
		}
		return c.graph, rev, nil
	}
	c, err := s.compiledAt(ctx, v, rev, source)
	if err != nil {
		return nil, 0, err
	}
	return c.graph, rev, nil
}

// compiledAt is graphOf where the graph is not the last one.
func (s *Service) compiledAt(ctx context.Context, v store.View, rev uint64, source []byte) (*compiled, error) {
	key := keyOfSchema(v, rev, source)
	c, err := s.graphs.get(ctx, key, source, func() (*compiled, error) { return s.compileAt(v, source) })
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return nil, contextError(context.Cause(ctx))
	}
	return nil, internal(fmt.Errorf("compile the schema of revision %d: %w", rev, err))
}

// get returns a kept schema or compiles it. The error is compile's, or else that
// of ctx, with which nobody but this caller gives up.
func (g *graphs) get(ctx context.Context, key graphKey, source []byte, compile func() (*compiled, error)) (*compiled, error) {
	c, f := g.findOrFly(key, source, compile)
	if c != nil {
		return c, nil
	}
	select {
	case <-f.done:
		return f.made, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// compileAt compiles the schema whose record at v is source.
func (s *Service) compileAt(v store.View, source []byte) (*compiled, error) {
	text, most, l := string(source), graph.MaxSource, s.layerOf(v.Tenant())
	if l != nil {
		var err error
		if text, err = l.schema(l.at(v)); err != nil {
			return nil, err
		}
		most = maxLayerSchema
	}
	g, _, err := compile(text, most, v.Symbols())
	return &compiled{graph: g, size: len(text), layer: l != nil}, err
}

// keeps reports whether a schema is kept.
func (g *graphs) keeps(key graphKey, source []byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	e, ok := g.byKey[key]
	return ok && e.Value.(*compiled).holds(source)
}

func (g *graphs) findLocked(key graphKey, source []byte) *compiled {
	e, ok := g.byKey[key]
	if !ok {
		return nil
	}
	c := e.Value.(*compiled)
	if !c.holds(source) { // an equal record, restored
		if c.layer {
			return nil // what it stands for may be another cluster's
		}
		c = &compiled{key: key, source: source, graph: c.graph, size: c.size}
		e.Value = c
	}
	return g.touchLocked(c)
}

// touchLocked makes c the one that its tenant's questions find first.
func (g *graphs) touchLocked(c *compiled) *compiled {
	c.used.Store(true)
	g.lastOf(c.key.incarnation).Store(c)
	return c
}

// lastOf returns where a tenant's graph is found first. Tenants may share it.
func (g *graphs) lastOf(incarnation uint64) *atomic.Pointer[compiled] {
	return &g.last[incarnation%uint64(len(g.last))]
}

// keepLocked files c, unless it is there by now, and makes room for it.
func (g *graphs) keepLocked(c *compiled) *compiled {
	if g.byKey == nil {
		g.byKey = map[graphKey]*list.Element{}
	}
	e, ok := g.byKey[c.key]
	if ok && !e.Value.(*compiled).holds(c.source) {
		g.evictLocked(e)
		ok = false
	}
	if !ok {
		e = g.order.PushBack(c)
		g.byKey[c.key] = e
		g.size += c.size
	}
	for g.order.Len() > max(g.most, 1) || g.size > mostText && g.order.Len() > 2 {
		oldest := g.order.Front()
		// One that was used since the last look gets another round.
		if old := oldest.Value.(*compiled); oldest == e || old.used.Swap(false) {
			g.order.MoveToBack(oldest)
		} else {
			g.evictLocked(oldest)
		}
	}
	c = e.Value.(*compiled)
	g.lastOf(c.key.incarnation).Store(c) // it counts as used when it is found again
	return c
}

func (g *graphs) evictLocked(e *list.Element) {
	c := e.Value.(*compiled)
	delete(g.byKey, c.key)
	g.order.Remove(e)
	g.size -= c.size
	g.lastOf(c.key.incarnation).CompareAndSwap(c, nil)
}

// compile makes a graph of a schema's text, of at most so many bytes.
func compile(source string, most int, syms *store.Symbols) (*graph.Graph, []graph.Warning, error) {
	ast, err := graph.ParseWithin(source, most)
	if err != nil {
		return nil, nil, err
	}
	warnings, err := graph.Validate(ast)
	if err != nil {
		return nil, nil, err
	}
	g, err := graph.Compile(ast, syms)
	return g, warnings, err
}

// compileApart compiles a schema that is not in force, and may never be. The
// graph answers no question: its names are not the store's, which keeps every
// name that it is given.
func compileApart(source string) (*graph.Graph, []graph.Warning, error) {
	return compile(source, graph.MaxSource, store.New(store.Options{}).Symbols())
}

// schemaError translates what is wrong with a schema's text.
func schemaError(err error) *Error {
	var errs graph.SchemaErrors
	if !errors.As(err, &errs) || len(errs) == 0 {
		return internal(err)
	}
	first, all := errs[0], make([]string, len(errs))
	for i, e := range errs {
		all[i] = e.Error()
	}
	return &Error{Code: Invalid, Reason: "INVALID_SCHEMA", Field: "schema", Value: first.Word,
		Message: strings.Join(all, "; "), Fix: "mend the schema; pemba schema validate checks it without a server", Err: err,
		Metadata: map[string]string{"line": fmt.Sprint(first.Line), "column": fmt.Sprint(first.Col), "hint": first.Hint}}
}
