package graph

// mostKinds bounds the rows. In a larger schema several kinds share a bit,
// which prunes less and changes no answer.
const mostKinds = 1024

// plainKind returns the bit of the plain subjects of a type.
func (g *Graph) plainKind(typ int32) int32 { return typ % mostKinds }

// usersetKind returns the bit of the usersets of a program.
func (g *Graph) usersetKind(program int32) int32 {
	return (int32(len(g.types)) + program) % mostKinds
}

func hasBit(row []uint64, i int32) bool { return row[i>>6]&(1<<(uint(i)&63)) != 0 }

func (g *Graph) rewriteRow(i int32) []uint64 {
	return g.reach[int(i)*g.words : (int(i)+1)*g.words]
}

func (g *Graph) programRow(p int32) []uint64 {
	return g.programReach[int(p)*g.words : (int(p)+1)*g.words]
}

// users returns, by program, the programs that lead to it otherwise than by the
// right side of an exclusion.
func (g *Graph) users() [][]int32 {
	users, last := make([][]int32, len(g.programs)), make([]int32, len(g.programs))
	for p := range g.programs {
		g.eachPart(g.programs[p].body, false, func(_ int32, r rewrite) {
			g.eachTarget(r, func(q int32) {
				if last[q] != int32(p)+1 {
					last[q] = int32(p) + 1
					users[q] = append(users[q], int32(p))
				}
			})
		})
	}
	return users
}

// eachTarget calls yield for the programs that a rewrite by itself leads to.
func (g *Graph) eachTarget(r rewrite, yield func(q int32)) {
	switch r.op {
	case opCall:
		yield(r.from)
	case opMembers:
		for i := r.from; i < r.to; i++ {
			yield(g.shapes[i].program)
		}
	case opArrow, opAll:
		for _, h := range g.hops[r.from:r.to] {
			if h.target >= 0 {
				yield(h.target)
			}
		}
	}
}

// computeReach fills the rows. A program whose row has grown makes those that
// lead to it grow, until nothing changes. Intersections count as unions,
// because a set of subjects may satisfy their sides by different members.
func (g *Graph) computeReach(users [][]int32) {
	g.words = (min(len(g.types)+len(g.programs), mostKinds) + 63) / 64
	g.reach = make([]uint64, len(g.rewrites)*g.words)
	g.programReach = make([]uint64, len(g.programs)*g.words)
	todo, waiting := make([]int32, len(g.programs)), make([]bool, len(g.programs))
	for p := range g.programs {
		row := g.programRow(int32(p))
		setBit(row, g.usersetKind(int32(p)))
		g.eachPart(g.programs[p].body, false, func(_ int32, r rewrite) { g.reachHere(row, r) })
		todo[p], waiting[p] = int32(p), true
	}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo, waiting[p] = todo[:len(todo)-1], false
		for _, q := range users[p] {
			if merge(g.programRow(q), g.programRow(p)) && !waiting[q] {
				todo, waiting[q] = append(todo, q), true
			}
		}
	}
	for i, r := range g.rewrites {
		row := g.rewriteRow(int32(i))
		g.reachHere(row, r)
		g.eachTarget(r, func(q int32) { merge(row, g.programRow(q)) })
		switch r.op {
		case opUnion, opIntersection:
			for _, k := range g.kids[r.from:r.to] {
				merge(row, g.rewriteRow(k))
			}
		case opExclusion:
			merge(row, g.rewriteRow(r.from))
		}
	}
}

// reachHere adds the kinds that a rewrite grants without another program.
func (g *Graph) reachHere(row []uint64, r rewrite) {
	switch r.op {
	case opSelf:
		setBit(row, g.plainKind(r.from))
	case opMember:
		setBit(row, g.usersetKind(r.from))
	case opProbe:
		for i := r.from; i < r.to; i++ {
			setBit(row, g.plainKind(g.shapes[i].typ))
		}
	}
}

func setBit(row []uint64, i int32) { row[i>>6] |= 1 << (uint(i) & 63) }

func merge(row, from []uint64) bool {
	changed := false
	for i, w := range from {
		if w&^row[i] != 0 {
			row[i] |= w
			changed = true
		}
	}
	return changed
}
