package graph

import (
	"slices"

	"github.com/pemba-authz/pemba/store"
)

// proof holds one way to allow for everything that an explanation has proved.
// The walk says what is allowed; which of several ways to show needs care, for
// following whatever else is allowed may lead round in a circle: group a is
// allowed as a member of b, and b as a member of a. So a way is searched for
// that passes through nothing that it is to prove. A way that has been found
// rests on ways that were found before it, whoever asks for it. That there is
// none is remembered only until something on the path has been proved.
//
// Short ways are tried first: the search may follow no tuple, one, two, four, ...
type proof struct {
	proved  map[atom]bool
	ways    map[part]proofWay // of unions, arrows and tuples
	path    map[atom]bool
	dead    map[atom]int // those without a way around the path -> how many tuples the search could follow
	tries   int
	nesting int
}

// proofWay is what a part chooses of several that would do.
type proofWay struct {
	child int   // of a union
	tuple found // of an arrow or a relation
}

const (
	mostTries    = 200_000 // relations of objects that all searches of an explanation enter
	mostNesting  = 5_000   // relations of objects on one path
	mostFollowed = 4096    // tuples on one path
)

func newProof() proof {
	return proof{proved: map[atom]bool{}, ways: map[part]proofWay{}, path: map[atom]bool{}, dead: map[atom]int{}}
}

// prove calls try with more and more tuples that it may follow, until it finds
// a way; it reports whether there is one that the search can find.
func (x *explainer) prove(try func(hops int) bool) bool {
	for hops := 0; ; hops = min(max(1, 2*hops), mostFollowed) {
		before := len(x.proof.proved)
		if try(hops) {
			return true
		}
		clear(x.proof.dead)
		if hops == mostFollowed && len(x.proof.proved) == before || !x.mayGoOn() {
			return false
		}
	}
}

func (x *explainer) proveAtom(a atom, depth, hops int) bool {
	p := &x.proof
	if p.proved[a] {
		return true
	}
	if hops < 0 || p.path[a] || p.tries >= mostTries || p.nesting >= mostNesting {
		return false
	}
	if with, isDead := p.dead[a]; isDead && with >= hops || !x.decide(a, depth).isAllowed() {
		return false
	}
	p.tries++
	p.nesting++
	p.path[a] = true
	ok := x.w.member(a.program, a.node).level == allowed || x.provePart(a, x.w.g.programs[a.program].source.Rewrite, depth, hops)
	delete(p.path, a)
	p.nesting--
	if ok {
		p.proved[a] = true
	} else {
		p.dead[a] = hops
	}
	return ok
}

func (x *explainer) provePart(a atom, e Expr, depth, hops int) bool {
	if ref, ok := e.(*Ref); ok {
		return x.proveAtom(x.refer(a, ref), depth, hops)
	}
	at := part{a, e}
	if _, known := x.proof.ways[at]; known {
		return true
	}
	w, ok := x.findWay(at, depth, hops)
	if ok {
		x.proof.ways[at] = w
	}
	return ok
}

func (x *explainer) findWay(at part, depth, hops int) (proofWay, bool) {
	prove := func(e Expr) bool { return x.provePart(at.atom, e, depth, hops) }
	switch e := at.expr.(type) {
	case *Union:
		i := slices.IndexFunc(e.Children, prove)
		return proofWay{child: i}, i >= 0
	case *Intersection:
		return proofWay{}, !slices.ContainsFunc(e.Children, func(c Expr) bool { return !prove(c) })
	case *Exclusion:
		return proofWay{}, prove(e.Base) && x.worth(at.atom, e.Minus, depth).isDenied()
	case *Arrow:
		if e.All { // what it grants was decided before anything that passes through it
			return proofWay{}, x.worth(at.atom, e, depth).isAllowed()
		}
		return x.findHop(at, e, depth, hops)
	case *Nil, *Self:
		return proofWay{}, x.worth(at.atom, e, depth).isAllowed()
	}
	return x.findTuple(at, depth, hops)
}

func (x *explainer) findHop(at part, e *Arrow, depth, hops int) (proofWay, bool) {
	for _, h := range x.w.g.hopsOf(at.program, e) {
		if h.target < 0 || !x.w.leads(h.target) || !x.mayGoOn() {
			continue
		}
		row := x.row(at.node, h.shape)
		for i := range row {
			if f := x.behind(&row[i], h.shape, h.target, depth+1); x.proveTuple(f, hops) {
				return proofWay{tuple: f}, true
			}
		}
	}
	return proofWay{}, false
}

// findTuple looks for tuples that name a subject, then for those that name
// one of the groups that it is known to be in, then for any userset.
func (x *explainer) findTuple(at part, depth, hops int) (out proofWay, ok bool) {
	w := x.w
	shapes := w.g.programs[at.program].shapes
	for i := shapes.from; i < shapes.to && !ok; i++ {
		if w.g.shapes[i].form == userset {
			continue
		}
		x.eachNamed(at.atom, i, func(f found) {
			if f.worth.isAllowed() && !ok {
				out, ok = proofWay{tuple: f}, true
			}
		})
	}
	for i := shapes.from; i < shapes.to && !ok && x.mayGoOn(); i++ {
		if sh := &w.g.shapes[i]; sh.form == userset && w.leads(sh.program) {
			out, ok = x.findMember(at, i, x.deeper(sh.program, depth), hops)
		}
	}
	return out, ok
}

// findMember looks for a tuple that names a userset which grants a subject.
func (x *explainer) findMember(at part, shape int32, depth, hops int) (out proofWay, ok bool) {
	w := x.w
	sh := &w.g.shapes[shape]
	try := func(s *sight) bool {
		out.tuple = x.behind(s, shape, sh.program, depth)
		return x.proveTuple(out.tuple, hops)
	}
	named := func(n store.Node) bool {
		s, ok := w.sightOf(at.node, sh, n)
		return ok && try(&s)
	}
	for i := range w.subjects {
		if s := &w.subjects[i]; s.Program == sh.program && named(s.Node) {
			return out, true
		}
	}
	if c, ok := w.groupsOf(sh.program); ok {
		ok = slices.ContainsFunc(w.groups[c.from:c.to], func(m group) bool { return m.program == sh.program && named(m.node) })
		return out, ok
	}
	row := x.row(at.node, shape)
	for i := range row {
		if try(&row[i]) {
			return out, true
		}
	}
	return out, false
}

// behind returns a tuple that is worth as much as it is by itself.
func (x *explainer) behind(s *sight, shape, program int32, depth int) found {
	return found{sight: s, shape: shape, to: atom{program, s.subject}, depth: depth, worth: exactly(s.value)}
}

// proveTuple proves what is behind a tuple that counts.
func (x *explainer) proveTuple(f found, hops int) bool {
	return f.worth.isAllowed() && x.proveAtom(f.to, f.depth, hops-1)
}
