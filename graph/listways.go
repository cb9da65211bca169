package graph

import "maps"

// backward says, for one program, how to come to it from its subjects: against
// the direction of the walk, from what grants to what is granted. Only programs
// that lead to it are in it, numbered from it on: 0 is the program itself.
type backward struct {
	programs []int32 // by number
	numbers  map[int32]int32
	here     [][]way         // by number: from the program to others on the same object
	onward   [][]way         // by number: over the tuples that lead to the object
	subjects map[int32][]way // by type: from a plain subject
	usersets map[int32][]way // by program (not number): from a userset of it, where the program is inlined
	size     int             // ways
}

// way leads to a program, over the tuples of a shape or on the same object.
type way struct {
	to      int32 // number
	shape   int32 // index of g.shapes; -1 = on the same object
	hop     bool  // the tuple's object is one step deeper
	guarded bool  // below an intersection, an exclusion or an .all(): it may lead nowhere
}

// mostBackward bounds the ways that a graph keeps; past it they are worked out
// afresh.
const mostBackward = 1 << 18

// waysTo returns the ways to program p.
func (g *Graph) waysTo(p int32) *backward {
	known := *g.backward.Load()
	if b := known[p]; b != nil {
		return b
	}
	f := &wayFinder{g: g, seen: map[wayKey]int{}, b: &backward{
		numbers: map[int32]int32{}, subjects: map[int32][]way{}, usersets: map[int32][]way{},
	}}
	f.number(p)
	for i := 0; i < len(f.b.programs); i++ {
		f.rewrite(g.programs[f.b.programs[i]].body, int32(i), false)
	}
	size := f.b.size
	for _, b := range known {
		size += b.size
	}
	next := map[int32]*backward{p: f.b} // a copy, so that readers never wait
	if size <= mostBackward {
		maps.Copy(next, known)
	}
	g.backward.Store(&next)
	return f.b
}

type wayFinder struct {
	g    *Graph
	b    *backward
	seen map[wayKey]int // position among its source's ways
}

// source is where a way begins: a program, or subjects of a type or program.
type source struct {
	kind opcode
	of   int32
}

type wayKey struct {
	source
	to, shape int32
}

func (f *wayFinder) number(p int32) int32 {
	n, ok := f.b.numbers[p]
	if !ok {
		n = int32(len(f.b.programs))
		f.b.numbers[p] = n
		f.b.programs = append(f.b.programs, p)
		f.b.here, f.b.onward = append(f.b.here, nil), append(f.b.onward, nil)
	}
	return n
}

// add adds a way unless there is one that is as good. One that is not guarded
// replaces one that is.
func (f *wayFinder) add(from source, w way) {
	ways := f.ways(from, w.shape)
	key := wayKey{from, w.to, w.shape}
	if at, ok := f.seen[key]; ok {
		ways[at].guarded = ways[at].guarded && w.guarded
		return
	}
	f.seen[key] = len(ways)
	f.b.size++
	switch ways = append(ways, w); {
	case from.kind == opProbe:
		f.b.subjects[from.of] = ways
	case from.kind == opMember:
		f.b.usersets[from.of] = ways
	case w.shape < 0:
		f.b.here[from.of] = ways
	default:
		f.b.onward[from.of] = ways
	}
}

func (f *wayFinder) ways(from source, shape int32) []way {
	switch {
	case from.kind == opProbe:
		return f.b.subjects[from.of]
	case from.kind == opMember:
		return f.b.usersets[from.of]
	case shape < 0:
		return f.b.here[from.of]
	}
	return f.b.onward[from.of]
}

// leadsOn reports whether there are ways from program number n.
func (b *backward) leadsOn(n int32) bool { return len(b.here[n]) > 0 || len(b.onward[n]) > 0 }

// rewrite adds the ways into rewrite i of program number to. Whoever an
// intersection grants, each of its sides grants: one side will do, unless a
// side may be a circle that nothing leads to.
func (f *wayFinder) rewrite(i, to int32, guarded bool) {
	g, r := f.g, f.g.rewrites[i]
	switch r.op {
	case opSelf:
		f.add(source{opProbe, r.from}, way{to, -1, false, guarded})
	case opMember:
		f.add(source{opMember, r.from}, way{to, -1, false, guarded})
	case opProbe:
		for s := r.from; s < r.to; s++ {
			f.add(source{opProbe, g.shapes[s].typ}, way{to, s, false, guarded})
		}
	case opMembers:
		for s := r.from; s < r.to; s++ {
			f.add(source{opCall, f.number(g.shapes[s].program)}, way{to, s, true, guarded})
		}
	case opCall:
		f.add(source{opCall, f.number(r.from)}, way{to, -1, false, guarded})
	case opUnion:
		for _, k := range g.kids[r.from:r.to] {
			f.rewrite(k, to, guarded)
		}
	case opIntersection:
		kids := g.kids[r.from:r.to]
		if !g.looping[i] {
			kids = []int32{g.cheapest(r.span)}
		}
		for _, k := range kids {
			f.rewrite(k, to, true)
		}
	case opExclusion:
		f.rewrite(r.from, to, true)
	case opArrow, opAll:
		for _, h := range g.hops[r.from:r.to] {
			if h.target >= 0 {
				f.add(source{opCall, f.number(h.target)}, way{to, h.shape, true, guarded || r.op == opAll})
			}
		}
	}
}

// Weights say roughly how many subjects a rewrite grants and objects it is
// granted on. Lists enter an intersection by its lightest side.
const (
	weightDirect   = 1
	weightUserset  = 8
	weightArrow    = 16
	weightWildcard = 64
	mostWeight     = 1 << 20
)

// computeWeights fills g.weights. Children stand before their parents; a call
// of a program that comes later counts as much as an arrow.
func (g *Graph) computeWeights() {
	g.weights = make([]int32, len(g.rewrites))
	for i, r := range g.rewrites {
		w := int32(0)
		switch r.op {
		case opProbe:
			for _, s := range g.shapes[r.from:r.to] {
				w += map[form]int32{plain: weightDirect, wildcard: weightWildcard}[s.form]
			}
		case opMembers:
			w = weightUserset * (r.to - r.from)
		case opArrow, opAll:
			w = weightArrow * (r.to - r.from)
		case opCall:
			w = weightArrow
			if body := g.programs[r.from].body; body < int32(i) {
				w = g.weights[body]
			}
		case opUnion:
			for _, k := range g.kids[r.from:r.to] {
				w = min(w+g.weights[k], mostWeight)
			}
		case opIntersection:
			w = g.weights[g.cheapest(r.span)]
		case opExclusion:
			w = g.weights[r.from]
		}
		g.weights[i] = min(w, mostWeight)
	}
}

// cheapest returns the lightest of some children.
func (g *Graph) cheapest(kids span) int32 {
	best := g.kids[kids.from]
	for _, k := range g.kids[kids.from:kids.to] {
		if g.weights[k] < g.weights[best] {
			best = k
		}
	}
	return best
}
