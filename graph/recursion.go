package graph

// node is a vertex of "who needs whom to be decided": a relation, a permission
// or an arrow.
type node struct {
	edges   []edge
	index   int // order of the visit, from 1; 0 = not visited
	low     int // smallest index known to be reachable while on the stack
	onStack bool
	loop    int // nodes that reach each other have the same, from 1
}

// edge says that a node is decided through another one; negative, that more
// subjects there can mean fewer here.
type edge struct {
	to       *node
	negative bool
	pos      Pos
}

// findLoops collects the relations of a valid schema, what each is decided
// through, and which of them are decided through each other.
func (v *validator) findLoops() {
	for _, d := range declarations(v.schema) {
		def, ok := d.(*Definition)
		if !ok {
			continue
		}
		for _, r := range def.Relations {
			rel := v.defs[def.Name].rels[r.Name]
			v.addEdges(rel)
			v.rels = append(v.rels, rel)
		}
	}
	finder := &loopFinder{}
	for _, rel := range v.rels {
		if rel.index == 0 {
			finder.visit(&rel.node)
		}
	}
}

// negativeRecursion warns of permissions that are decided through themselves
// by way of the right side of an exclusion or of an .all(): data that forms
// such a cycle has no least fixpoint, and the walk answers with an error.
func (v *validator) negativeRecursion() {
	for _, rel := range v.rels {
		for _, e := range rel.edges {
			if e.negative && e.to.loop == rel.loop {
				v.warn(rel, warnNegativeRecursion, e.pos,
					"recursion through an exclusion or .all(): objects that form such a cycle make checks fail")
			}
		}
	}
}

func (v *validator) addEdges(rel *relationInfo) {
	for _, t := range rel.Types {
		if t.Relation != "" {
			rel.edges = append(rel.edges, edge{to: &v.defs[t.Type].rels[t.Relation].node})
		}
	}
	v.addRewrite(rel, rel.Rewrite, false)
}

func (v *validator) addRewrite(rel *relationInfo, e Expr, negative bool) {
	switch e := e.(type) {
	case *Ref:
		rel.edges = append(rel.edges, edge{&rel.of.rels[e.Name].node, negative, e.Pos})
	case *Arrow:
		arrow := v.arrowTargets(rel.of.rels[e.Tupleset], e.Target)
		rel.edges = append(rel.edges, edge{&arrow.node, negative || e.All, e.Pos})
	case *Union:
		for _, c := range e.Children {
			v.addRewrite(rel, c, negative)
		}
	case *Intersection:
		for _, c := range e.Children {
			v.addRewrite(rel, c, negative)
		}
	case *Exclusion:
		v.addRewrite(rel, e.Base, negative)
		v.addRewrite(rel, e.Minus, true)
	}
}

// loopFinder numbers strongly connected components (Tarjan 1972).
type loopFinder struct {
	stack   []*node
	visited int
	loops   int
}

func (f *loopFinder) visit(n *node) {
	f.visited++
	n.index, n.low, n.onStack = f.visited, f.visited, true
	f.stack = append(f.stack, n)
	for _, e := range n.edges {
		if e.to.index == 0 {
			f.visit(e.to)
			n.low = min(n.low, e.to.low)
		} else if e.to.onStack {
			n.low = min(n.low, e.to.index)
		}
	}
	if n.low < n.index {
		return
	}
	f.loops++
	for {
		last := f.stack[len(f.stack)-1]
		f.stack = f.stack[:len(f.stack)-1]
		last.onStack, last.loop = false, f.loops
		if last == n {
			return
		}
	}
}
