package graph

import (
	"slices"
	"unsafe"

	"github.com/pemba-authz/pemba/internal/prefetch"
	"github.com/pemba-authz/pemba/store"
)

// search is what a program comes down to that is a union wherever it leads: who
// is named by a tuple of the object, alone or with a group, or by one of any
// object that arrows lead to. Such a question is a search for one of a few nodes,
// the subject and its groups, in the rows of a few objects: nearest first, each
// of them looked at once, with one step through its rows for all relations
// together. The walk would give the same answers.
//
// Where several programs lead from an object to another, one search stands for
// all of them there.
type search struct {
	programs []int32 // of one type: those that they refer to are among them
	roles    roles
	reach    []uint64

	families []int32 // programs behind the shapes of groups
	beyond   []int32 // and those of all searches that this one leads to

	few *store.Few // of the shapes that matter, if they are

	// Which shapes matter: if they occur with a subject, with a group, in any case.
	names, groups, ways store.ShapeMask
}

// visit is a search to be made on an object.
type visit struct {
	search int32
	node   store.Node
	depth  int32
}

// visits are those of one search, in the order of their depths, each only once.
type visits struct {
	list  []visit
	slots []slot // of the list, from fewVisits on; see memo
	stamp uint32
}

// fewVisits is how many are looked through.
const fewVisits = 16

func (q *visits) reset() {
	const most = 1 << 16
	if len(q.slots) > most {
		*q = visits{}
	}
	q.list = q.list[:0]
}

func (q *visits) add(v visit) {
	if len(q.list) < fewVisits {
		for i := range q.list {
			if o := &q.list[i]; o.node == v.node && o.search == v.search {
				return
			}
		}
	} else if !q.index(v) {
		return
	}
	q.list = append(q.list, v)
}

// index files v, which comes next, and reports whether it is new.
func (q *visits) index(v visit) bool {
	if len(q.list) == fewVisits || 2*len(q.list) >= len(q.slots) {
		if q.stamp++; q.stamp == 0 || 2*len(q.list) >= len(q.slots) {
			q.slots, q.stamp = make([]slot, max(4*fewVisits, 2*len(q.slots))), 1
		}
		for i := range q.list {
			*q.find(q.list[i]) = slot{q.stamp, int32(i)}
		}
	}
	s := q.find(v)
	if s.stamp == q.stamp {
		return false
	}
	*s = slot{q.stamp, int32(len(q.list))}
	return true
}

// find returns v's slot, or the empty one where it belongs.
func (q *visits) find(v visit) *slot {
	mask := uint64(len(q.slots) - 1)
	for i := hashEntry(v.search, v.node) & mask; ; i = (i + 1) & mask {
		s := &q.slots[i]
		if s.stamp != q.stamp {
			return s
		}
		if o := &q.list[s.entry]; o.node == v.node && o.search == v.search {
			return s
		}
	}
}

// touchProgram begins to read what a question about a program looks at first. In a
// schema of thousands of programs that is in no cache.
func (g *Graph) touchProgram(p int32) {
	prefetch.Line(unsafe.Pointer(&g.programs[p].search))
	prefetch.Line(unsafe.Pointer(&g.programRow(p)[0]))
}

// touchSearch begins to read a program's search. It waits for what touchProgram has
// begun to read.
func (g *Graph) touchSearch(p int32) {
	if s := g.programs[p].search; s >= 0 {
		prefetch.Lines(unsafe.Pointer(&g.searches[s]), int(unsafe.Sizeof(search{})))
	}
}

// maySearch reports whether the question is one that searches answer: about
// subjects that are no usersets, by stored tuples alone. A walk that serves many
// decisions remembers what is on their way, which a search does not.
func (w *walk) maySearch() bool {
	return w.given == nil && !w.usersets && !w.remembers && !w.mustWalk
}

// hunt is how far the search that is under way has come. It is made in steps, each of
// which begins to read what the next one looks at: of several questions, others take
// theirs meanwhile.
type hunt struct {
	search   int32
	next     int  // of the visits
	entered  bool // it waits for groups
	depth    int  // where it begins
	out      value
	families []int32 // whose groups are to be found before it goes on
	named    bool    // of the first of them, those that name a subject are known
}

// search decides a program that has a search. It gives up, with ok = false, where
// a subject is in too many groups.
func (w *walk) search(s int32, n store.Node) (v value, ok bool) {
	w.beginSearch(s, n)
	for w.searchOn() {
	}
	return w.endSearch()
}

func (w *walk) beginSearch(s int32, n store.Node) {
	w.hunt = hunt{search: s, depth: w.depth, out: value{level: denied}}
	w.visits.reset()
	w.visits.add(visit{s, n, int32(w.depth)})
}

// searchOn takes the next step of a search and reports whether there are more.
func (w *walk) searchOn() (more bool) {
	h, q := &w.hunt, &w.visits
	if len(h.families) > 0 {
		return w.gatherOn() && (len(h.families) > 0 || h.next < len(q.list))
	}
	at := q.list[h.next]
	if w.depth = int(at.depth); w.depth > w.limits.Depth {
		h.out = or(h.out, w.tooDeep())
		return false // all others are as deep
	}
	if !h.entered {
		h.entered = true
		w.steps++
	}
	v, waits := w.look(at)
	if waits {
		return true
	}
	h.entered = false
	if h.out = or(h.out, v); h.out.isSettled() {
		return false
	}
	if h.next++; h.next == 1 && len(q.list) > 1 {
		// Each of these waits for memory; what the next waits for comes meanwhile.
		w.view.TouchRows(q.list[1].node)
		h.families = w.g.searches[h.search].beyond
	}
	return h.next < len(q.list)
}

