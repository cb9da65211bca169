package graph

import (
	"cmp"
	"slices"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// Limits bound the work of one question. Zero means the default.
type Limits struct {
	Depth      int // steps from object to object along one path; default 50
	Reads      int // look-ups and tuples read; default 1,000,000
	Contextual int // contextual tuples; default 100
	List       int // look-ups and tuples read for a whole list; default 20,000,000
}

var defaultLimits = Limits{Depth: 50, Reads: 1_000_000, Contextual: 100, List: 20_000_000}

func (l Limits) withDefaults() Limits {
	if l == (Limits{}) {
		return defaultLimits
	}
	d := &defaultLimits
	return Limits{cmp.Or(l.Depth, d.Depth), cmp.Or(l.Reads, d.Reads), cmp.Or(l.Contextual, d.Contextual), cmp.Or(l.List, d.List)}
}

// Question asks whether any of the subjects has the permission on the object.
type Question struct {
	Object     tuple.Object
	Permission string          // relation or permission
	Subjects   []tuple.Subject // the subject set, at least one with Implied: the caller plus what is implied
	Implied    *SubjectSet     // more of them, which many questions have; nil = none
	Context    map[string]any  // caveat context, as tuple.DecodeContext returns it
	Contextual []tuple.Tuple   // facts of this question only; they replace stored ones of the same key
	Now        int64           // Unix nanoseconds
	Limits     Limits
}

// ResolvedSubject is a subject by its ids.
type ResolvedSubject struct {
	Type    int32      // index of the type in the graph
	Program int32      // of a userset, -1 = the subject itself
	Node    store.Node // 0 = nobody: no tuple names it, and it is not the object

	everyone store.Node // what wildcard tuples of the type name; 0 = nothing does
}

// named returns what tuples of shape sh name that are about s.
func (s *ResolvedSubject) named(sh *shape) store.Node {
	if sh.form == wildcard {
		return s.everyone
	}
	return s.Node
}

// isBefore reports whether s stands before o in a set.
func (s *ResolvedSubject) isBefore(o *ResolvedSubject) bool {
	if s.Type != o.Type {
		return s.Type < o.Type
	}
	return s.Program < o.Program || s.Program == o.Program && s.Node < o.Node
}

// mostInline is how many subjects a Resolved holds without allocating: a caller
// with a few groups that are implied.
const mostInline = 6

var _ [store.MostLookUps - 1 - mostInline]struct{} // the object and the subjects are looked up together

// Resolved is a question by its ids. They belong to one graph and to views of
// one generation.
type Resolved struct {
	Program int32 // which relation or permission
	Object  store.Node
	n       int32 // of few
	isLong  bool  // many, given or locals hold something
	few     [mostInline]ResolvedSubject
	Context map[string]any
	Now     int64
	limits  Limits

	many   []ResolvedSubject // all of them, if more than few holds
	given  *given            // nil = no contextual tuples
	locals locals
}

// Subjects returns the subject set, sorted and without repetitions. It is
// valid as long as r is.
func (r *Resolved) Subjects() []ResolvedSubject {
	if r.isLong && r.many != nil {
		return r.many
	}
	return r.few[:r.n]
}

// IsStored reports whether the question is about what is stored: an object that
// tuples name, and subjects that they name or that are nobody, who have the node 0.
// Otherwise its nodes mean something in this question only.
func (r *Resolved) IsStored() bool { return !r.isLong || r.locals.n == 0 && r.given == nil }

// forget drops what r refers to. What it keeps means nothing to the next question.
func (r *Resolved) forget() {
	if r.Context = nil; r.isLong {
		*r = Resolved{}
	}
}

// local returns the local node of o.
func (r *Resolved) local(o tuple.Object) store.Node {
	r.isLong = true
	return r.locals.node(o)
}

// node returns the node of o, a local one if no stored tuple names o. A name that has been
// local once stays it, because somebody may write it meanwhile, and a name has one node.
func (r *Resolved) node(v store.View, sym store.Sym, o tuple.Object) store.Node {
	if r.isLong {
		if n := r.locals.find(o); n != 0 {
			return n
		}
	}
	if n := v.Node(sym, o.ID); n != 0 {
		return n
	}
	return r.local(o)
}

// Resolve turns names into ids. Ids of objects that no tuple names are local
// to the question, nothing is interned. The error is an *UnknownError, a
// *tuple.FieldError, a *ContextualError or a *LimitError.
func (g *Graph) Resolve(v store.View, q *Question) (r Resolved, err error) {
	if !g.resolveKnown(&v, q, &r, nil) {
		r, err = g.resolve(v, q)
	}
	return r, err
}

// resolveKnown resolves a question as most are in r, which may have been another one, and
// reports whether it is such. If meanwhile is not nil, it is opened while memory is read.
func (g *Graph) resolveKnown(v *store.View, q *Question, r *Resolved, meanwhile *walk) bool {
	var (
		keys [1 + mostInline]store.NodeKey
		ups  store.LookUps
	)
	n := g.isKnown(v, q, r, keys[:])
	if n == 0 {
		return false
	}
	known := keys[:n]
	ups.Begin(v, known)
	if meanwhile != nil {
		meanwhile.open()
	}
	ups.ReadAhead(v, known)
	g.touchSearch(r.Program)
	return g.settle(v, q, r, ups.Nodes(v, known))
}

func (g *Graph) resolve(v store.View, q *Question) (Resolved, error) {
	r := Resolved{Context: q.Context, Now: q.Now, limits: q.Limits.withDefaults()}
	if err := g.resolveObject(v, q, &r); err != nil {
		return r, err
	}
	return r, g.resolveSubjects(v, q.all(), &r)
}

// all returns all subjects.
func (q *Question) all() []tuple.Subject {
	switch {
	case q.Implied == nil:
		return q.Subjects
	case len(q.Subjects) == 0:
		return q.Implied.subjects
	}
	return slices.Concat(q.Subjects, q.Implied.subjects)
}

// resolveObject resolves all of q but its subjects.
func (g *Graph) resolveObject(v store.View, q *Question, r *Resolved) error {
	typ, ok := g.typeIndex[q.Object.Type]
	if !ok {
		return &UnknownError{"object.type", q.Object.Type, g.typeHint(q.Object.Type)}
	}
	if r.Program, ok = g.types[typ].relations[q.Permission]; !ok {
		return &UnknownError{"permission", q.Permission, g.relationHint(typ, q.Permission)}
	}
	if r.Object = v.Node(g.types[typ].sym, q.Object.ID); r.Object == 0 || q.Object.ID == tuple.Wildcard {
		if err := q.Object.Validate("object"); err != nil {
			return err
		}
		r.Object = r.local(q.Object)
	}
	if len(q.Contextual) > 0 {
		return g.give(v, q, r)
	}
	return nil
}

func (g *Graph) resolveSubjects(v store.View, subjects []tuple.Subject, r *Resolved) error {
	if len(subjects) == 0 {
		return &tuple.FieldError{Field: "subject", Value: "", Fix: "a question has at least one subject, as user:ann"}
	}
	for i := range subjects {
		s, err := g.resolveSubject(v, &subjects[i], r)
		if err != nil {
			return err
		}
		r.addSubject(s)
	}
	return nil
}

func (g *Graph) resolveSubject(v store.View, s *tuple.Subject, r *Resolved) (ResolvedSubject, error) {
	out := ResolvedSubject{Program: -1}
	if s.IsWildcard() {
		return out, &tuple.FieldError{Field: "subject.id", Value: s.ID, Fix: "a question is about one subject, not about a wildcard"}
	}
	var ok bool
	if out.Type, ok = g.typeIndex[s.Type]; !ok {
		return out, &UnknownError{"subject.type", s.Type, g.typeHint(s.Type)}
	}
	t := &g.types[out.Type]
	if s.Relation != "" && s.Relation != tuple.Plain {
		if out.Program, ok = t.relations[s.Relation]; !ok {
			return out, &UnknownError{"subject.relation", s.Relation, g.relationHint(out.Type, s.Relation)}
		}
	}
	if out.Node = r.node(v, t.sym, s.Object()); isLocal(out.Node) {
		if err := s.Validate("subject"); err != nil {
			return out, err
		}
	}
	if out.Program < 0 {
		out.everyone = g.everyone(v, out.Type, r)
	}
	return out, nil
}

// everyone returns the node that wildcard tuples of a type name, 0 if there
// are none.
func (g *Graph) everyone(v store.View, typ int32, r *Resolved) store.Node {
	t := &g.types[typ]
	switch {
	case !t.wildcards:
		return 0
	case r.given != nil:
		return r.node(v, t.sym, tuple.Object{Type: t.name, ID: tuple.Wildcard})
	}
	return v.Node(t.sym, tuple.Wildcard)
}

// addSubject inserts s in order unless it is there.
func (r *Resolved) addSubject(s ResolvedSubject) {
	all := r.Subjects()
	at := len(all)
	for at > 0 && s.isBefore(&all[at-1]) {
		at--
	}
	if at > 0 && s == all[at-1] {
		return
	}
	switch {
	case r.many != nil || int(r.n) == len(r.few):
		r.isLong = true
		r.many = append(append(append([]ResolvedSubject(nil), all[:at]...), s), all[at:]...)
	default:
		copy(r.few[at+1:], r.few[at:r.n])
		r.few[at] = s
		r.n++
	}
}
