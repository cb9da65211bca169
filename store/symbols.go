package store

import "sync"

// Sym is the dense id of a name: a type, a relation or a caveat. 0 means none.
type Sym uint32

// ShapeID is the dense id of a Shape. 0 means none.
type ShapeID uint32

// SymWildcard stands in Shape.SubjectRelation for the subjects "type:*".
const SymWildcard Sym = 1

// Shape is what a schema allows or forbids as one: the kind of object, the
// relation and the kind of subject. Every stored tuple has exactly one.
type Shape struct {
	Type, Relation, SubjectType Sym
	SubjectRelation             Sym // 0 = the subject itself, SymWildcard = type:*
}

// Symbols gives names and shapes dense ids. One table serves a Store for all
// its life. It is append-only and local: ids differ between nodes and appear
// neither in the state hash nor in a snapshot. Safe for concurrent use.
type Symbols struct {
	mu      sync.RWMutex
	ids     map[string]Sym
	names   []string // by Sym
	shapes  []Shape  // by ShapeID
	shapeID map[Shape]ShapeID
}

func newSymbols() *Symbols {
	return &Symbols{
		ids:     map[string]Sym{"*": SymWildcard},
		names:   []string{"", "*"},
		shapes:  make([]Shape, 1),
		shapeID: map[Shape]ShapeID{},
	}
}

// Intern returns the id of name, giving it one if it has none. The empty name is 0.
func (y *Symbols) Intern(name string) Sym {
	if id := y.Lookup(name); id != 0 || name == "" {
		return id
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if id, ok := y.ids[name]; ok {
		return id
	}
	id := Sym(len(y.names))
	name = string(append([]byte(nil), name...))
	y.names = append(y.names, name)
	y.ids[name] = id
	return id
}

// Lookup returns the id of name, 0 if it has none.
func (y *Symbols) Lookup(name string) Sym {
	y.mu.RLock()
	defer y.mu.RUnlock()
	return y.ids[name]
}

// Name returns the name with the given id, "" for 0.
func (y *Symbols) Name(id Sym) string {
	y.mu.RLock()
	defer y.mu.RUnlock()
	return y.names[id]
}

// InternShape returns the id of sh, giving it one if it has none.
func (y *Symbols) InternShape(sh Shape) ShapeID {
	if id := y.LookupShape(sh); id != 0 {
		return id
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if id, ok := y.shapeID[sh]; ok {
		return id
	}
	id := ShapeID(len(y.shapes))
	y.shapes = append(y.shapes, sh)
	y.shapeID[sh] = id
	return id
}

// LookupShape returns the id of sh, 0 if it has none.
func (y *Symbols) LookupShape(sh Shape) ShapeID {
	y.mu.RLock()
	defer y.mu.RUnlock()
	return y.shapeID[sh]
}

// Shape returns the shape with the given id, the zero Shape for 0.
func (y *Symbols) Shape(id ShapeID) Shape {
	y.mu.RLock()
	defer y.mu.RUnlock()
	return y.shapes[id]
}
