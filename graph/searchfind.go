package graph

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
)

// mostSearches bounds the searches of a graph, by its programs.
const mostSearches = 4

// findSearches gives the programs their searches: those that are unions by
// themselves, without those that lead to others.
func (g *Graph) findSearches() {
	isUnion := make([]bool, len(g.programs))
	users := make([][]int32, len(g.programs)) // by program: who leads to it
	var others []int32
	for p := range g.programs {
		g.programs[p].search = -1
		body := g.programs[p].rewrites
		if isUnion[p] = !slices.ContainsFunc(g.rewrites[body.from:body.to], func(r rewrite) bool { return !g.canSearch(r) }); !isUnion[p] {
			others = append(others, int32(p))
		}
		g.eachTarget(int32(p), func(q int32) { users[q] = append(users[q], int32(p)) })
	}
	for ; len(others) > 0; others = others[1:] {
		for _, p := range users[others[0]] {
			if isUnion[p] {
				isUnion[p], others = false, append(others, p)
			}
		}
	}
	f := searchFinder{g: g, known: map[string]int32{}}
	for p := range g.programs {
		if isUnion[p] {
			g.programs[p].search = f.search([]int32{int32(p)})
		}
	}
	for i := 0; i < len(g.searches); i++ {
		s := g.searches[i]
		f.lead(&s)
		if len(g.searches) > mostSearches*len(g.programs)+64 {
			f.giveUp()
			return
		}
		g.searches[i] = s
	}
	g.lookBeyond()
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
	g     *Graph
	known map[string]int32 // by programs
}

// search returns the search for any of the programs, which are of one type.
func (f *searchFinder) search(programs []int32) int32 {
	for i := 0; i < len(programs); i++ {
		body := f.g.programs[programs[i]].rewrites
		for _, r := range f.g.rewrites[body.from:body.to] {
			if r.op == opCall && !slices.Contains(programs, r.from) {
				programs = append(programs, r.from)
			}
		}
	}
	slices.Sort(programs)
	key := fmt.Sprint(programs)
	if i, known := f.known[key]; known {
		return i
	}
	s := search{programs: programs, reach: make([]uint64, f.g.words)}
	for _, p := range programs {
		merge(s.reach, f.g.programRow(p))
	}
	f.g.searches = append(f.g.searches, s)
	f.known[key] = int32(len(f.g.searches) - 1)
	return f.known[key]
}

// lead gives a search its roles.
func (f *searchFinder) lead(s *search) {
	g := f.g
	names, targets := map[int32]bool{}, map[int32][]int32{} // by shape
	to := func(shape, target int32) {
		if target >= 0 && !slices.Contains(targets[shape], target) {
			targets[shape] = append(targets[shape], target)
		}
	}
	for _, p := range s.programs {
		body := g.programs[p].rewrites
		for _, r := range g.rewrites[body.from:body.to] {
			switch r.op {
			case opProbe, opMembers:
				for i := r.from; i < r.to; i++ {
					if sh := &g.shapes[i]; sh.form == userset && !g.namesGroups(sh) {
						to(i, sh.program)
					} else {
						names[i] = true
					}
				}
			case opArrow:
				for _, h := range g.hops[r.from:r.to] {
					to(h.shape, h.target)
				}
			}
		}
	}
	s.roles = make([]role, 1<<bits.Len(uint(2*(len(targets)+len(names)))))
	all := slices.Concat(slices.Collect(maps.Keys(names)), slices.Collect(maps.Keys(targets)))
	slices.Sort(all)
	for _, i := range slices.Compact(all) {
		r := role{id: g.shapes[i].id, shape: i, way: -1, names: names[i]}
		if len(targets[i]) > 0 {
			r.way = f.search(targets[i])
		}
		s.add(r, &g.shapes[i])
	}
}

// lookBeyond gives the searches what is beyond them.
func (g *Graph) lookBeyond() {
	users := make([][]int32, len(g.searches)) // by search: who leads to it
	var changed []int32
	for i := range g.searches {
		s := &g.searches[i]
		s.beyond = slices.Clone(s.families)
		changed = append(changed, int32(i))
		for _, r := range s.roles {
			if r.id != 0 && r.way >= 0 {
				users[r.way] = append(users[r.way], int32(i))
			}
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

func (s *search) add(r role, sh *shape) {
	*s.role(r.id) = r
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
