package graph

// above is what is known of one group: all groups of a family that contain it,
// over any number of steps. It holds wherever the same group-to-group tuples
// are visible as at the view from which it was read: as long as none of the
// family's shapes of usersets has changed since, or between that view and the
// question's. Who is in the groups does not matter.
type above struct {
	family int32 // the relation whose family it is
	of     group
	groups []group // without of
	reads  int     // what it cost to find them
	tooFar bool    // there are more than mostGroups; then groups means nothing
	rev    uint64  // of the view
}

// putAbove keeps a, which was read when the family last changed at change. An
// entry that the next write makes useless is not worth its memory, so one is
// made only when the same change has been met before.
func (g *Graph) putAbove(t *aboveTable, a *above, change uint64) {
	if t.change.Swap(change) != change {
		return
	}
	if t.put(a) && int(t.used.Add(1)) > len(t.slots)/2 && len(t.slots) < mostAbove {
		g.growAbove(t)
	}
}

func (g *Graph) growAbove(t *aboveTable) {
	bigger := newAboveTable(t.generation, 4*len(t.slots), len(g.programs))
	bigger.change.Store(t.change.Load())
	for i := range t.slots {
		if a, ok := t.at(i); ok && bigger.put(&a) {
			bigger.used.Add(1)
		}
	}
	g.above.CompareAndSwap(t, bigger)
}

// aboveIn returns the table of a generation, nil if there is one of a later one.
func (g *Graph) aboveIn(generation uint64) *aboveTable {
	t := g.above.Load()
	if t == nil || t.generation < generation {
		fresh := newAboveTable(generation, leastAbove, len(g.programs))
		if g.above.CompareAndSwap(t, fresh) {
			return fresh
		}
		t = g.above.Load()
	}
	if t.generation != generation {
		return nil
	}
	return t
}

// lastNesting returns the revision of the newest change to a tuple that says
// which groups of p's family contain which.
func (w *walk) lastNesting(t *aboveTable, p int32) (rev uint64) {
	if t != nil {
		if all := t.nesting[p].Load(); all != nil {
			for _, c := range *all {
				rev = max(rev, c.Last())
			}
			return rev
		}
	}
	complete := true // no shape is without tuples so far
	for _, q := range w.g.programs[p].family {
		for _, i := range w.g.programs[q].nesting {
			c, ok := w.view.ChangeOf(w.g.shapes[i].id)
			if complete = complete && ok; ok {
				rev = max(rev, c.Last())
			}
		}
	}
	if t != nil && complete {
		t.nesting[p].Store(w.nestingOf(p))
	}
	return rev
}

func (w *walk) nestingOf(p int32) *changes {
	all := new(changes)
	for _, q := range w.g.programs[p].family {
		for _, i := range w.g.programs[q].nesting {
			if c, ok := w.view.ChangeOf(w.g.shapes[i].id); ok {
				*all = append(*all, c)
			}
		}
	}
	return all
}

// knownAbove returns the table of what is known above the groups of p's family,
// nil if it says nothing of the view, and when their nesting has changed last.
func (w *walk) knownAbove(p int32) (*aboveTable, uint64) {
	t := w.g.aboveIn(w.view.Generation())
	change := w.lastNesting(t, p)
	if change > w.view.Revision() {
		return nil, change
	}
	return t, change
}

// joinAbove adds the groups of p's family that contain m, one of
// w.groups[from:], and reports whether that are all of them.
func (w *walk) joinAbove(from int, p int32, m group, known *aboveTable, change uint64) bool {
	if known != nil {
		var inline [inlineAbove]group
		if a, ok := known.find(p, m, &inline); ok && a.rev >= change && w.showsNesting(known, p, a.rev) {
			// It counts as if it had not been known.
			return w.spendMore(a.reads) && !a.tooFar && w.addGroups(from, a.groups)
		}
	}
	a := w.readAbove(p, m)
	if w.err != nil {
		return false
	}
	if known != nil {
		w.g.putAbove(known, &a, change)
	}
	return !a.tooFar && w.addGroups(from, a.groups)
}

// showsNesting reports whether the view shows the nesting of p's family as the one
// of revision rev does, which may be later: somebody may have written since the walk
// last looked for changes. They are noted before their revision can be read.
func (w *walk) showsNesting(t *aboveTable, p int32, rev uint64) bool {
	return rev <= w.view.Revision() || w.lastNesting(t, p) <= w.view.Revision()
}

// readAbove finds the groups that contain m by the tuples. They lie behind
// w.groups.
func (w *walk) readAbove(p int32, m group) above {
	end, reads := len(w.groups), w.reads
	w.groups = append(w.groups, m)
	ok := w.climb(end, w.g.programs[p].family)
	found := w.groups[end+1:]
	w.groups = w.groups[:end]
	return above{family: p, of: m, groups: found, reads: w.reads - reads, tooFar: !ok, rev: w.view.Revision()}
}

// addGroups adds those of more that are not yet in w.groups[from:], and reports
// whether there is room. More may lie behind w.groups.
func (w *walk) addGroups(from int, more []group) bool {
	if len(w.groups)-from == 1 && len(more) < mostGroups { // the one that more is above
		w.groups = append(w.groups, more...)
		return true
	}
	for _, m := range more {
		if w.isIn(from, m.program, m.node) {
			continue
		}
		if len(w.groups)-from == mostGroups {
			return false
		}
		w.groups = append(w.groups, m)
	}
	return true
}
