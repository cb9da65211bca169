package graph

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// ListSubjects calls yield for each subject of q's kind for which Check would
// not answer "denied", each id once, until yield returns false. Order and
// errors are as in ListObjects.
//
// A subject that no tuple names stands behind the id "*", if Relation is "" and
// it would not be denied; then subjects that tuples name and that are denied
// are listed as well. So every subject that is not listed has what "*" has, and
// nothing if "*" is not listed.
func (g *Graph) ListSubjects(ctx context.Context, v store.View, q *SubjectsQuestion, yield func(Listed) bool) (ListCost, error) {
	l := subjectLists.Get().(*subjectList)
	if err := l.resolve(g, v, q); err != nil {
		l.r = Resolved{}
		subjectLists.Put(l)
		return ListCost{}, err
	}
	l.begin(ctx, g, v, yield, selection{q.Prefix, q.Skip, q.NoIDs})
	l.doing, l.wildcard, l.covers = certainly, false, false
	l.runSubjects()
	cost, err := l.end(&l.fresh, &l.named)
	l.common = answered{}
	for i := range l.todo {
		l.todo[i].reset()
	}
	subjectLists.Put(l)
	if err != nil {
		return cost, fmt.Errorf("list subjects: %w", err)
	}
	return cost, nil
}

// resolve resolves q. The question's subject is a fresh one: it has a name that
// no tuple can have.
func (l *subjectList) resolve(g *Graph, v store.View, q *SubjectsQuestion) error {
	r := Resolved{Context: q.Context, Now: q.Now, limits: q.Limits.withDefaults()}
	asked := Question{Object: q.Object, Permission: q.Permission, Contextual: q.Contextual}
	if err := g.resolveObject(v, &asked, &r); err != nil {
		return err
	}
	s := ResolvedSubject{Program: -1}
	var ok bool
	if s.Type, ok = g.typeIndex[q.Type]; !ok {
		return &UnknownError{"subject.type", q.Type, g.typeHint(q.Type)}
	}
	if q.Relation != "" && q.Relation != tuple.Plain {
		if s.Program, ok = g.types[s.Type].relations[q.Relation]; !ok {
			return &UnknownError{"subject.relation", q.Relation, g.relationHint(s.Type, q.Relation)}
		}
	} else {
		s.everyone = g.everyone(v, s.Type, &r)
	}
	s.Node = r.local(tuple.Object{Type: q.Type})
	r.addSubject(s)
	l.r, l.typ, l.program = r, s.Type, s.Program
	return nil
}

var subjectLists = sync.Pool{New: func() any { return new(subjectList) }}

// subjectList goes forward from the object and collects the subjects that
// tuples name. First what is certain: over unions and tuples that hold. The
// others are decided one by one. What a fresh subject has, which no tuple
// names, is what all have by wildcards; subjects are looked for where they may
// differ from that, if need be on the contrary side of exclusions, too.
type subjectList struct {
	list
	typ, program int32 // of the subjects listed; program -1 = no usersets
	todo         [3]queue[task]
	doing        certainty
	fresh        decider // about a fresh subject
	named        decider // about one after the other
	wildcard     bool    // a tuple with a wildcard has been met
	covers       bool    // "*" stands for the subjects that are not listed
	common       answered
}

// certainty says what is known of a subject by the way that has led to it, the
// most certain first: nothing is visited again for less. A state's mark is one
// more than its certainty.
type certainty uint8

const (
	certainly  certainty = iota // it is allowed
	perhaps                     // it is named on a way that can grant
	contrarily                  // it is named where that may take away
)

// task is a part of a program on an object, or a subject, that waits.
type task struct {
	at      int32 // state; -1 = none
	rewrite int32 // -1 = a subject
	node    store.Node
	steps
}

// answered is a decision as a list tells it.
type answered struct {
	decision Decision
	missing  []string
	err      error
}

// same reports whether there is nothing to tell apart.
func (a answered) same(b answered) bool {
	return a.decision == b.decision && slices.Equal(a.missing, b.missing) && (a.err != nil) == (b.err != nil)
}

