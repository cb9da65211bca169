package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const worldTenant = "default"

// world is a schema and tuples in the memory of this process, to be asked
// without a server.
type world struct {
	graph *graph.Graph
	view  store.View
	now   int64
}

// newWorld loads the valid tuples of a file under its schema, which is valid,
// and returns what is wrong with the others.
func newWorld(f *validationFile) (*world, []*fileError, error) {
	schema, err := graph.Parse(f.Schema.Text)
	if err != nil {
		return nil, nil, err
	}
	s := store.New(store.Options{})
	g, err := graph.Compile(schema, s.Symbols())
	if err != nil {
		return nil, nil, err
	}
	w := &world{graph: g, now: time.Now().UnixNano()}
	load := loader{store: s, now: w.now}
	load.apply(store.Command{Kind: store.KindInit, Tenant: worldTenant, ClusterID: uuid.NewString(), ClusterSecret: make([]byte, 32)})
	var wrong []*fileError
	seen := make(map[tuple.Key]int)
	for _, at := range f.Tuples {
		t, err := w.parseTuple(at, seen)
		if err != nil {
			wrong = append(wrong, &fileError{f.Name, at.Line, err.Error()})
			continue
		}
		load.add(t)
	}
	load.flush()
	if load.err != nil {
		return nil, nil, load.err
	}
	w.view, err = s.View(worldTenant, 0)
	return w, wrong, err
}

// parseTuple reads a tuple that the schema allows and that was not there before.
func (w *world) parseTuple(at located, seen map[tuple.Key]int) (tuple.Tuple, error) {
	t, err := tuple.ParseTuple(at.Text)
	if err != nil {
		return t, err
	}
	if err := w.graph.CheckTuple(t); err != nil {
		return t, err
	}
	if line, ok := seen[t.Key()]; ok {
		return t, fmt.Errorf("%s stands on line %d already", t.Key(), line)
	}
	seen[t.Key()] = at.Line
	return t, nil
}

// ask answers one question with the caveat context of an assertion.
func (w *world) ask(ctx context.Context, q tuple.Key, caveatContext map[string]any) (graph.Answer, error) {
	if q.Subject.IsWildcard() {
		return graph.Answer{}, errors.New("a wildcard is not the subject of a question")
	}
	return w.graph.Check(ctx, w.view, &graph.Question{
		Object: q.Object, Permission: q.Relation, Subjects: []tuple.Subject{q.Subject},
		Context: caveatContext, Now: w.now,
	})
}

// tuples yields the tuples of one relation of an object that have not expired.
func (w *world) tuples(o tuple.Object, relation string) func(yield func(tuple.Tuple) bool) {
	return func(yield func(tuple.Tuple) bool) {
		for t := range w.view.Tuples(tuple.Filter{Type: o.Type, ID: o.ID, Relation: relation}) {
			if (t.Expires == 0 || t.Expires > w.now) && !yield(t) {
				return
			}
		}
	}
}

// loader applies commands to a fresh store; the first error stays.
type loader struct {
	store    *store.Store
	now      int64
	revision uint64
	updates  []store.Update
	err      error
}

func (l *loader) add(t tuple.Tuple) {
	const batch = 100 // keeps a command below its limit even with the largest contexts
	l.updates = append(l.updates, store.Update{Op: store.OpTouch, Tuple: t})
	if len(l.updates) == batch {
		l.flush()
	}
}

func (l *loader) flush() {
	if len(l.updates) > 0 {
		l.apply(store.Command{Kind: store.KindWrite, Tenant: worldTenant, Updates: l.updates})
		l.updates = nil
	}
}

func (l *loader) apply(c store.Command) {
	if l.err != nil {
		return
	}
	c.Time = l.now
	if l.err = c.Validate(); l.err != nil {
		return
	}
	l.revision++
	entry := store.Entry{Commands: []store.Command{c}}
	l.err = l.store.Apply(l.revision, entry.Append(nil))[0].Err()
}
