package graph

import (
	"slices"

	"github.com/pemba-authz/pemba/store"
)

// Membership in nested groups is answered from the subject's end where that is
// exact: the groups that contain a subject are few and found once for a
// question, while the groups that an object names are many and would be
// entered one by one. It is exact for group relations: stored relations whose
// tuples have neither caveat nor expiry, and whose usersets are of group
// relations again. The relations that a group relation takes members from,
// directly or not, are its family.

// mostGroups bounds a closure. Subjects in more groups are walked forward.
const mostGroups = 64

// group is an object with a relation.
type group struct {
	program int32
	node    store.Node
}

// closure is what a question has found out about one family.
type closure struct {
	program  int32 // whose family
	from, to int   // of walk.groups
	usable   bool
	sought   bool // walk.sought has them

	// Of the tuples that name the groups, and one of them; only a walk looks at these.
	masks []store.ShapeMask
	mask  store.ShapeMask
}

// findFamilies marks the group relations. It begins with all that could be
// one, and drops those that take members from others, until nothing changes.
func (g *Graph) findFamilies() {
	isGroup := make([]bool, len(g.programs))
	for p := range g.programs {
		isGroup[p] = g.programs[p].source.Rewrite == nil && !slices.ContainsFunc(g.shapesOf(int32(p)), func(s shape) bool {
			return !s.bare || s.lasting || len(s.caveats) > 0
		})
	}
	for changed := true; changed; {
		changed = false
		for p := range g.programs {
			if isGroup[p] && slices.ContainsFunc(g.shapesOf(int32(p)), func(s shape) bool {
				return s.form == userset && !isGroup[s.program]
			}) {
				isGroup[p], changed = false, true
			}
		}
	}
	for p := range g.programs {
		if isGroup[p] {
			for i := g.programs[p].shapes.from; i < g.programs[p].shapes.to; i++ {
				if g.shapes[i].form == userset {
					g.programs[p].nesting = append(g.programs[p].nesting, i)
				}
			}
		}
	}
	for p := range g.programs {
		if isGroup[p] {
			family := g.familyOf(int32(p))
			g.programs[p].family = family
			g.programs[p].nests = slices.ContainsFunc(family, func(q int32) bool { return len(g.programs[q].nesting) > 0 })
		}
	}
}

// mostFamily bounds a family; relations with a larger one are walked forward.
const mostFamily = 16

func (g *Graph) familyOf(p int32) []int32 {
	family := []int32{p}
	for i := 0; i < len(family); i++ {
		for _, s := range g.shapesOf(family[i]) {
			if s.form == userset && !slices.Contains(family, s.program) {
				if len(family) == mostFamily {
					return nil
				}
				family = append(family, s.program)
			}
		}
	}
	return family
}

func (g *Graph) shapesOf(p int32) []shape {
	all := g.programs[p].shapes
	return g.shapes[all.from:all.to]
}

// groupsOf returns the groups of the family of p that contain a subject, and
// whether they are all of them. Contextual tuples could add to them, so with
// any the walk goes forward.
func (w *walk) groupsOf(p int32) (*closure, bool) {
	if c := w.closureOf(p); c != nil {
		return c, c.usable
	}
	return w.collect(p)
}

// closureOf returns what the question has found out about the family of p, nil if
// it has not asked.
func (w *walk) closureOf(p int32) *closure {
	for i := range w.closures {
		if c := &w.closures[i]; c.program == p {
			return c
		}
	}
	return nil
}

// collect is groupsOf for a family that the question has not asked for.
func (w *walk) collect(p int32) (*closure, bool) {
	if w.given != nil || w.g.programs[p].family == nil {
		return nil, false
	}
	c := w.newClosure(p)
	c.usable = w.findGroups(c.from, p)
	c.to = len(w.groups)
	return c, c.usable
}

// newClosure returns an empty closure with the memory of an earlier one.
func (w *walk) newClosure(p int32) *closure {
	n := len(w.closures)
	if n == cap(w.closures) {
		w.closures = append(w.closures, closure{})
	}
	w.closures = w.closures[:n+1]
	c := &w.closures[n]
	*c = closure{program: p, from: len(w.groups), masks: c.masks[:0]}
	return c
}

// groupMasks returns the masks of c's groups.
func (w *walk) groupMasks(c *closure) []store.ShapeMask {
	for _, m := range w.groups[c.from+len(c.masks) : c.to] {
		mask := w.view.SubjectMask(m.node)
		c.masks, c.mask = append(c.masks, mask), c.mask|mask
	}
	return c.masks
}