func (l *subjectList) runSubjects() {
	l.call(l.r.Program, l.r.Object, certainly, steps{})
	l.work(certainly)
	if !l.wildcard && len(l.todo[perhaps].all) == 0 {
		return // everything was certain
	}
	l.ready(&l.fresh) // before the subject of the question changes
	l.decideFresh()
	l.work(perhaps)
	l.work(contrarily)
}

// work does what waits on one level of certainty.
func (l *subjectList) work(c certainty) {
	l.doing = c
	for l.mayGoOn() {
		t, ok := l.todo[c].pop()
		if !ok {
			return
		}
		if t.at >= 0 && l.states.all[t.at].mark != uint8(c)+1 {
			continue // done with more certainty
		}
		if t.rewrite < 0 {
			l.name(t.node, c)
		} else {
			l.part(t.rewrite, t.node, c, t.steps)
		}
	}
}

// note reports whether a state was not known with as much certainty.
func (l *subjectList) note(program int32, n store.Node, c certainty) (at int32, isNews bool) {
	at = l.states.at(program, n)
	s := &l.states.all[at]
	if s.mark != 0 && s.mark <= uint8(c)+1 {
		return at, false
	}
	s.mark = uint8(c) + 1
	return at, true
}

// call goes on with a program on object n.
func (l *subjectList) call(program int32, n store.Node, c certainty, s steps) {
	if program == l.program {
		l.offer(n, c) // a userset is a member of itself
	}
	body := l.g.programs[program].body
	if !l.rows.reaches(body) {
		return
	}
	if c == certainly && !s.within(&l.r.limits) {
		c = perhaps
	}
	if at, isNews := l.note(program, n, c); isNews {
		l.steps++
		l.todo[c].push(task{at, body, n, s})
	}
}

// offer notes that subject n is named. It is listed or decided at once if its
// time has come.
func (l *subjectList) offer(n store.Node, c certainty) {
	switch {
	case !l.mayGoOn() || l.listed.has(n):
	case c != l.doing:
		l.todo[c].push(task{at: -1, rewrite: -1, node: n})
	default:
		l.name(n, c)
	}
}

// name lists or decides a subject.
func (l *subjectList) name(n store.Node, c certainty) {
	if !l.listed.add(n) {
		return
	}
	if c == certainly {
		l.grant(n)
	} else {
		l.decideNamed(n, c)
	}
}

// part goes on with rewrite i on object n.
func (l *subjectList) part(i int32, n store.Node, c certainty, s steps) {
	r := l.g.rewrites[i]
	if !l.mayGoOn() || !l.rows.reaches(i) {
		return
	}
	switch r.op {
	case opSelf:
		if l.program < 0 && r.from == l.typ {
			l.offer(n, c)
		}
	case opMember:
		if r.from == l.program {
			l.offer(n, c)
		}
	case opProbe:
		l.probe(r.span, n, c)
	case opMembers:
		for j := r.from; j < r.to; j++ {
			l.row(j, l.g.shapes[j].program, n, c, s)
		}
	case opCall:
		l.call(r.from, n, c, s.deeper(0, 1))
	case opUnion:
		for _, k := range l.g.kids[r.from:r.to] {
			l.part(k, n, c, s)
		}
	case opArrow:
		l.arrow(r.span, n, c, s)
	default:
		l.guarded(i, n, c, s)
	}
}

// guarded goes on with what is not certain by its parts. A subject differs from
// a fresh one on an intersection only if it does on each side that denies the
// fresh one, so one such side will do; on an exclusion whose base denies the
// fresh one only if it does on the base.
func (l *subjectList) guarded(i int32, n store.Node, c certainty, s steps) {
	if c == certainly {
		l.todo[perhaps].push(task{-1, i, n, s})
		return
	}
	switch r := l.g.rewrites[i]; r.op {
	case opIntersection:
		l.intersection(r.span, n, c, s, !l.g.looping[i])
	case opExclusion:
		l.part(r.from, n, c, s)
		if l.rows.reaches(r.to) && (l.g.looping[i] || l.hasFresh(r.from, n, s)) {
			l.todo[contrarily].push(task{-1, r.to, n, s})
		}
	case opAll:
		l.arrow(r.span, n, c, s)
	}
}

