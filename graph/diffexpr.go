package graph

import (
	"fmt"
	"slices"
)

// Bounds on the comparison of two expressions; past them nothing is claimed.
const (
	mostFormParts  = 20_000 // parts of an expression that permissions are inlined into
	mostFormSteps  = 20_000 // of one comparison, and some for each part
	mostFormInline = 20     // permissions in permissions
)

// direction says how answers can change. The bits are independent: a change
// that may go either way has both.
type direction uint8

const (
	wider    direction = 1
	narrower direction = 2
	either             = wider | narrower
)

// flip is what a direction becomes on the right side of an exclusion.
func (d direction) flip() direction { return d<<1&narrower | d>>1 }

// signed flips d if a change comes through the right side of an exclusion.
func (d direction) signed(negative bool) direction {
	if negative {
		return d.flip()
	}
	return d
}

type formKind uint8

const (
	formNil formKind = iota
	formAtom
	formUnion
	formIntersection
	formExclusion
)

// formNode is an expression in normal form: unions and intersections are flat,
// sorted, and have no part twice; nil is gone wherever it can.
type formNode struct {
	kind  formKind
	kids  []int  // base and minus of an exclusion
	arrow string // of an atom that is an arrow: what it is but for .all()
	all   bool
}

// has looks for a part of a union or an intersection.
func (n *formNode) has(part int) bool {
	_, found := slices.BinarySearch(n.kids, part)
	return found
}

// forms holds forms by number. Equal forms have equal numbers, so expressions
// that differ only in order, repetition and parentheses are equal.
type forms struct {
	nodes  []formNode
	byKey  map[string]int
	proven map[[3]int]bool
	steps  int // left of the comparison under way

	// settled says that what an arrow leads to is not decided through the member
	// whose forms these are; nil = no arrow is.
	settled func(arrow string) bool
}

func newForms() *forms { return &forms{byKey: map[string]int{}} }

func (f *forms) intern(key string, n formNode) int {
	i, known := f.byKey[key]
	if !known {
		i = len(f.nodes)
		f.nodes = append(f.nodes, n)
		f.byKey[key] = i
	}
	return i
}

func (f *forms) none() int { return f.intern("nil", formNode{kind: formNil}) }

// group makes a union or an intersection.
func (f *forms) group(kind formKind, kids []int) int {
	var flat []int
	for _, k := range kids {
		n := f.nodes[k]
		switch {
		case n.kind == kind:
			flat = append(flat, n.kids...)
		case n.kind != formNil:
			flat = append(flat, k)
		case kind == formIntersection:
			return k
		}
	}
	slices.Sort(flat)
	flat = slices.Compact(flat)
	switch len(flat) {
	case 0:
		return f.none()
	case 1:
		return flat[0]
	}
	return f.intern(fmt.Sprint(kind, flat), formNode{kind: kind, kids: flat})
}

func (f *forms) exclusion(base, minus int) int {
	if f.nodes[base].kind == formNil || f.nodes[minus].kind == formNil {
		return base
	}
	kids := []int{base, minus}
	return f.intern(fmt.Sprint(formExclusion, kids), formNode{kind: formExclusion, kids: kids})
}

// compare says how old and new, forms of one permission, differ if all their
// atoms stay as they are. same is true if whoever is allowed or denied by one is
// so by the other, and only conditions and errors may be told differently.
func (f *forms) compare(old, new int) (d direction, same bool) {
	if old == new || f.below(old, new, true) && f.below(new, old, true) {
		return 0, true
	}
	up, down := f.below(old, new, false), f.below(new, old, false)
	switch {
	case up && !down:
		return wider, false
	case down && !up:
		return narrower, false
	}
	return either, up && down
}

// below reports whether a grants nobody what b does not, for all values of the
// atoms. It is sound, not complete. If exact, also "conditional" and "failed"
// keep their order, which exclusions do not.
func (f *forms) below(a, b int, exact bool) bool {
	f.steps, f.proven = mostFormSteps+10*len(f.nodes), map[[3]int]bool{}
	return f.prove(a, b, exact)
}

func (f *forms) prove(a, b int, exact bool) bool {
	key := [3]int{a, b, 0}
	if exact {
		key[2] = 1
	}
	if known, done := f.proven[key]; done {
		return known
	}
	if f.steps--; f.steps < 0 {
		return false
	}
	f.proven[key] = f.rules(a, b, exact)
	return f.proven[key]
}

