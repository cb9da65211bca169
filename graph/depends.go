package graph

import (
	"maps"
	"slices"

	"github.com/pemba-authz/pemba/store"
)

// dependsKey names what is asked for and the kinds of subject that ask. Sets
// of more than two kinds share one entry, which reckons with every kind.
type dependsKey struct {
	program int32
	kinds   [2]int32 // -1 = none
}

type dependsOn struct {
	shapes  []store.ShapeID
	caveats bool
}

var everyKind = [2]int32{-2, -2}

// Depends returns every shape whose tuples the answer to r may depend on. The
// slice is shared and must not be changed.
func (g *Graph) Depends(r *Resolved) []store.ShapeID { return g.dependencies(r).shapes }

// UsesContext reports whether the answer to r may depend on caveats.
func (g *Graph) UsesContext(r *Resolved) bool { return g.dependencies(r).caveats }

func (g *Graph) dependencies(r *Resolved) dependsOn {
	key := dependsKey{r.Program, [2]int32{-1, -1}}
	n := 0
	for _, s := range r.Subjects() {
		kind := g.plainKind(s.Type)
		if s.Program >= 0 {
			kind = g.usersetKind(s.Program)
		}
		switch {
		case n > 0 && key.kinds[n-1] == kind:
		case n == len(key.kinds):
			key.kinds = everyKind
		default:
			key.kinds[n] = kind
			n++
		}
		if key.kinds == everyKind {
			break
		}
	}
	if found, ok := (*g.depends.Load())[key]; ok {
		return found
	}
	return g.learnDepends(key)
}

// mostDepends bounds the entries that are kept; past it they start afresh.
const mostDepends = 4096

// learnDepends adds an entry to a copy of the map, so that readers never wait.
// Another writer's entry may get lost; it is found again when it is needed.
func (g *Graph) learnDepends(key dependsKey) dependsOn {
	f := &dependsFinder{g: g, kinds: key.kinds, seen: map[int32]bool{}, shapes: map[store.ShapeID]bool{}}
	f.program(key.program)
	found := dependsOn{slices.Sorted(maps.Keys(f.shapes)), f.caveats}
	next := map[dependsKey]dependsOn{}
	if known := *g.depends.Load(); len(known) < mostDepends {
		maps.Copy(next, known)
	}
	next[key] = found
	g.depends.Store(&next)
	return found
}

// dependsFinder follows the programs in the way of the walk, without data.
type dependsFinder struct {
	g       *Graph
	kinds   [2]int32
	seen    map[int32]bool
	shapes  map[store.ShapeID]bool
	caveats bool
}

func (f *dependsFinder) has(kind int32) bool {
	return f.kinds == everyKind || f.kinds[0] == kind || f.kinds[1] == kind
}

func (f *dependsFinder) reached(row []uint64) bool {
	if f.kinds == everyKind {
		return true
	}
	return hasBit(row, f.kinds[0]) || f.kinds[1] >= 0 && hasBit(row, f.kinds[1])
}

func (f *dependsFinder) program(p int32) {
	if !f.seen[p] {
		f.seen[p] = true
		f.rewrite(f.g.programs[p].body)
	}
}

func (f *dependsFinder) add(sh *shape) {
	f.shapes[sh.id] = true
	f.caveats = f.caveats || len(sh.caveats) > 0
}

func (f *dependsFinder) rewrite(i int32) {
	g, r := f.g, f.g.rewrites[i]
	if !f.reached(g.rewriteRow(i)) {
		return
	}
	switch r.op {
	case opProbe:
		for s := r.from; s < r.to; s++ {
			if f.has(g.plainKind(g.shapes[s].typ)) {
				f.add(&g.shapes[s])
			}
		}
	case opMembers:
		for s := r.from; s < r.to; s++ {
			if sh := &g.shapes[s]; f.reached(g.programRow(sh.program)) {
				f.add(sh)
				f.program(sh.program)
			}
		}
	case opCall:
		f.program(r.from)
	case opUnion, opIntersection:
		for _, k := range g.kids[r.from:r.to] {
			f.rewrite(k)
		}
	case opExclusion:
		f.rewrite(r.from)
		f.rewrite(r.to)
	case opArrow, opAll:
		f.hops(r)
	}
}

func (f *dependsFinder) hops(r rewrite) {
	for _, h := range f.g.hops[r.from:r.to] {
		leads := h.target >= 0 && f.reached(f.g.programRow(h.target))
		if leads || r.op == opAll {
			f.add(&f.g.shapes[h.shape])
		}
		if leads {
			f.program(h.target)
		}
	}
}