// anyGroup grants if a tuple of n names one of the groups. A read that is too
// much aborts here as anywhere.
func (w *walk) anyGroup(c *closure, n store.Node, sh *shape) value {
	out, masks := value{level: denied}, w.groupMasks(c)
	if !c.mask.Has(sh.id) {
		return out
	}
	for i, m := range w.groups[c.from:c.to] {
		if m.program != sh.program || !masks[i].Has(sh.id) {
			continue
		}
		if out = or(out, w.find(n, sh, m.node)); out.isSettled() {
			return out
		}
	}
	return out
}

// findGroups appends the groups of p's family that contain a subject to
// w.groups[from:], and reports whether that are all of them.
func (w *walk) findGroups(from int, p int32) bool {
	return w.findNamed(from, p) && (!w.touchAbove(from, p) || w.findAbove(from, p))
}

// findNamed is findGroups for those groups that name a subject themselves.
func (w *walk) findNamed(from int, p int32) bool {
	for i := range w.subjects {
		s := &w.subjects[i]
		if s.Program < 0 && !hasBit(w.g.programRow(p), w.g.plainKind(s.Type)) {
			continue
		}
		for _, q := range w.g.programs[p].family {
			if !w.joinSubject(from, q, s) {
				return false
			}
		}
	}
	return true
}

// touchAbove begins to read what is above the groups of w.groups[from:], and reports
// whether anything may be.
func (w *walk) touchAbove(from int, p int32) bool {
	if from == len(w.groups) || !w.g.programs[p].nests {
		return false
	}
	if known := w.g.above.Load(); known != nil {
		for _, m := range w.groups[from:] {
			known.touch(p, m)
		}
	}
	return true
}

// findAbove is findGroups for those groups that contain those of w.groups[from:].
func (w *walk) findAbove(from int, p int32) bool {
	named := len(w.groups)
	known, change := w.knownAbove(p)
	for i := from; i < named; i++ {
		if !w.joinAbove(from, p, w.groups[i], known, change) {
			return false
		}
	}
	return true
}

// climb appends the groups that contain those of w.groups[from:], and reports
// whether that are all of them.
func (w *walk) climb(from int, family []int32) bool {
	for i := from; i < len(w.groups); i++ {
		m := w.groups[i]
		for _, p := range family {
			all := w.g.programs[p].shapes
			for sh := all.from; sh < all.to; sh++ {
				if w.g.shapes[sh].program == m.program && !w.join(from, p, &w.g.shapes[sh], m.node) {
					return false
				}
			}
		}
	}
	return true
}

// joinSubject adds the groups of relation p that name the subject itself.
func (w *walk) joinSubject(from int, p int32, s *ResolvedSubject) bool {
	all := w.g.programs[p].shapes
	for i := all.from; i < all.to; i++ {
		sh, named := &w.g.shapes[i], s.Node
		switch {
		case sh.form == userset && (s.Program < 0 || s.Program != sh.program),
			sh.form != userset && (s.Program >= 0 || s.Type != sh.typ):
			continue
		case sh.form == wildcard:
			named = s.everyone
		}
		if !w.join(from, p, sh, named) {
			return false
		}
	}
	return true
}

// join adds the groups of relation p that have a tuple of shape sh about subject.
func (w *walk) join(from int, p int32, sh *shape, subject store.Node) bool {
	if subject == 0 || isLocal(subject) {
		return true
	}
	if !w.spend() {
		return false
	}
	plain, ok := w.view.PlainObjects(subject, sh.id, mostGroups+1, w.plain[:0])
	if w.plain = plain; !ok {
		return w.joinAll(from, p, sh, subject)
	}
	if !w.spendMore(len(plain)) {
		return false
	}
	for _, object := range plain {
		if !w.isIn(from, p, object) && !w.addGroup(from, group{p, object}) {
			return false
		}
	}
	return true
}

// joinAll is join where not all tuples are visible and plain, or many.
func (w *walk) joinAll(from int, p int32, sh *shape, subject store.Node) bool {
	it := w.view.Reverse(subject, sh.id)
	for w.step(&it) {
		f := it.Fact()
		if !w.spend() {
			return false
		}
		if f.Caveat != 0 || f.Expires != 0 || w.isIn(from, p, f.Object) {
			continue // a tuple with traits that the schema does not allow is invisible
		}
		if !w.addGroup(from, group{p, f.Object}) {
			return false
		}
	}
	return w.err == nil
}

// addGroup adds a group to the closure that begins at from, and reports whether
// there was room.
func (w *walk) addGroup(from int, m group) bool {
	if len(w.groups)-from == mostGroups {
		return false
	}
	w.groups = append(w.groups, m)
	return true
}

// isIn reports whether the closure that begins at from has a group already.
func (w *walk) isIn(from int, program int32, n store.Node) bool {
	return slices.Contains(w.groups[from:], group{program, n})
}
