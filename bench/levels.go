package bench

// levels are groups in groups: one outermost group, each of a level in exactly
// one of the level above. Groups are numbered through, the outermost is 0.
type levels struct {
	sizes  []int // groups of each level
	starts []int // the number of each level's first group
	groups int
}

// newLevels has depth levels, each width times as large as the one above as long
// as it has no more than most groups.
func newLevels(depth, width, most int) levels {
	l := levels{}
	for size := 1; len(l.sizes) < depth; size = max(size, min(size*width, most)) {
		l.starts = append(l.starts, l.groups)
		l.sizes = append(l.sizes, size)
		l.groups += size
	}
	return l
}

// widen gives the last level at least so many groups.
func (l *levels) widen(least int) {
	more := max(0, least-l.sizes[l.last()])
	l.sizes[l.last()] += more
	l.groups += more
}

// last is the level whose groups hold users.
func (l *levels) last() int { return len(l.sizes) - 1 }

// leaves is the number of groups on the last level.
func (l *levels) leaves() int { return l.sizes[l.last()] }

// place says on which level group g is, and which one it is there.
func (l *levels) place(g int) (level, n int) {
	for level = l.last(); l.starts[level] > g; level-- {
	}
	return level, g - l.starts[level]
}

// inner is the range of groups of the next level that the n-th of level holds.
func (l *levels) inner(level, n int) (from, to int) {
	above, below := l.sizes[level], l.sizes[level+1]
	return (n*below + above - 1) / above, ((n+1)*below + above - 1) / above
}

// leavesBelow is the range of groups of the last level that the n-th of level holds.
func (l *levels) leavesBelow(level, n int) (from, to int) {
	from, to = n, n+1
	for ; level < l.last(); level++ {
		from, _ = l.inner(level, from)
		_, to = l.inner(level, to-1)
	}
	return from, to
}

// leafBelow draws one of the groups of the last level that group g holds.
func (l *levels) leafBelow(g int, d *draws) int {
	from, to := l.leavesBelow(l.place(g))
	return from + d.intN(to-from)
}

// below yields the groups that group g itself holds.
func (l *levels) below(g int, yield func(g int)) {
	level, n := l.place(g)
	if level == l.last() {
		return
	}
	from, to := l.inner(level, n)
	for i := from; i < to; i++ {
		yield(l.starts[level+1] + i)
	}
}
