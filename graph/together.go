package graph

import (
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// together is how many names are looked up at a time, of several questions.
const together = 32

// ResolveAll is Resolve for each of qs, in a fraction of the time where there are
// many nodes: it looks for the names of several questions at a time. out and errs
// have the length of qs; out[i] means nothing where errs[i] is not nil.
func (g *Graph) ResolveAll(v store.View, qs []Question, out []Resolved, errs []error) {
	for len(qs) > 0 {
		n := g.resolveSome(&v, qs, out, errs)
		qs, out, errs = qs[n:], out[n:], errs[n:]
	}
}

// Limits returns the limits that the question was resolved with.
func (r *Resolved) Limits() Limits { return r.limits }

// resolveSome resolves the first of qs, as many as have their names looked up at a
// time, and returns their number.
func (g *Graph) resolveSome(v *store.View, qs []Question, out []Resolved, errs []error) int {
	var (
		keys  [together]store.NodeKey
		nodes [together]store.Node
		ends  [together / 2]int // of the questions' names among keys
		used  int
		n     int
	)
	for n < len(ends) && n < len(qs) && (n == 0 || used+1+len(qs[n].Subjects) <= len(keys)) {
		used += g.isKnown(v, &qs[n], &out[n], keys[used:])
		ends[n] = used
		n++
	}
	v.Nodes(keys[:used], nodes[:used])
	begin := 0
	for i, end := range ends[:n] {
		if errs[i] = nil; begin == end || !g.settle(v, &qs[i], &out[i], nodes[begin:end]) {
			out[i], errs[i] = g.resolve(*v, &qs[i])
		}
		begin = end
	}
	return n
}

// isKnown begins to resolve a question about a few subjects by stored tuples
// alone, whose types and relations the schema has; r is as new but for them. It
// returns how many names are left to be looked up, in keys: of the object, then of
// the subjects. For everything else, what is wrong with a question first of all, it
// returns 0: that is resolve's.
func (g *Graph) isKnown(v *store.View, q *Question, r *Resolved, keys []store.NodeKey) int {
	n := len(q.Subjects)
	if n == 0 && q.Implied == nil || n > min(mostInline, len(keys)-1) || len(q.Contextual) > 0 || q.Object.ID == tuple.Wildcard {
		return 0
	}
	typ, ok := g.typeNamed(q.Object.Type)
	if !ok {
		return 0
	}
	h := hashName(typ, q.Permission)
	g.names.touch(h) // for when the subjects have been read
	v.Seek(&keys[0], g.types[typ].sym, q.Object.ID)
	if r.isLong {
		*r = Resolved{}
	}
	for i := range q.Subjects {
		s, out := &q.Subjects[i], &r.few[i]
		if i > 0 && s.Type == q.Subjects[i-1].Type {
			out.Type = r.few[i-1].Type
		} else if out.Type, ok = g.typeNamed(s.Type); !ok {
			return 0
		}
		if out.Program, out.everyone = -1, 0; s.Relation != "" && s.Relation != tuple.Plain {
			if out.Program, ok = g.programNamed(out.Type, s.Relation); !ok {
				return 0
			}
		}
		if s.IsWildcard() {
			return 0
		}
		v.Seek(&keys[i+1], g.types[out.Type].sym, s.ID)
	}
	program, ok := g.names.find(h, typ, q.Permission)
	if !ok {
		return 0
	}
	all := n
	if q.Implied != nil {
		implied, ok := q.Implied.at(g, v)
		if !ok || n+len(implied) > mostInline {
			return 0
		}
		all += copy(r.few[n:], implied)
		for i := range implied {
			v.Touch(implied[i].Node)
		}
	}
	if all == 0 {
		return 0
	}
	g.touchProgram(program)
	// What is not set here is as new already. Setting all costs as much as the names.
	r.Program, r.Context, r.Now, r.n, r.limits = program, q.Context, q.Now, int32(all), q.Limits.withDefaults()
	return n + 1
}

// settle gives what isKnown has begun its nodes: the object's, then the subjects'.
// It reports false if no stored tuple names the object: then it may be one of the
// subjects, and the question needs names for what is not stored. A subject that is
// not stored needs none: it is not the object, which is sought before it, and no tuple
// names it.
func (g *Graph) settle(v *store.View, q *Question, r *Resolved, nodes []store.Node) bool {
	if nodes[0] == 0 {
		return false
	}
	r.Object = nodes[0]
	all, inOrder := r.few[:r.n], true
	for i := range all {
		s := &all[i]
		if own := len(q.Subjects); i >= own { // as their set knows them
			if s.Node == 0 && q.Implied.subjects[i-own].Object() == q.Object {
				return false // it has been named since
			}
		} else {
			if s.Node = nodes[1+i]; s.Node == 0 && !isValid(&q.Subjects[i]) {
				return false
			}
			if s.Program < 0 && g.types[s.Type].wildcards {
				s.everyone = g.everyone(*v, s.Type, r)
			}
		}
		inOrder = inOrder && (i == 0 || all[i-1].isBefore(s))
	}
	if !inOrder {
		unordered := r.few
		n := r.n
		r.n = 0
		for _, s := range unordered[:n] {
			r.addSubject(s)
		}
	}
	return true
}

// isValid reports whether a subject is one, whose type and relation the schema has.
func isValid(s *tuple.Subject) bool { return s.Relation != tuple.Plain && tuple.ValidID(s.ID) }
