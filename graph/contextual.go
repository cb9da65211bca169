package graph

import (
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// localBit marks the nodes that only one question knows: names that no stored
// tuple has. They are never interned.
const localBit store.Node = 1 << 31

func isLocal(n store.Node) bool { return n&localBit != 0 }

// locals are the names behind a question's local nodes. Few questions have
// more than two, so those take no allocation.
type locals struct {
	few  [2]tuple.Object
	n    int
	more []tuple.Object
}

func (l *locals) at(i int) tuple.Object {
	if i < len(l.few) {
		return l.few[i]
	}
	return l.more[i-len(l.few)]
}

// find returns the local node of o, 0 if it has none.
func (l *locals) find(o tuple.Object) store.Node {
	for i := range l.n {
		if l.at(i) == o {
			return localBit | store.Node(i)
		}
	}
	return 0
}

// node returns the local node of o, a new one if o is new.
func (l *locals) node(o tuple.Object) store.Node {
	if n := l.find(o); n != 0 {
		return n
	}
	if l.n < len(l.few) {
		l.few[l.n] = o
	} else {
		l.more = append(l.more, o)
	}
	l.n++
	return localBit | store.Node(l.n-1)
}

// given are a question's contextual tuples by key and by row. They hide stored
// tuples of the same key.
type given struct {
	facts map[givenKey]*givenFact
	rows  map[givenRow][]givenFact
	order []givenKey // as the question gives them
}

type givenRow struct {
	object store.Node
	shape  store.ShapeID
}

type givenKey struct {
	givenRow
	subject store.Node
}

type givenFact struct {
	object, subject store.Node
	trait           *trait // nil = no caveat
	context         string
	expires         int64
}

func (g *given) find(object store.Node, shape store.ShapeID, subject store.Node) *givenFact {
	return g.facts[givenKey{givenRow{object, shape}, subject}]
}

func (g *given) row(object store.Node, shape store.ShapeID) []givenFact {
	return g.rows[givenRow{object, shape}]
}

// give checks and resolves the question's contextual tuples.
func (g *Graph) give(v store.View, q *Question, r *Resolved) error {
	if most := r.limits.Contextual; len(q.Contextual) > most {
		return &LimitError{"contextual", most, len(q.Contextual)}
	}
	r.isLong = true
	r.given = &given{facts: map[givenKey]*givenFact{}, rows: map[givenRow][]givenFact{}}
	seen := map[tuple.Key]bool{}
	for i, t := range q.Contextual {
		if seen[t.Key()] {
			err := &NotAllowedError{Field: "tuple", Value: t.Key().String(), Message: "stands twice among the contextual tuples"}
			return &ContextualError{i, err}
		}
		seen[t.Key()] = true
		if err := g.giveOne(v, t, r); err != nil {
			return &ContextualError{i, err}
		}
	}
	for row, facts := range r.given.rows {
		for i := range facts {
			r.given.facts[givenKey{row, facts[i].subject}] = &facts[i]
		}
	}
	return nil
}

func (g *Graph) giveOne(v store.View, t tuple.Tuple, r *Resolved) error {
	if err := t.Validate(); err != nil {
		return err
	}
	sh, tr, err := g.allows(t)
	if err != nil {
		return err
	}
	node := func(o tuple.Object) store.Node { return r.node(v, g.types[g.typeIndex[o.Type]].sym, o) }
	row := givenRow{node(t.Object), sh.id}
	subject := node(t.Subject.Object())
	r.given.order = append(r.given.order, givenKey{row, subject})
	r.given.rows[row] = append(r.given.rows[row], givenFact{row.object, subject, tr, t.Context, t.Expires})
	return nil
}
