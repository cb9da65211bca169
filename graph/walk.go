package graph

import (
	"github.com/pemba-authz/pemba/store"
)

// eval decides rewrite i on object n. There is one small evaluator per kind of
// rewrite, and two short cuts: a union stops at allowed, an intersection and an
// exclusion at denied. Nothing else may be skipped, so that the answer does not
// depend on the order of evaluation, which order.go chooses. Branches that
// cannot reach any of the question's subjects are denied without a look.
func (w *walk) eval(i int32, n store.Node) value {
	r := w.g.rewrites[i]
	switch r.op {
	case opSelf:
		return w.self(r.from, n)
	case opMember:
		return w.member(r.from, n)
	case opProbe:
		return w.probe(r.span, n)
	case opMembers:
		return w.members(r.span, n)
	case opCall:
		return w.call(r.from, n)
	case opUnion:
		return w.union(i, r.span, n)
	case opIntersection:
		return w.intersection(i, r.span, n)
	case opExclusion:
		return w.exclusion(i, r.from, r.to, n)
	case opArrow:
		return w.arrow(r.span, n)
	case opAll:
		return w.all(r.span, n)
	}
	return value{}
}

func (w *walk) union(i int32, kids span, n store.Node) value {
	out, has := value{level: denied}, w.shapesAt(n)
	children, trial := w.g.kids[kids.from:kids.to], w.inOrder(i)
	for j := range children {
		at := trial.order.at(j)
		k := children[at]
		if mask := w.g.masks[k]; mask != 0 && has&mask == 0 || !w.reaches(k) {
			continue
		}
		out = or(out, w.eval(k, n))
		w.tried(&trial, at, out.level == allowed)
		if out.isSettled() {
			return out
		}
	}
	return out
}

func (w *walk) intersection(i int32, kids span, n store.Node) value {
	children := w.g.kids[kids.from:kids.to]
	for _, k := range children {
		if !w.reaches(k) {
			return value{level: denied}
		}
	}
	out, trial := value{level: allowed}, w.inOrder(i)
	for j := range children {
		at := trial.order.at(j)
		out = and(out, w.eval(children[at], n))
		w.tried(&trial, at, out.level == denied)
		if out.level == denied || out.level == aborted {
			return out
		}
	}
	return out
}

// exclusion is the intersection of its base and the contrary of the other branch.
func (w *walk) exclusion(i, base, minus int32, n store.Node) value {
	if !w.reaches(minus) {
		return w.eval(base, n)
	}
	if !w.reaches(base) {
		return value{level: denied}
	}
	out, trial := value{level: allowed}, w.inOrder(i)
	for j := range 2 {
		at := trial.order.at(j)
		if at == 0 {
			out = and(out, w.eval(base, n))
		} else {
			out = and(out, w.contrary(minus, n))
		}
		w.tried(&trial, at, out.level == denied)
		if out.level == denied || out.level == aborted {
			return out
		}
	}
	return out
}

// contrary decides "not rewrite i". What is in progress outside must not be
// read inside, because it would be a guess.
func (w *walk) contrary(i int32, n store.Node) value {
	if w.solver != nil {
		return w.solver.contrary(w, i, n)
	}
	w.memo.stratum++
	v := w.eval(i, n)
	w.memo.stratum--
	return not(v)
}

// self grants the object itself.
func (w *walk) self(typ int32, n store.Node) value {
	for i := range w.subjects {
		if s := &w.subjects[i]; s.Program < 0 && s.Type == typ && s.Node == n {
			return value{level: allowed}
		}
	}
	return value{level: denied}
}

// member grants the userset n#program itself: a userset is a member of itself.
func (w *walk) member(program int32, n store.Node) value {
	if w.usersets {
		for i := range w.subjects {
			if s := &w.subjects[i]; s.Program == program && s.Node == n {
				return value{level: allowed}
			}
		}
	}
	return value{level: denied}
}

// probe grants the subjects that tuples of n name, one by one or by a wildcard.
func (w *walk) probe(shapes span, n store.Node) value {
	out := value{level: denied}
	for i := shapes.from; i < shapes.to; i++ {
		sh := &w.g.shapes[i]
		if w.isAbsent(n, sh) {
			continue
		}
		if out = or(out, w.probeShape(n, sh)); out.isSettled() {
			break
		}
	}
	return out
}

func (w *walk) probeShape(n store.Node, sh *shape) value {
	out := value{level: denied}
	w.readMasks()
	for j := range w.subjects {
		s := &w.subjects[j]
		if s.Type != sh.typ || s.Program >= 0 || !w.masks[j].Has(sh.id) {
			continue
		}
		if out = or(out, w.find(n, sh, s.named(sh))); out.isSettled() {
			break
		}
	}
	return out
}

