package graph

import (
	"slices"

	"github.com/pemba-authz/pemba/store"
)

type rowKey struct {
	node  store.Node
	shape int32 // index of graph.shapes
}

// found is a tuple that an explanation has come upon.
type found struct {
	sight *sight
	shape int32 // index of graph.shapes
	to    atom  // what is behind it; program -1 = nothing
	depth int   // of what is behind it
	isHop bool  // an arrow goes over it
	worth bounds
}

// eachDirect yields the tuples of a that could grant a subject: those that
// name one of them, also if they do not count, and those that name usersets.
func (x *explainer) eachDirect(a atom, depth int, yield func(f found)) {
	w := x.w
	shapes := w.g.programs[a.program].shapes
	for i := shapes.from; i < shapes.to && x.mayGoOn(); i++ {
		sh := &w.g.shapes[i]
		if sh.form != userset {
			x.eachNamed(a, i, yield)
			continue
		}
		if !w.leads(sh.program) {
			continue
		}
		row := x.row(a.node, i)
		for j := range row {
			yield(x.follow(&row[j], i, sh.program, x.deeper(sh.program, depth)))
		}
	}
}

// eachNamed yields the tuples of one shape of a that name a subject or, if the
// shape is of wildcards, all of its type.
func (x *explainer) eachNamed(a atom, shape int32, yield func(f found)) {
	sh := &x.w.g.shapes[shape]
	asked := map[store.Node]bool{}
	for i := range x.w.subjects {
		s := &x.w.subjects[i]
		node := s.Node
		if sh.form == wildcard {
			node = s.everyone
		}
		if s.Type != sh.typ || s.Program >= 0 || asked[node] {
			continue
		}
		asked[node] = true
		if f, ok := x.w.sightOf(a.node, sh, node); ok {
			yield(found{sight: &f, shape: shape, to: atom{program: -1}, worth: exactly(f.value)})
		}
	}
}

// eachArrow yields the tuples that an arrow of a goes over. Of .all() every
// tuple counts, of other arrows those that can lead to a subject.
func (x *explainer) eachArrow(a atom, e *Arrow, depth int, yield func(f found)) {
	for _, h := range x.w.g.hopsOf(a.program, e) {
		leads := h.target >= 0 && x.w.leads(h.target)
		if !leads && !e.All || !x.mayGoOn() {
			continue
		}
		row := x.row(a.node, h.shape)
		for i := range row {
			if row[i].isVisible() || !e.All {
				f := x.follow(&row[i], h.shape, h.target, depth+1)
				f.isHop = true
				yield(f)
			}
		}
	}
}

// row returns the tuples of one shape of an object.
func (x *explainer) row(n store.Node, shape int32) []sight {
	key := rowKey{n, shape}
	if row, known := x.rows[key]; known {
		return row
	}
	var row []sight
	for s := range x.w.sights(n, &x.w.g.shapes[shape]) {
		row = append(row, s)
	}
	x.mayGoOn()
	x.rows[key] = row
	return row
}

// follow decides what a tuple is worth together with what is behind it.
func (x *explainer) follow(s *sight, shape, program int32, depth int) found {
	f := x.behind(s, shape, program, depth)
	switch {
	case s.value.level == denied:
	case program < 0:
		f.worth = exactly(value{level: denied})
	default:
		f.worth = f.worth.and(x.decide(f.to, depth))
	}
	return f
}

// deeper returns the depth of a userset. Groups that are found from the
// subject's end do not count towards the limit.
func (x *explainer) deeper(program int32, depth int) int {
	if _, ok := x.w.groupsOf(program); ok {
		return depth
	}
	return depth + 1
}

// mostShown is how many tuples of a row are shown.
const mostShown = 20

// top are the tuples of a part that matter most: those that decide, or nearly
// do. Of the others it only counts the outcomes.
type top struct {
	found []found
	note  string // which tuples there are none of
	rest  string // what is said of those that are left out, "" = none are
}

func (x *explainer) top(a atom, e Expr, depth int) *top {
	if t, known := x.tops[part{a, e}]; known {
		return t
	}
	t := &top{}
	arrow, isArrow := e.(*Arrow)
	c := chooser{x: x, least: isArrow && arrow.All}
	if isArrow {
		if x.eachArrow(a, arrow, depth, c.add); c.n == 0 {
			t.note = "there is no tuple of " + x.w.object(a.node).String() + "#" + arrow.Tupleset
		}
	} else {
		x.eachDirect(a, depth, c.add)
		t.note = x.absent(a, &c)
	}
	t.found, t.rest = c.choose()
	if !x.mayGoOn() {
		t.rest = noteSpent
	}
	x.tops[part{a, e}] = t
	return t
}

// chooser goes through the tuples of a part once and keeps few of them.
type chooser struct {
	x      *explainer
	least  bool // the least value decides, not the greatest
	n      int
	best   [aborted + 1][]found // by the level of their values, up to mostShown each
	counts [OutcomeAllowed + 1]int
	shapes []int32      // of the tuples
	named  []store.Node // by plain tuples
}

func (c *chooser) add(f found) {
	c.n++
	if l := f.worth.high.level; len(c.best[l]) < mostShown {
		c.best[l] = append(c.best[l], f)
	}
	c.counts[c.x.outcome(f.worth)]++
	if n := len(c.shapes); n == 0 || c.shapes[n-1] != f.shape {
		c.shapes = append(c.shapes, f.shape)
	}
	if c.x.w.g.shapes[f.shape].form == plain {
		c.named = append(c.named, f.sight.subject)
	}
}

// choose returns the tuples to show, and what is to be said of the others.
func (c *chooser) choose() (shown []found, rest string) {
	order := c.best[:]
	if !c.least {
		slices.Reverse(order)
	}
	for _, fs := range order {
		shown = append(shown, fs[:min(len(fs), mostShown-len(shown))]...)
	}
	if len(shown) == c.n {
		return shown, ""
	}
	for _, f := range shown {
		c.counts[c.x.outcome(f.worth)]--
	}
	return shown, restOf(c.counts[:])
}
