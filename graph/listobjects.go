package graph

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/pemba-authz/pemba/store"
)

// ListObjects calls yield for each object of q's type on which Check would not
// answer "denied", each id once, until yield returns false. The order is the
// same at the same view and time, whatever has become of the store since. What
// has been yielded before an error is right; errors are those of Check and a
// *LimitError for the reads of the whole list. What one object ends in is told
// with it. An object that nothing leads to is not listed, also where Check
// would give up at the depth limit.
func (g *Graph) ListObjects(ctx context.Context, v store.View, q *ObjectsQuestion, yield func(Listed) bool) (ListCost, error) {
	r, err := g.resolveObjects(v, q)
	if err != nil {
		return ListCost{}, err
	}
	l := objectLists.Get().(*objectList)
	l.r = r
	l.begin(ctx, g, v, yield, selection{q.Prefix, q.Skip, q.NoIDs})
	l.ways = g.waysTo(r.Program)
	l.half = min(r.limits.Depth/2, mostNested/2)
	l.runObjects()
	cost, err := l.end(&l.inner, &l.target)
	l.ways, l.given = nil, nil
	l.certain.reset()
	l.open.reset()
	l.undecided.reset()
	objectLists.Put(l)
	if err != nil {
		return cost, fmt.Errorf("list objects: %w", err)
	}
	return cost, nil
}

func (g *Graph) resolveObjects(v store.View, q *ObjectsQuestion) (Resolved, error) {
	r := Resolved{Context: q.Context, Now: q.Now, limits: q.Limits.withDefaults()}
	typ, ok := g.typeIndex[q.Type]
	if !ok {
		return r, &UnknownError{"object.type", q.Type, g.typeHint(q.Type)}
	}
	if r.Program, ok = g.types[typ].relations[q.Permission]; !ok {
		return r, &UnknownError{"permission", q.Permission, g.relationHint(typ, q.Permission)}
	}
	if len(q.Contextual) > 0 {
		if err := g.give(v, &Question{Contextual: q.Contextual}, &r); err != nil {
			return r, err
		}
	}
	return r, g.resolveSubjects(v, q.Subjects, &r)
}

var objectLists = sync.Pool{New: func() any { return new(objectList) }}

// objectList goes backwards from the subjects, over tuples by their subject, to
// the objects of the asked program. What it comes to over unions and tuples
// that hold is certain: the subjects are allowed there. Below an intersection,
// an exclusion or an .all() the program is decided before anything else is made
// of it. What rests on open or failed values, or lies too deep, stays open, and
// an open object is decided when it is listed. Certain ways come first.
type objectList struct {
	list
	ways      *backward
	given     map[givenRow][]*givenFact // contextual tuples by subject and shape
	certain   queue[int32]              // states to go on from
	open      queue[int32]
	undecided queue[store.Node] // objects that are only listed, on an open way
	inner     decider           // of programs on the way
	target    decider           // of the objects listed
	half      int               // depth that inner decisions may use
}

// Marks of states.
const (
	isNew     uint8 = iota
	isOpen          // waits to be decided or passed
	isCertain       // the subjects are allowed there
	isClosed        // nothing more to do
)

// arrival is how a list has come to a state.
type arrival struct {
	certain bool
	steps
}

func (l *objectList) runObjects() {
	l.giveBackwards()
	subjects := slices.SortedFunc(slices.Values(l.r.Subjects()), func(a, b ResolvedSubject) int { // by id, since nodes may differ elsewhere
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Program, b.Program),
			cmp.Compare(l.rows.object(a.Node).ID, l.rows.object(b.Node).ID))
	})
	for i := range subjects {
		isFirst := i == 0 || subjects[i-1].Type != subjects[i].Type
		l.fromSubject(&subjects[i], isFirst)
	}
	l.goOn()
	l.fromCircles()
	l.goOn()
}

// goOn goes on from where the list has come to, as far as it gets.
func (l *objectList) goOn() {
	for l.mayGoOn() {
		if at, ok := l.certain.pop(); ok {
			s := l.states.all[at]
			l.follow(l.ways.onward[s.program], s.node, arrival{true, s.steps})
		} else if n, ok := l.undecided.pop(); ok {
			if l.listed.add(n) {
				l.decideObject(n)
			}
		} else if at, ok := l.open.pop(); ok {
			l.passOpen(at)
		} else {
			return
		}
	}
}

// giveBackwards files the contextual tuples by their subject.
func (l *objectList) giveBackwards() {
	if l.rows.given == nil {
		return
	}
	l.given = map[givenRow][]*givenFact{}
	for _, k := range l.rows.given.order {
		row := givenRow{k.subject, k.shape}
		l.given[row] = append(l.given[row], l.rows.given.facts[k])
	}
}

// fromSubject takes the first steps. Wildcards count once for a type.
func (l *objectList) fromSubject(s *ResolvedSubject, wildcards bool) {
	from := arrival{certain: true}
	if s.Program >= 0 {
		if n, ok := l.ways.numbers[s.Program]; ok {
			l.arrive(&way{to: n}, s.Node, from)
		}
		l.follow(l.ways.usersets[s.Program], s.Node, from)
		return
	}
	all := l.ways.subjects[s.Type]
	for i := range all {
		w := &all[i]
		switch {
		case w.shape < 0 || l.g.shapes[w.shape].form == plain:
			l.step(w, s.Node, from)
		case wildcards && s.everyone != 0:
			l.step(w, s.everyone, from)
		}
	}
}

