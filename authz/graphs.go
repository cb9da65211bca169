package authz

import (
	"container/list"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// graphKey names a written schema.
type graphKey struct {
	tenant      string
	incarnation uint64
	revision    uint64 // that wrote it
}

// graphs keeps compiled schemas: the one last used of each tenant where a
// question finds it without a lock, and the others in a bounded list.
type graphs struct {
	last sync.Map // tenant name -> *lastGraph

	most  int
	mu    sync.Mutex // guards all below
	byKey map[graphKey]*list.Element
	order list.List // of *compiled, least recently used first
}

type lastGraph struct{ atomic.Pointer[compiled] }

type compiled struct {
	key   graphKey
	graph *graph.Graph
}

// graphOf returns the compiled schema in force at v, and its revision.
func (s *Service) graphOf(v store.View) (*graph.Graph, uint64, error) {
	source, rev, ok := v.Record(store.SchemaRecord)
	if !ok {
		return nil, 0, &Error{Code: FailedPrecondition, Reason: "NO_SCHEMA",
			Message: fmt.Sprintf("tenant %q has no schema", v.Tenant()), Fix: "write a schema first"}
	}
	key := graphKey{v.Tenant(), v.Incarnation(), rev}
	last, ok := s.graphs.last.Load(key.tenant)
	if !ok {
		last, _ = s.graphs.last.LoadOrStore(key.tenant, &lastGraph{})
	}
	slot := last.(*lastGraph)
	if c := slot.Load(); c != nil && c.key == key {
		return c.graph, rev, nil
	}
	c, err := s.graphs.get(key, source, v.Symbols())
	if err != nil {
		return nil, 0, internal(fmt.Errorf("compile the schema of revision %d: %w", rev, err))
	}
	slot.Store(c)
	return c.graph, rev, nil
}

// get returns a kept schema or compiles it. Two callers may compile the same
// one at once; that is rare and does no harm.
func (g *graphs) get(key graphKey, source []byte, syms *store.Symbols) (*compiled, error) {
	if c := g.find(key); c != nil {
		return c, nil
	}
	compiledGraph, _, err := compile(string(source), syms)
	if err != nil {
		return nil, err
	}
	c := &compiled{key, compiledGraph}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byKey == nil {
		g.byKey = map[graphKey]*list.Element{}
	}
	if e, ok := g.byKey[key]; ok {
		return e.Value.(*compiled), nil
	}
	g.byKey[key] = g.order.PushBack(c)
	for g.order.Len() > g.most {
		oldest := g.order.Front()
		delete(g.byKey, oldest.Value.(*compiled).key)
		g.order.Remove(oldest)
	}
	return c, nil
}

func (g *graphs) find(key graphKey) *compiled {
	g.mu.Lock()
	defer g.mu.Unlock()
	e, ok := g.byKey[key]
	if !ok {
		return nil
	}
	g.order.MoveToBack(e)
	return e.Value.(*compiled)
}

// compile makes a graph of a schema's text.
func compile(source string, syms *store.Symbols) (*graph.Graph, []graph.Warning, error) {
	ast, err := graph.Parse(source)
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

// schemaError translates what is wrong with a schema's text.
func schemaError(err error) *Error {
	var errs graph.SchemaErrors
	if !errors.As(err, &errs) || len(errs) == 0 {
		return internal(err)
	}
	first := errs[0]
	return &Error{Code: Invalid, Reason: "INVALID_SCHEMA", Field: "schema", Value: first.Word,
		Message: err.Error(), Err: err,
		Metadata: map[string]string{"line": fmt.Sprint(first.Line), "column": fmt.Sprint(first.Col), "hint": first.Hint}}
}
