package main

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/oracle"
	"github.com/pemba-authz/pemba/tuple"
)

// fakeWorld is what a fake server keeps. It answers by the oracle.
type fakeWorld struct {
	mu     sync.Mutex
	schema *graph.Schema // nil = none
	tuples map[tuple.Object]map[tuple.Tuple]bool
	wrong  func(object string) bool // objects about which it lies
}

func (w *fakeWorld) write(touch, remove []tuple.Tuple) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tuples == nil {
		w.tuples = make(map[tuple.Object]map[tuple.Tuple]bool)
	}
	for _, t := range touch {
		if w.tuples[t.Object] == nil {
			w.tuples[t.Object] = make(map[tuple.Tuple]bool)
		}
		w.tuples[t.Object][t] = true
	}
	for _, t := range remove {
		delete(w.tuples[t.Object], t)
	}
}

// size is the number of tuples.
func (w *fakeWorld) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, some := range w.tuples {
		n += len(some)
	}
	return n
}

// deleteType deletes up to most tuples of a type and reports whether there are more.
func (w *fakeWorld) deleteType(typ string, most int) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for object, some := range w.tuples {
		for t := range some {
			if object.Type != typ {
				continue
			}
			if most == 0 {
				return true
			}
			delete(some, t)
			most--
		}
	}
	return false
}

// reachable are the tuples that an answer about object and subject can depend on.
func (w *fakeWorld) reachable(object tuple.Object, subject tuple.Subject) []tuple.Tuple {
	leaf := make(map[string]bool)
	for _, d := range w.schema.Definitions {
		leaf[d.Name] = len(d.Relations) == 0
	}
	var out []tuple.Tuple
	seen := map[tuple.Object]bool{object: true}
	for open := []tuple.Object{object}; len(open) > 0; open = open[1:] {
		for t := range w.tuples[open[0]] {
			if leaf[t.Subject.Type] && t.Subject != subject {
				continue
			}
			out = append(out, t)
			if next := t.Subject.Object(); !seen[next] {
				seen[next] = true
				open = append(open, next)
			}
		}
	}
	return out
}

func (w *fakeWorld) allows(object tuple.Object, permission string, subject tuple.Subject) bool {
	w.mu.Lock()
	world, err := oracle.NewWorld(w.schema, w.reachable(object, subject))
	w.mu.Unlock()
	if err != nil {
		panic(err)
	}
	table := oracle.Solve(world, &graph.Question{
		Object: object, Permission: permission, Subjects: []tuple.Subject{subject}, Now: time.Now().UnixNano(),
	})
	allowed := table[oracle.Atom{Object: object, Relation: permission}].Value() == oracle.Allowed
	return allowed != (w.wrong != nil && w.wrong(object.ID))
}

// ids are those of all objects and subjects of a type.
func (w *fakeWorld) ids(typ string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make(map[string]bool)
	for object, some := range w.tuples {
		if object.Type == typ {
			all[object.ID] = true
		}
		for t := range some {
			if t.Subject.Type == typ {
				all[t.Subject.ID] = true
			}
		}
	}
	var out []string
	for id := range all {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func (w *fakeWorld) objects(typ, permission string, subject tuple.Subject) (out []string) {
	for _, id := range w.ids(typ) {
		if w.allows(tuple.Object{Type: typ, ID: id}, permission, subject) {
			out = append(out, id)
		}
	}
	return out
}

func (w *fakeWorld) subjects(object tuple.Object, permission, typ string) (out []string) {
	for _, id := range w.ids(typ) {
		if w.allows(object, permission, tuple.Subject{Type: typ, ID: id}) {
			out = append(out, id)
		}
	}
	return out
}

// parseSubject reads "type:id" or "type:id#relation".
func parseSubject(text string) tuple.Subject {
	typ, rest, _ := strings.Cut(text, ":")
	id, relation, _ := strings.Cut(rest, "#")
	return tuple.Subject{Type: typ, ID: id, Relation: relation}
}
