package graph

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// outline is what a search sees of a program: the rewrites whose tuples name
// somebody, sorted, and the programs that it leads to.
type outline struct {
	named []int32
	leads []lead
}

// lead is a way to a program over the tuples of a shape.
type lead struct {
	shape  int32 // -1 = on the same object
	target int32
}

// mostLeads bounds the leads of all outlines.
const mostLeads = 1 << 21

// outlines returns those of the programs that are unions; false if they are too large.
func (g *Graph) outlines(isUnion []bool) ([]outline, bool) {
	all, leads := make([]outline, len(g.programs)), 0
	for p := range all {
		if !isUnion[p] {
			continue
		}
		o := &all[p]
		g.eachRewrite(int32(p), func(i int32, r rewrite) {
			switch r.op {
			case opProbe, opMembers:
				o.named = append(o.named, i)
			case opCall:
				o.leads = append(o.leads, lead{-1, r.from})
			case opArrow:
				for _, h := range g.hops[r.from:r.to] {
					if h.target >= 0 {
						o.leads = append(o.leads, lead(h))
					}
				}
			}
		})
		slices.Sort(o.named)
		o.named = slices.Compact(o.named)
		if leads += len(o.leads); leads > mostLeads {
			return nil, false
		}
	}
	return all, true
}

// mostRefined bounds the rounds in which alike tells programs apart.
const mostRefined = 16

// alike returns, for each program that is a union, the first one that comes down
// to the same tuples on the same way: permissions that the same relations grant
// are searched as one. It begins with all alike that name the same, and tells
// apart those that lead to what is not alike, until nothing changes; if that
// takes long, it takes none for another.
func (g *Graph) alike(outlines []outline, isUnion []bool) []int32 {
	class, next := make([]int32, len(g.programs)), make([]int32, len(g.programs))
	count := classify(class, isUnion, func(key []byte, p int32) []byte {
		key = binary.LittleEndian.AppendUint32(key, uint32(g.programs[p].typ))
		for _, i := range outlines[p].named {
			key = binary.LittleEndian.AppendUint32(key, uint32(i))
		}
		return key
	})
	var leads []lead
	for range mostRefined {
		n := classify(next, isUnion, func(key []byte, p int32) []byte {
			leads = leads[:0]
			for _, l := range outlines[p].leads {
				leads = append(leads, lead{l.shape, class[l.target]})
			}
			slices.SortFunc(leads, func(a, b lead) int { return cmp.Or(cmp.Compare(a.shape, b.shape), cmp.Compare(a.target, b.target)) })
			key = binary.LittleEndian.AppendUint32(key, uint32(class[p]))
			for _, l := range slices.Compact(leads) {
				key = binary.LittleEndian.AppendUint32(key, uint32(l.shape))
				key = binary.LittleEndian.AppendUint32(key, uint32(l.target))
			}
			return key
		})
		class, next = next, class
		if n == count {
			return class
		}
		count = n
	}
	for p := range class {
		class[p] = int32(p)
	}
	return class
}

// classify gives programs with the same key the first one of them, and returns
// how many keys there are.
func classify(class []int32, isUnion []bool, key func(to []byte, p int32) []byte) int {
	first := map[string]int32{}
	var buf []byte
	for p := range class {
		if !isUnion[p] {
			continue
		}
		buf = key(buf[:0], int32(p))
		q, known := first[string(buf)]
		if !known {
			q = int32(p)
			first[string(buf)] = q
		}
		class[p] = q
	}
	return len(first)
}
