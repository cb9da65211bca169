package graph

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/pemba-authz/pemba/store"
)

// Bounds on the searches of a graph; past them there are none.
const (
	mostSearches = 4        // by its programs
	mostRoles    = 64 << 20 // bytes of all roles
)

// findSearches gives the programs their searches: those that are unions by
// themselves, without those that lead to others.
func (g *Graph) findSearches(users [][]int32) {
	isUnion := g.unions(users)
	outlines, ok := g.outlines(isUnion)
	if !ok {
		return
	}
	f := searchFinder{
		g: g, outlines: outlines, alike: g.alike(outlines, isUnion), known: map[string]int32{},
		noted: make([]int32, len(g.rewrites)), named: make([]int32, len(g.shapes)),
	}
	for p := range g.programs {
		if isUnion[p] {
			g.programs[p].search = f.search([]int32{int32(p)})
		}
	}
	for i := 0; i < len(g.searches); i++ {
		s := g.searches[i]
		f.lead(&s)
		if f.size += s.roles.size(); f.size > mostRoles || len(g.searches) > mostSearches*len(g.programs)+64 {
			f.giveUp()
			return
		}
		g.searches[i] = s
	}
	f.lookBeyond()
}

// unions tells which programs are unions wherever they lead. The others have no search.
func (g *Graph) unions(users [][]int32) []bool {
	can := make([]bool, len(g.rewrites))
	for i, r := range g.rewrites {
		can[i] = g.canSearch(r)
	}
	isUnion := make([]bool, len(g.programs))
	var others []int32
	for p := range g.programs {
		g.programs[p].search, isUnion[p] = -1, true
		g.eachRewrite(int32(p), func(i int32, _ rewrite) { isUnion[p] = isUnion[p] && can[i] })
		if !isUnion[p] {
			others = append(others, int32(p))
		}
	}
	for ; len(others) > 0; others = others[1:] {
		for _, p := range users[others[0]] {
			if isUnion[p] {
				isUnion[p], others = false, append(others, p)
			}
		}
	}
	return isUnion
}

// canSearch reports whether a rewrite by itself is part of a union. What leads on
// must do so without caveats; on what names a subject they may be.
func (g *Graph) canSearch(r rewrite) bool {
	switch r.op {
	case opNil, opMember, opCall, opUnion, opProbe:
		return true
	case opMembers:
		return !slices.ContainsFunc(g.shapes[r.from:r.to], func(s shape) bool { return len(s.caveats) > 0 && !g.namesGroups(&s) })
	case opArrow:
		return !slices.ContainsFunc(g.hops[r.from:r.to], func(h hop) bool { return len(g.shapes[h.shape].caveats) > 0 })
	}
	return false
}

// namesGroups reports whether a shape is of usersets that are found from the subject.
func (g *Graph) namesGroups(s *shape) bool {
	return s.form == userset && g.programs[s.program].family != nil
}

type searchFinder struct {
	g        *Graph
	outlines []outline        // by program
	alike    []int32          // by program: the one that stands for it
	known    map[string]int32 // by programs
	ways     [][]int32        // by search: the searches that it leads to

	// The last search, from 1, that has seen a rewrite, and for which a shape names somebody.
	noted, named []int32
	round        int32

	size int // of all roles
}

// search returns the search for any of the programs, which are of one type.
func (f *searchFinder) search(programs []int32) int32 {
	for i, p := range programs {
		programs[i] = f.alike[p]
	}
	for i := 0; i < len(programs); i++ {
		for _, l := range f.outlines[programs[i]].leads {
			if p := f.alike[l.target]; l.shape < 0 && !slices.Contains(programs, p) {
				programs = append(programs, p)
			}
		}
	}
	slices.Sort(programs)
	programs = slices.Compact(programs)
	key := make([]byte, 0, 64)
	for _, p := range programs {
		key = binary.LittleEndian.AppendUint32(key, uint32(p))
	}
	if i, known := f.known[string(key)]; known {
		return i
	}
	s := search{programs: programs, reach: f.g.programRow(programs[0])}
	if len(programs) > 1 {
		s.reach = slices.Clone(s.reach)
		for _, p := range programs[1:] {
			merge(s.reach, f.g.programRow(p))
		}
	}
	i := int32(len(f.g.searches))
	f.g.searches = append(f.g.searches, s)
	f.ways = append(f.ways, nil)
	f.known[string(key)] = i
	return i
}

// lead gives a search, the next one, its roles.
func (f *searchFinder) lead(s *search) {
	g := f.g
	f.round++
	var all []role
	targets := map[int32][]int32{} // by shape
	to := func(shape, target int32) {
		if target = f.alike[target]; !slices.Contains(targets[shape], target) {
			targets[shape] = append(targets[shape], target)
		}
	}
	for _, p := range s.programs {
		o := &f.outlines[p]
		for _, i := range o.named {
			if f.noted[i] == f.round {
				continue
			}
			f.noted[i] = f.round
			for j := g.rewrites[i].from; j < g.rewrites[i].to; j++ {
				if sh := &g.shapes[j]; sh.form == userset && !g.namesGroups(sh) {
					to(j, sh.program)
				} else if f.named[j] != f.round {
					f.named[j] = f.round
					all = append(all, role{sh.id, j, -1, true})
				}
			}
		}
		for _, l := range o.leads {
			if l.shape >= 0 {
				to(l.shape, l.target)
			}
		}
	}
	for i := range all {
		if t := targets[all[i].shape]; t != nil {
			all[i].way = f.search(t)
			delete(targets, all[i].shape)
		}
	}
	for _, shape := range slices.Sorted(maps.Keys(targets)) {
		all = append(all, role{g.shapes[shape].id, shape, f.search(targets[shape]), false})
	}
	s.roles = g.newRoles(all)
	ids := make([]store.ShapeID, len(all))
	for i, r := range all {
		ids[i] = r.id
	}
	s.few = g.subjectKinds.Few(ids)
	for _, r := range all {
		if f.note(s, r); r.way >= 0 {
			f.ways[f.round-1] = append(f.ways[f.round-1], r.way)
		}
	}
}

// lookBeyond gives the searches what is beyond them.
func (f *searchFinder) lookBeyond() {
	g := f.g
	users := make([][]int32, len(g.searches)) // by search: who leads to it
	var changed []int32
	for i := range g.searches {
		g.searches[i].beyond = slices.Clone(g.searches[i].families)
		changed = append(changed, int32(i))
		for _, way := range f.ways[i] {
			users[way] = append(users[way], int32(i))
		}
	}
	for ; len(changed) > 0; changed = changed[1:] {
		for _, i := range users[changed[0]] {
			s, grown := &g.searches[i], false
			for _, p := range g.searches[changed[0]].beyond {
				if !slices.Contains(s.beyond, p) {
					s.beyond, grown = append(s.beyond, p), true
				}
			}
			if grown {
				changed = append(changed, i)
			}
		}
	}
}

// note notes what a role means to the whole search.
func (f *searchFinder) note(s *search, r role) {
	sh := &f.g.shapes[r.shape]
	switch {
	case r.names && sh.form == userset:
		s.groups |= r.id.Mask()
		if !slices.Contains(s.families, sh.program) {
			s.families = append(s.families, sh.program)
		}
	case r.names:
		s.names |= r.id.Mask()
	}
	if r.way >= 0 {
		s.ways |= r.id.Mask()
	}
}

// giveUp leaves everything to the walk.
func (f *searchFinder) giveUp() {
	f.g.searches = nil
	for p := range f.g.programs {
		f.g.programs[p].search = -1
	}
}
