package graph

import (
	"github.com/pemba-authz/pemba/store"
)

// solver decides a question whose walk has met its own contrary, by the
// well-founded semantics (Van Gelder 1993, alternating fixpoint): each entry
// has a bound from below and one from above; each round works out the least
// fixpoint of either, taking the contrary parts from the round before. Where
// the bounds meet, the cycle did not matter. The evaluators are the walk's;
// only calls are answered from the tables.
type solver struct {
	lows, highs []value // by entry: the last round's bounds
	high        bool    // the bound being worked out
	fixed       bool    // calls are answered from the last round, as in contrary parts
}

// giveToSolver gives the walk up and keeps the cycle to tell of it.
func (w *walk) giveToSolver(at int32) value {
	m := &w.memo
	from := m.entries[at].position
	if m.entries[at].state == provisional {
		from = m.entries[at].low
	}
	var path []string
	for _, i := range m.stack[from:] {
		e := &m.entries[i]
		path = append(path, w.object(e.node).String()+"#"+w.g.programs[e.program].name)
	}
	w.cycle = w.fail(&NegativeCycleError{path})
	return value{level: aborted}
}

// solve decides a program on an object.
func (w *walk) solve(program int32, n store.Node) value {
	s := &solver{}
	w.solver = s
	w.memo.reset()
	w.answerFor(program, n)
	for changed := true; changed; {
		changed = false
		for _, high := range []bool{false, true} {
			rose, ok := w.round(high)
			if !ok {
				return value{level: aborted}
			}
			changed = changed || rose
		}
	}
	low, high := s.lows[0], s.highs[0]
	if low.level != high.level {
		return w.cycle
	}
	low.open, low.limit = low.open|high.open, low.limit || high.limit
	return low
}

// answerFor answers a call from the tables and notes what is new.
func (w *walk) answerFor(program int32, n store.Node) value {
	s, m := w.solver, &w.memo
	if slot := m.lookup(program, n); slot.stamp != m.stamp {
		if w.depth > w.limits.Depth {
			return w.tooDeep()
		}
		at, _ := m.entry(program, n)
		m.entries[at].depth = int32(w.depth)
		s.lows, s.highs = append(s.lows, value{level: denied}), append(s.highs, value{level: allowed})
	}
	at, _ := m.entry(program, n)
	switch {
	case !s.fixed:
		return m.entries[at].value
	case s.high:
		return s.highs[at]
	}
	return s.lows[at]
}

// round works out one bound of every entry that is known and of those that it
// comes upon. It reports whether a bound or the number of entries changed, and
// whether the walk may go on.
func (w *walk) round(high bool) (changed, ok bool) {
	s, m := w.solver, &w.memo
	s.high = high
	before := len(m.entries)
	for i := range m.entries {
		m.entries[i].value = value{level: denied}
	}
	for rising := true; rising; {
		rising = false
		if w.err = w.ctx.Err(); w.err != nil {
			return false, false
		}
		for i := 0; i < len(m.entries); i++ {
			e := m.entries[i]
			w.steps++
			w.depth = int(e.depth)
			v := w.eval(w.g.programs[e.program].body, e.node)
			if v.level == aborted {
				return false, false
			}
			v = or(e.value, v)
			rising = rising || e.value.roseTo(v)
			m.entries[i].value = v
		}
	}
	bounds := s.lows
	if high {
		bounds = s.highs
	}
	changed = len(m.entries) > before
	for i := range m.entries {
		changed = changed || bounds[i].level != m.entries[i].value.level
		bounds[i] = m.entries[i].value
	}
	return changed, true
}

// contrary returns the bound of "not rewrite i" that is being worked out: the
// smallest or largest contrary of what lies between the bounds of i.
func (s *solver) contrary(w *walk, i int32, n store.Node) value {
	fixed, high := s.fixed, s.high
	s.fixed, s.high = true, false
	low := w.eval(i, n)
	s.high = true
	top := w.eval(i, n)
	s.fixed, s.high = fixed, high
	if low.level == aborted || top.level == aborted {
		return value{level: aborted}
	}
	out := not(low)
	for l := low.level + 1; l <= top.level; l++ {
		v := top
		if l != top.level {
			v = value{l, w.cycle.cause, low.open | top.open, low.limit || top.limit}
		}
		if v = not(v); high == (v.level > out.level) && v.level != out.level {
			out = v
		}
	}
	return out
}