// members grants the members of the usersets that tuples of n name.
func (w *walk) members(shapes span, n store.Node) value {
	out := value{level: denied}
	for i := shapes.from; i < shapes.to; i++ {
		sh := &w.g.shapes[i]
		if w.isAbsent(n, sh) {
			continue
		}
		if out = or(out, w.named(sh, n)); out.isSettled() {
			return out
		}
		if !w.reaches(w.g.programs[sh.program].body) {
			continue
		}
		if groups, ok := w.groupsOf(sh.program); ok {
			if out = or(out, w.anyGroup(groups, n, sh)); out.isSettled() {
				return out
			}
			continue
		}
		for row := w.row(n, sh); w.next(&row); {
			if out = or(out, w.through(&row, sh.program)); out.isSettled() {
				return out
			}
		}
	}
	return out
}

// named grants the usersets among the subjects that tuples of n name.
func (w *walk) named(sh *shape, n store.Node) value {
	out := value{level: denied}
	if !w.usersets {
		return out
	}
	w.readMasks()
	for i := range w.subjects {
		if s := &w.subjects[i]; s.Program == sh.program && w.masks[i].Has(sh.id) {
			if out = or(out, w.find(n, sh, s.Node)); out.isSettled() {
				return out
			}
		}
	}
	return out
}

// arrow grants whom the target grants on any of the tupleset's objects.
func (w *walk) arrow(hops span, n store.Node) value {
	out := value{level: denied}
	for _, h := range w.g.hops[hops.from:hops.to] {
		if h.target < 0 || !w.leads(h.target) || w.isAbsent(n, &w.g.shapes[h.shape]) {
			continue
		}
		for row := w.row(n, &w.g.shapes[h.shape]); w.next(&row); {
			if out = or(out, w.through(&row, h.target)); out.isSettled() {
				return out
			}
		}
	}
	return out
}

// all grants whom the target grants on all of the tupleset's objects, of which
// there is at least one. More tuples can mean fewer subjects, so a cycle must
// not pass through it, as through the right side of an exclusion.
func (w *walk) all(hops span, n store.Node) value {
	out, some := value{level: allowed}, false
	for _, h := range w.g.hops[hops.from:hops.to] {
		for row := w.row(n, &w.g.shapes[h.shape]); w.next(&row); {
			some = true
			out = and(out, row.value)
			if out.level != denied && out.level != aborted {
				out = and(out, w.allTarget(h.target, row.subject))
			}
			if out.level == denied || out.level == aborted {
				return out
			}
		}
	}
	if !some {
		return value{level: denied}
	}
	return out
}

func (w *walk) allTarget(target int32, n store.Node) value {
	if target < 0 || !w.leads(target) {
		return value{level: denied}
	}
	if s := w.solver; s != nil {
		fixed := s.fixed
		s.fixed = true
		v := w.follow(target, n)
		s.fixed = fixed
		return v
	}
	w.memo.stratum++
	v := w.follow(target, n)
	w.memo.stratum--
	return v
}

// through decides a program behind the fact that row has stepped to: both the
// fact's caveat and what is behind it must hold.
func (w *walk) through(row *row, program int32) value {
	if row.value.level == denied || row.value.level == aborted {
		return row.value
	}
	return and(row.value, w.follow(program, row.subject))
}

// follow decides a program on another object, one level deeper.
func (w *walk) follow(program int32, n store.Node) value {
	w.depth++
	v := w.call(program, n)
	w.depth--
	return v
}

// mostNested bounds the programs in progress, whatever the depth limit is: Go's
// stack is not without end.
const mostNested = 2000

// call decides a program on object n.
func (w *walk) call(program int32, n store.Node) value {
	if w.member(program, n).level == allowed {
		return value{level: allowed}
	}
	p := &w.g.programs[program]
	if !w.reaches(p.body) {
		return value{level: denied}
	}
	if p.leaf {
		if w.depth > w.limits.Depth {
			return w.tooDeep()
		}
		w.steps++
		return w.eval(p.body, n)
	}
	if w.solver != nil {
		return w.answerFor(program, n)
	}
	at, isNew := w.memo.entry(program, n)
	if !isNew {
		if v, known := w.recall(at); known {
			return v
		}
	}
	if w.depth > w.limits.Depth || len(w.memo.stack) >= mostNested {
		return w.tooDeep()
	}
	return w.work(at)
}