// endSearch returns what a search has come to, ok = false if it has given up.
func (w *walk) endSearch() (v value, ok bool) {
	w.depth = w.hunt.depth
	return w.hunt.out, !w.mustWalk
}

// look looks for the subjects in the tuples of an object, and notes where they lead.
// It waits if it needs groups that are to be found first: then it has done nothing.
func (w *walk) look(at visit) (out value, waits bool) {
	s, out := &w.g.searches[at.search], value{level: denied}
	if isLocal(at.node) {
		return out, false
	}
	rows := &w.rows
	rows.Open(&w.view, at.node)
	seek := (s.names | s.groups) & rows.Mask()
	if seek != 0 {
		w.seekSubjects()
	}
	if seek&s.groups != 0 && !w.hasGathered(s.families) {
		w.hunt.families = s.families
		return out, true
	}
	for rows.Next(s.few, &w.sought, seek, s.ways) {
		r := s.roles.of(rows.Shape())
		if r.id == 0 {
			continue // it only shares its bit with one that has a role
		}
		sh := &w.g.shapes[r.shape]
		if found, plain := rows.Hit(); found != 0 && r.names {
			if out = or(out, w.found(at.node, sh, found, plain)); out.isSettled() {
				break
			}
		}
		if r.way >= 0 && w.anyKind(w.g.searches[r.way].reach) && !w.lead(rows, sh, visit{r.way, 0, at.depth + 1}) {
			return value{level: aborted}, false
		}
	}
	if !w.spendMore(rows.Looked()) {
		return value{level: aborted}, false
	}
	return out, false
}

// hasGathered reports whether the groups of all families that matter are sought.
func (w *walk) hasGathered(families []int32) bool {
	for _, p := range families {
		if c := w.closureOf(p); (c == nil || !c.sought) && w.leads(p) {
			return false
		}
	}
	return true
}

// gatherOn takes the next step of finding the groups of the families that the search
// asks for, which are then sought. It reports whether the search may go on.
func (w *walk) gatherOn() bool {
	h := &w.hunt
	p := h.families[0]
	c := w.closureOf(p)
	switch {
	case c == nil && !w.leads(p):
		h.families = h.families[1:]
		return true
	case c == nil:
		c = w.newClosure(p)
		if c.usable = w.findNamed(c.from, p); c.usable && w.touchAbove(c.from, p) {
			h.named = true
			return true
		}
		c.to = len(w.groups)
	case h.named:
		h.named = false
		c.usable = w.findAbove(c.from, p)
		c.to = len(w.groups)
	}
	if !c.usable {
		w.mustWalk = true
		return false
	}
	if !c.sought {
		c.sought = true
		for _, m := range w.groups[c.from:c.to] {
			if kind := w.g.programs[m.program].kind; kind >= 0 {
				w.sought.Add(kind, m.node, every)
			}
		}
	}
	h.families = h.families[1:]
	return true
}

// found returns what it is worth that a tuple of object n and shape sh, plain
// or not, names one of the nodes that are sought. They are sought in tuples of all
// shapes, and what a tuple has is not always visible: then all those are looked for
// that would count.
func (w *walk) found(n store.Node, sh *shape, found store.Node, plain bool) value {
	if plain && sh.bare && w.counts(sh, found) {
		return value{level: allowed}
	}
	if sh.form != userset {
		return w.probeShape(n, sh)
	}
	out := value{level: denied}
	c, _ := w.groupsOf(sh.program)
	for _, m := range w.groups[c.from:c.to] {
		if m.program != sh.program {
			continue
		}
		if out = or(out, w.find(n, sh, m.node)); out.isSettled() {
			break
		}
	}
	return out
}

// counts reports whether m, named by a tuple of shape sh, is a subject or a group of one.
func (w *walk) counts(sh *shape, m store.Node) bool {
	if sh.form == userset {
		c, _ := w.groupsOf(sh.program)
		return w.isIn(c.from, sh.program, m)
	}
	return slices.ContainsFunc(w.subjects, func(s ResolvedSubject) bool {
		return s.Type == sh.typ && m == s.named(sh)
	})
}

// lead notes a visit of each object that a row leads to. It reports whether the
// walk may go on.
func (w *walk) lead(rows *store.Rows, sh *shape, to visit) bool {
	if !w.spend() {
		return false
	}
	if to.node = rows.Only(); to.node != 0 {
		w.view.Touch(to.node)
		w.reads++
		if sh.bare {
			w.visits.add(to)
		}
		return true
	}
	for it := rows.Iter(); w.step(&it); {
		f := it.Fact()
		if !w.spend() {
			return false
		}
		if v, visible := w.weigh(sh, &f); visible && v.level == allowed {
			to.node = f.Subject
			w.visits.add(to)
		}
	}
	return w.err == nil
}
