package graph

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// ExpandQuestion asks for the tree behind a permission: what it is made of by
// the schema, and which tuples there are.
type ExpandQuestion struct {
	Object     tuple.Object
	Permission string         // relation or permission
	Context    map[string]any // caveat context, as tuple.DecodeContext returns it
	Contextual []tuple.Tuple  // as in Question
	Now        int64          // Unix nanoseconds
	Limits     Limits         // Depth does not count here
	Depth      int            // how many tuples deep usersets and arrows are followed; 0 = the object's own tree, negative = as far as it goes
	MaxNodes   int            // default 10,000; more is a *LimitError
}

// ExpandCost is the work of an expansion.
type ExpandCost struct {
	Steps int // relations and permissions of objects expanded
	Reads int // look-ups and tuples read
}

// defaultNodes is the most nodes of a tree that does not say.
const defaultNodes = 10_000

// Expand returns the tree behind q's permission on q's object at v: all tuples
// that the question sees, expired ones left out, sorted by their subjects; each
// relation or permission of an object is expanded once, where it is fewest
// tuples deep. Errors are those of Check and a *LimitError of nodes.
func (g *Graph) Expand(ctx context.Context, v store.View, q *ExpandQuestion) (*Tree, ExpandCost, error) {
	asked := Question{Object: q.Object, Permission: q.Permission, Context: q.Context,
		Contextual: q.Contextual, Now: q.Now, Limits: q.Limits}
	r := Resolved{Context: q.Context, Now: q.Now, limits: q.Limits.withDefaults()}
	if err := g.resolveObject(v, &asked, &r); err != nil {
		return nil, ExpandCost{}, err
	}
	w := walks.Get().(*walk)
	w.begin(ctx, g, &v, &r)
	x := &expander{w: w, depth: q.Depth, mostNodes: cmp.Or(q.MaxNodes, defaultNodes), seen: map[atom]bool{}}
	tree := x.run(atom{r.Program, r.Object})
	cost, err := ExpandCost{x.steps, w.reads}, x.err
	w.end()
	walks.Put(w)
	if err != nil {
		return nil, cost, fmt.Errorf("expand: %w", err)
	}
	return tree, cost, nil
}

// expander is one expansion. Nodes are filled breadth first, so that what is
// expanded once is expanded where it is fewest tuples deep.
type expander struct {
	w          *walk
	depth      int
	mostNodes  int
	nodes      int
	steps      int
	seen       map[atom]bool
	here, next []pending // to be filled, on this level and one tuple deeper
	err        error     // why the expansion is given up
}

// pending is a node that is not filled yet.
type pending struct {
	tree *Tree
	atom atom
}

func (x *expander) run(root atom) *Tree {
	tree := x.add(&Tree{})
	x.here = append(x.here, pending{tree, root})
	for level := 0; len(x.here) > 0; level++ {
		for i := 0; i < len(x.here) && x.mayGoOn(); i++ {
			x.fill(x.here[i], x.depth < 0 || level < x.depth)
		}
		x.here, x.next = x.next, x.here[:0]
	}
	return tree
}

func (x *expander) mayGoOn() bool {
	if x.err == nil {
		x.err = cmp.Or(x.w.err, x.w.ctx.Err())
	}
	return x.err == nil
}

// add counts a node.
func (x *expander) add(t *Tree) *Tree {
	if x.nodes++; x.nodes > x.mostNodes && x.err == nil {
		x.err = &LimitError{"nodes", x.mostNodes, x.nodes}
	}
	return t
}

func (x *expander) fill(p pending, follow bool) {
	t, a := p.tree, p.atom
	pr := &x.w.g.programs[a.program]
	t.Object, t.Relation = x.w.object(a.node), pr.name
	if x.seen[a] {
		t.Kind = TreeSeen
		return
	}
	x.seen[a] = true
	x.steps++
	t.Kind, t.Text = TreeRelation, pr.describe()
	if pr.source.IsPermission() {
		t.Kind = TreePermission
	}
	t.Children = []*Tree{x.rewrite(pr.source.Rewrite, a, follow)}
}

