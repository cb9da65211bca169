package graph

import (
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// together is how many questions have their names looked up at a time. Each has
// two, of its object and of its subject.
const together = 8

// ResolveAll is Resolve for each of qs, in a fraction of the time where there are
// many nodes: it looks for the names of several questions at a time. out and errs
// have the length of qs; out[i] means nothing where errs[i] is not nil.
func (g *Graph) ResolveAll(v store.View, qs []Question, out []Resolved, errs []error) {
	for len(qs) > 0 {
		n := min(len(qs), together)
		g.resolveTogether(&v, qs[:n], out[:n], errs[:n])
		qs, out, errs = qs[n:], out[n:], errs[n:]
	}
}

// Limits returns the limits that the question was resolved with.
func (r *Resolved) Limits() Limits { return r.limits }

func (g *Graph) resolveTogether(v *store.View, qs []Question, out []Resolved, errs []error) {
	var (
		keys  [2 * together]store.NodeKey
		nodes [2 * together]store.Node
		place [together]int // of a question's names among keys, from 1; 0 = it is not plain
		n     int
	)
	for i := range qs {
		if errs[i] = nil; g.isPlain(&qs[i], &out[i], &keys[n], &keys[n+1]) {
			n += 2
			place[i] = n - 1
		}
	}
	v.Nodes(keys[:n], nodes[:n])
	v.ReadAround(nodes[:n])
	for i := range qs {
		at := place[i]
		if at == 0 || !g.settle(v, &out[i], nodes[at-1], nodes[at]) {
			out[i], errs[i] = g.resolve(*v, &qs[i])
		}
	}
}

// isPlain begins to resolve a question about one subject with stored tuples
// alone, whose types and relations the schema has; r is as new but for them. The
// names of object and subject are left to be looked up. Everything else, what is
// wrong with a question first of all, is resolve's.
func (g *Graph) isPlain(q *Question, r *Resolved, object, subject *store.NodeKey) bool {
	if len(q.Subjects) != 1 || len(q.Contextual) > 0 || q.Object.ID == tuple.Wildcard {
		return false
	}
	s := &q.Subjects[0]
	typ, ok := g.typeNamed(q.Object.Type)
	if !ok || s.IsWildcard() {
		return false
	}
	program, ok := g.programNamed(typ, q.Permission)
	if !ok {
		return false
	}
	subjectType, ok := g.typeNamed(s.Type)
	if !ok {
		return false
	}
	userset := int32(-1)
	if s.Relation != "" && s.Relation != tuple.Plain {
		if userset, ok = g.programNamed(subjectType, s.Relation); !ok {
			return false
		}
	}
	if r.many != nil || r.given != nil || r.locals.n > 0 {
		*r = Resolved{}
	}
	// What is not set here is as new already. Setting all costs as much as the names.
	r.Program, r.Context, r.Now, r.n, r.limits = program, q.Context, q.Now, 1, q.Limits.withDefaults()
	r.few[0].Type, r.few[0].Program, r.few[0].everyone = subjectType, userset, 0
	object.Type, object.ID = g.types[typ].sym, q.Object.ID
	subject.Type, subject.ID = g.types[subjectType].sym, s.ID
	return true
}

// settle gives a plain question its nodes, unless there is one that no stored
// tuple names.
func (g *Graph) settle(v *store.View, r *Resolved, object, subject store.Node) bool {
	if object == 0 || subject == 0 {
		return false
	}
	s := &r.few[0]
	r.Object, s.Node = object, subject
	if s.Program < 0 && g.types[s.Type].wildcards {
		s.everyone = g.everyone(*v, s.Type, r)
	}
	return true
}