// follow follows ways from node n.
func (l *objectList) follow(ways []way, n store.Node, from arrival) {
	for i := range ways {
		if !l.mayGoOn() {
			return
		}
		l.step(&ways[i], n, from)
	}
}

// step follows one way from node n.
func (l *objectList) step(w *way, n store.Node, from arrival) {
	from.steps = from.deeper(0, 1)
	if w.hop {
		from.steps = from.deeper(1, 0)
	}
	if w.shape < 0 {
		if l.mayGoOn() {
			l.arrive(w, n, from)
		}
		return
	}
	sh, rows := &l.g.shapes[w.shape], l.rows
	if !l.mayGoOn() || !rows.spend() {
		return
	}
	if l.given != nil && !l.stepGiven(w, sh, n, from) || isLocal(n) {
		return
	}
	it := l.view.Reverse(n, sh.id)
	for rows.step(&it) {
		if !rows.spend() {
			return
		}
		f := it.Fact()
		if rows.given != nil && rows.given.find(f.Object, sh.id, n) != nil {
			continue
		}
		v, _ := rows.weigh(sh, &f)
		if !l.over(w, f.Object, v, from) {
			return
		}
	}
}

func (l *objectList) stepGiven(w *way, sh *shape, n store.Node, from arrival) bool {
	for _, f := range l.given[givenRow{n, sh.id}] {
		if !l.rows.spend() {
			return false
		}
		v, _ := l.rows.weighGiven(sh, f)
		if !l.over(w, f.object, v, from) {
			return false
		}
	}
	return true
}

// over steps over a tuple of that value to its object. It reports whether the
// list goes on.
func (l *objectList) over(w *way, n store.Node, v value, from arrival) bool {
	switch v.level {
	case denied:
		return true
	case aborted:
		return false
	}
	from.certain = from.certain && v.level == allowed
	l.arrive(w, n, from)
	return l.mayGoOn()
}

// arrive notes that a way leads to its program on object n.
func (l *objectList) arrive(w *way, n store.Node, from arrival) {
	from.certain = from.certain && from.within(&l.r.limits)
	if w.to == 0 && !l.ways.leadsOn(0) {
		l.arriveLast(n, w.guarded, from.certain)
		return
	}
	at := l.states.at(w.to, n)
	s := &l.states.all[at]
	switch {
	case s.mark == isNew && w.guarded:
		l.steps++
		l.enter(at)
		return
	case s.mark == isNew:
		l.steps++
	case s.mark != isOpen || !from.certain || w.guarded:
		return
	}
	s.steps = from.steps
	if from.certain {
		l.allow(at)
		return
	}
	s.mark = isOpen
	l.open.push(at)
}

// arriveLast notes that a way leads to an object that is only listed.
func (l *objectList) arriveLast(n store.Node, isGuarded, isCertain bool) {
	switch {
	case !isGuarded && !isCertain:
		if !l.listed.has(n) {
			l.undecided.push(n)
		}
	case !l.listed.add(n):
	case isGuarded:
		l.decideObject(n)
	default:
		l.grant(n)
	}
}

// allow lists a state where the subjects are allowed, if it is of the asked
// program, and goes on from it: at once on the same object, so that the first
// results come early, and level by level over tuples, so that each object is
// come to by the fewest.
func (l *objectList) allow(at int32) {
	s := &l.states.all[at]
	s.mark = isCertain
	program, n, from := s.program, s.node, arrival{true, s.steps}
	if program == 0 {
		l.grant(n)
	}
	l.follow(l.ways.here[program], n, from)
	if len(l.ways.onward[program]) > 0 {
		l.certain.push(at)
	}
}

// enter decides a state that a guarded way has led to. Where it is allowed
// within half of the depth limit, there is the other half to go on with.
func (l *objectList) enter(at int32) {
	s := &l.states.all[at]
	a, err := l.decide(&l.inner, l.ways.programs[s.program], s.node, l.r.limits.Depth-l.half)
	switch {
	case err != nil || a.Decision == Conditional:
		s.mark = isOpen
		l.open.push(at)
	case a.Decision == Denied:
		s.mark = isClosed
	default:
		s.depth = uint16(l.half)
		l.allow(at)
	}
}

// passOpen lists an open state if it is of the asked program, and goes on from
// it unless a certain way has led there meanwhile.
func (l *objectList) passOpen(at int32) {
	s := &l.states.all[at]
	if s.mark != isOpen {
		return
	}
	s.mark = isClosed
	program, n, from := s.program, s.node, arrival{steps: s.steps}
	if program == 0 {
		l.decideObject(n)
	}
	l.follow(l.ways.here[program], n, from)
	l.follow(l.ways.onward[program], n, from)
}

func (l *objectList) decideObject(n store.Node) {
	id, asked := l.candidate(n)
	if !asked {
		return
	}
	a, err := l.decide(&l.target, l.r.Program, n, 0)
	if l.rows.err == nil && (err != nil || a.Decision != Denied) {
		l.give(id, a.Decision, a.Missing, err)
	}
}