// rules takes a and b apart. What holds for every part of a union, or is below
// every part of an intersection, can be taken apart without loss; after that
// one part must do.
func (f *forms) rules(a, b int, exact bool) bool {
	x, y := &f.nodes[a], &f.nodes[b]
	switch {
	case a == b || x.kind == formNil || x.kind == formIntersection && x.has(b) || y.kind == formUnion && y.has(a):
		return true
	case x.kind == formUnion:
		return !slices.ContainsFunc(x.kids, func(k int) bool { return !f.prove(k, b, exact) })
	case y.kind == formIntersection:
		return !slices.ContainsFunc(y.kids, func(k int) bool { return !f.prove(a, k, exact) })
	case y.kind == formExclusion:
		return f.prove(a, y.kids[0], exact) && f.avoids(a, y.kids[1], exact)
	case x.arrow != "" && x.arrow == y.arrow:
		// All of at least one, so some. With recursion "->" has a least fixpoint
		// and .all() may have no answer.
		return x.all && f.settled != nil && f.settled(x.arrow)
	case x.kind == formIntersection && slices.ContainsFunc(x.kids, func(k int) bool { return f.prove(k, b, exact) }):
		return true
	case x.kind == formExclusion && f.prove(x.kids[0], b, exact):
		return true
	}
	return y.kind == formUnion && slices.ContainsFunc(y.kids, func(k int) bool { return f.prove(a, k, exact) })
}

// avoids reports whether a grants nobody whom m grants.
func (f *forms) avoids(a, m int, exact bool) bool {
	if f.steps--; f.steps < 0 {
		return false
	}
	x, y := f.nodes[a], f.nodes[m]
	some := func(k int) bool { return f.avoids(k, m, exact) }
	switch {
	case x.kind == formNil:
		return true
	case x.kind == formUnion:
		return !slices.ContainsFunc(x.kids, func(k int) bool { return !some(k) })
	case x.kind == formIntersection && slices.ContainsFunc(x.kids, some):
		return true
	case x.kind == formExclusion && (m == x.kids[1] || !exact && f.prove(m, x.kids[1], false) || some(x.kids[0])):
		return true
	}
	return !exact && y.kind == formUnion &&
		!slices.ContainsFunc(y.kids, func(k int) bool { return !f.avoids(a, k, exact) })
}

// former makes forms of the members of one definition on one side. References
// to permissions that the other side does not have are replaced by what these
// are computed from, so that giving a part of an expression a name of its own
// changes nothing.
type former struct {
	*forms
	own, other map[string]*Relation
	inlining   []string
	parts      int
}

// body returns the form of r.
func (f *former) body(r *Relation) int {
	f.parts = 0
	if r.Rewrite == nil {
		return f.expr(&This{})
	}
	return f.expr(r.Rewrite)
}

func (f *former) expr(e Expr) int {
	f.parts++
	switch e := e.(type) {
	case *Ref:
		if r := f.inlined(e); r != nil {
			f.inlining = append(f.inlining, e.Name)
			defer func() { f.inlining = f.inlining[:len(f.inlining)-1] }()
			return f.expr(r.Rewrite)
		}
		return f.intern("ref "+e.Name, formNode{kind: formAtom})
	case *Arrow:
		key := e.Tupleset + "->" + e.Target
		return f.intern(fmt.Sprint("arrow ", key, e.All), formNode{kind: formAtom, arrow: key, all: e.All})
	case *Self:
		return f.intern("self", formNode{kind: formAtom})
	case *This:
		return f.intern("this", formNode{kind: formAtom})
	case *Union:
		return f.group(formUnion, f.exprs(e.Children))
	case *Intersection:
		return f.group(formIntersection, f.exprs(e.Children))
	case *Exclusion:
		return f.exclusion(f.expr(e.Base), f.expr(e.Minus))
	}
	return f.none()
}

func (f *former) exprs(children []Expr) []int {
	var out []int
	for _, c := range children {
		out = append(out, f.expr(c))
	}
	return out
}

// inlined returns the permission that stands in place of e, nil if e stays.
func (f *former) inlined(e *Ref) *Relation {
	r := f.own[e.Name]
	if f.other[e.Name] != nil || r == nil || !r.IsPermission() || slices.Contains(f.inlining, e.Name) ||
		len(f.inlining) >= mostFormInline || f.parts > mostFormParts {
		return nil
	}
	return r
}

// leaves calls visit for each operand of r, inlined as in body, and says
// whether it stands on the right side of an exclusion.
func (f *former) leaves(r *Relation, visit func(e Expr, negative bool)) {
	var walk func(e Expr, negative bool)
	walk = func(e Expr, negative bool) {
		f.parts++
		switch e := e.(type) {
		case *Ref:
			if in := f.inlined(e); in != nil {
				f.inlining = append(f.inlining, e.Name)
				walk(in.Rewrite, negative)
				f.inlining = f.inlining[:len(f.inlining)-1]
				return
			}
			visit(e, negative)
		case *Exclusion:
			walk(e.Base, negative)
			walk(e.Minus, !negative)
		case *Union, *Intersection:
			for _, c := range childrenOf(e) {
				walk(c, negative)
			}
		default:
			visit(e, negative)
		}
	}
	f.parts = 0 // so that this stops inlining where body does
	if r.Rewrite == nil {
		visit(&This{}, false)
		return
	}
	walk(r.Rewrite, false)
}
