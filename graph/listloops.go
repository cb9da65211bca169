package graph

// computeLoops marks the rewrites of programs that are decided through
// themselves by way of the contrary side of an exclusion or of an .all(). What
// denies a subject there may itself rest on the denial, so a list must not look
// at one side only.
func (g *Graph) computeLoops() {
	f := &loopMarker{g: g, edges: make([][]loopEdge, len(g.programs)), at: make([]loopAt, len(g.programs))}
	for p := range g.programs {
		f.edge(&f.edges[p], g.programs[p].body, false)
	}
	for p := range g.programs {
		if f.at[p].index == 0 {
			f.visit(int32(p))
		}
	}
	g.looping = make([]bool, len(g.rewrites))
	negative := map[int32]bool{} // by loop
	for p := range g.programs {
		for _, e := range f.edges[p] {
			if e.negative && f.at[p].loop == f.at[e.to].loop {
				negative[f.at[p].loop] = true
			}
		}
	}
	for p := range g.programs {
		body := g.programs[p].rewrites
		for i := body.from; i < body.to; i++ {
			g.looping[i] = negative[f.at[p].loop]
		}
	}
}

type loopEdge struct {
	to       int32
	negative bool
}

type loopAt struct {
	index, low, loop int32 // 0 = not visited; loop 0 = on the stack
}

// loopMarker numbers strongly connected components of programs (Tarjan 1972).
type loopMarker struct {
	g       *Graph
	edges   [][]loopEdge
	at      []loopAt
	stack   []int32
	visited int32
	loops   int32
}

// edge adds the programs that rewrite i leads to.
func (f *loopMarker) edge(to *[]loopEdge, i int32, negative bool) {
	g, r := f.g, f.g.rewrites[i]
	switch r.op {
	case opCall:
		*to = append(*to, loopEdge{r.from, negative})
	case opMembers:
		for _, s := range g.shapes[r.from:r.to] {
			*to = append(*to, loopEdge{s.program, negative})
		}
	case opArrow, opAll:
		for _, h := range g.hops[r.from:r.to] {
			if h.target >= 0 {
				*to = append(*to, loopEdge{h.target, negative || r.op == opAll})
			}
		}
	case opUnion, opIntersection:
		for _, k := range g.kids[r.from:r.to] {
			f.edge(to, k, negative)
		}
	case opExclusion:
		f.edge(to, r.from, negative)
		f.edge(to, r.to, true)
	}
}

func (f *loopMarker) visit(p int32) {
	f.visited++
	f.at[p].index, f.at[p].low = f.visited, f.visited
	f.stack = append(f.stack, p)
	for _, e := range f.edges[p] {
		switch q := &f.at[e.to]; {
		case q.index == 0:
			f.visit(e.to)
			f.at[p].low = min(f.at[p].low, f.at[e.to].low)
		case q.loop == 0:
			f.at[p].low = min(f.at[p].low, q.index)
		}
	}
	if f.at[p].low < f.at[p].index {
		return
	}
	f.loops++
	for {
		last := f.stack[len(f.stack)-1]
		f.stack = f.stack[:len(f.stack)-1]
		f.at[last].loop = f.loops
		if last == p {
			return
		}
	}
}