func (l *subjectList) intersection(kids span, n store.Node, c certainty, s steps, oneWillDo bool) {
	children := l.g.kids[kids.from:kids.to]
	for _, k := range children {
		if !l.rows.reaches(k) {
			return
		}
	}
	first := l.g.cheapest(kids)
	if oneWillDo && !l.hasFresh(first, n, s) {
		l.part(first, n, c, s)
		return
	}
	for _, k := range children {
		if oneWillDo && k != first && !l.hasFresh(k, n, s) {
			l.part(k, n, c, s)
			return
		}
	}
	for _, k := range children {
		l.part(k, n, c, s)
	}
}

// probe offers the subjects that tuples of n name one by one.
func (l *subjectList) probe(shapes span, n store.Node, c certainty) {
	for i := shapes.from; i < shapes.to; i++ {
		sh := &l.g.shapes[i]
		if sh.typ != l.typ || l.program >= 0 || l.rows.isAbsent(n, sh) {
			continue
		}
		for row := l.rows.row(n, sh); l.mayGoOn() && l.rows.next(&row); {
			switch {
			case row.value.level == denied:
			case sh.form == wildcard:
				l.wildcard = true
			case row.value.level == allowed:
				l.offer(row.subject, c)
			default:
				l.offer(row.subject, max(c, perhaps))
			}
		}
	}
}

func (l *subjectList) arrow(hops span, n store.Node, c certainty, s steps) {
	for _, h := range l.g.hops[hops.from:hops.to] {
		if h.target >= 0 {
			l.row(h.shape, h.target, n, c, s)
		}
	}
}

// row goes on with a program on the subjects of n's tuples of one shape.
func (l *subjectList) row(shape, program int32, n store.Node, c certainty, s steps) {
	sh := &l.g.shapes[shape]
	if !l.rows.leads(program) || l.rows.isAbsent(n, sh) {
		return
	}
	for row := l.rows.row(n, sh); l.mayGoOn() && l.rows.next(&row); {
		switch row.value.level {
		case denied:
		case allowed:
			l.call(program, row.subject, c, s.deeper(1, 1))
		default:
			l.call(program, row.subject, max(c, perhaps), s.deeper(1, 1))
		}
	}
}

// decideFresh finds out what a fresh subject has, and lists the wildcard.
func (l *subjectList) decideFresh() {
	if l.program >= 0 || !l.mayGoOn() {
		return // wildcards grant no usersets
	}
	a, err := l.decide(&l.fresh, l.r.Program, l.r.Object, 0)
	l.common = answered{a.Decision, a.Missing, err}
	l.covers = err != nil || a.Decision != Denied
	if !l.covers || !l.mayGoOn() {
		return
	}
	l.giveWaiting()
	if l.position++; l.position > l.skip && !l.stopped {
		l.give(tuple.Wildcard, a.Decision, a.Missing, err)
	}
}

// hasFresh reports whether rewrite i on n may not deny a fresh subject.
func (l *subjectList) hasFresh(i int32, n store.Node, s steps) bool {
	w := l.ready(&l.fresh)
	w.nextDecision(int(s.depth))
	v := w.eval(i, n)
	l.settle(&l.fresh)
	return v.level != denied
}

// decideNamed decides for subject n alone and lists it if there is anything to
// tell. Where "*" tells the same, subjects are still listed if a way that can
// grant has led to them.
func (l *subjectList) decideNamed(n store.Node, c certainty) {
	id, asked := l.candidate(n)
	if !asked {
		return
	}
	l.r.few[0].Node = n
	l.ready(&l.named).begin(l.ctx, l.g, &l.view, &l.r)
	a, err := l.decide(&l.named, l.r.Program, l.r.Object, 0)
	got := answered{a.Decision, a.Missing, err}
	switch {
	case !l.mayGoOn():
	case !l.covers && err == nil && a.Decision == Denied:
	case l.covers && c == contrarily && got.same(l.common):
	default:
		l.give(id, a.Decision, a.Missing, err)
	}
}