// rewrite expands a part of a's right side; nil stands for its tuples.
func (x *expander) rewrite(e Expr, a atom, follow bool) *Tree {
	if !x.mayGoOn() {
		return nil
	}
	t := x.add(&Tree{})
	if e != nil {
		t.Text = clip(printExpr(e))
	}
	switch e := e.(type) {
	case *Ref:
		t.Text = ""
		of := &x.w.g.types[x.w.g.programs[a.program].typ]
		x.here = append(x.here, pending{t, atom{of.relations[e.Name], a.node}})
	case *Arrow:
		t.Kind = TreeArrow
		if e.All {
			t.Kind = TreeAll
		}
		x.arrow(t, e, a, follow)
	case *Nil:
		t.Kind = TreeNil
	case *Self:
		t.Kind = TreeSelf
	case *Union:
		t.Kind = TreeUnion
		x.children(t, e.Children, a, follow)
	case *Intersection:
		t.Kind = TreeIntersection
		x.children(t, e.Children, a, follow)
	case *Exclusion:
		t.Kind = TreeExclusion
		x.children(t, []Expr{e.Base, e.Minus}, a, follow)
	default: // *This and no rewrite at all
		t.Kind = TreeDirect
		x.direct(t, a, follow)
	}
	return t
}

func (x *expander) children(t *Tree, of []Expr, a atom, follow bool) {
	for _, e := range of {
		t.Children = append(t.Children, x.rewrite(e, a, follow))
	}
}

// leaf is a tuple of a row and where it leads.
type leaf struct {
	tree *Tree
	to   atom // program -1 = nowhere
}

func (x *expander) direct(t *Tree, a atom, follow bool) {
	var leaves []leaf
	shapes := x.w.g.programs[a.program].shapes
	for i := shapes.from; i < shapes.to; i++ {
		sh := &x.w.g.shapes[i]
		leaves = x.read(leaves, a.node, sh, sh.program)
	}
	x.attach(t, leaves, follow)
}

func (x *expander) arrow(t *Tree, e *Arrow, a atom, follow bool) {
	var leaves []leaf
	for _, h := range x.w.g.hopsOf(a.program, e) {
		from := len(leaves)
		leaves = x.read(leaves, a.node, &x.w.g.shapes[h.shape], h.target)
		for _, l := range leaves[from:] {
			if h.target < 0 {
				l.tree.Kind = TreeNil
			}
		}
	}
	x.attach(t, leaves, follow)
}

// read appends the tuples of a row, which lead to a program of their subjects.
func (x *expander) read(leaves []leaf, n store.Node, sh *shape, program int32) []leaf {
	if !x.mayGoOn() {
		return leaves
	}
	for s := range x.w.sights(n, sh) {
		if !s.isVisible() {
			continue
		}
		t := x.add(&Tree{Kind: TreeSubject, Tuple: x.w.tupleOf(n, sh, &s)})
		x.weigh(t, s.value)
		to := atom{program, s.subject}
		if t.Caveat == CaveatFails {
			to.program = -1 // whatever is behind it does not count
		}
		leaves = append(leaves, leaf{t, to})
		if x.err != nil {
			break
		}
	}
	x.mayGoOn()
	return leaves
}

// weigh says on the node what the caveat of its tuple came to.
func (x *expander) weigh(t *Tree, v value) {
	if t.Tuple.Caveat == "" {
		return
	}
	switch v.level {
	case denied:
		t.Caveat = CaveatFails
	case conditional:
		t.Caveat, t.Missing = CaveatOpen, x.w.missing(v.open)
	case failed:
		t.Caveat, t.Err = CaveatFailed, reasonOf(x.w.causes[v.cause])
	case allowed:
		t.Caveat = CaveatHolds
	}
}

// attach hangs the leaves below t, sorted; those that lead on are filled later
// if they are to be followed.
func (x *expander) attach(t *Tree, leaves []leaf, follow bool) {
	slices.SortFunc(leaves, func(a, b leaf) int { return compareSubjectNames(&a.tree.Tuple.Subject, &b.tree.Tuple.Subject) })
	for _, l := range leaves {
		t.Children = append(t.Children, l.tree)
		if follow && l.to.program >= 0 {
			x.next = append(x.next, pending{l.tree, l.to})
		}
	}
}

func compareSubjectNames(a, b *tuple.Subject) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Relation, b.Relation), cmp.Compare(a.ID, b.ID))
}

// hopsOf returns the ways of an arrow that stands in p.
func (g *Graph) hopsOf(p int32, e *Arrow) []hop {
	var hops []hop
	shapes := g.programs[g.types[g.programs[p].typ].relations[e.Tupleset]].shapes
	for i := shapes.from; i < shapes.to; i++ {
		if g.shapes[i].form == wildcard {
			continue
		}
		target, ok := g.types[g.shapes[i].typ].relations[e.Target]
		if !ok {
			target = -1
		}
		hops = append(hops, hop{i, target})
	}
	return hops
}
