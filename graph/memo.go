package graph

import (
	"math"

	"github.com/pemba-authz/pemba/store"
)

type entryState uint8

const (
	stale       entryState = iota // to be worked out, again if it was before
	inProgress                    // on the stack
	provisional                   // worked out, but in a cycle whose head is in progress
	final                         // holds for the rest of the question
)

// entry is what the question knows of one program on one object.
type entry struct {
	value     value // a lower bound unless final
	program   int32
	node      store.Node
	position  int32 // in progress: where it stands on the stack
	low       int32 // provisional: lowest position of an entry in progress that it rests on
	depth     int32 // at which it was worked out
	stratum   int32
	state     entryState
	read      bool // while in progress
	truncated bool // rests on a branch that the depth limit cut off
	turn      uint32
}

// noLow says that a value rests on no entry in progress.
const noLow = math.MaxInt32

// memo keeps one entry per program and object, so that a question costs what
// its graph holds and not the number of paths through it.
type memo struct {
	slots   []slot // open addressing, a power of two, at most half full
	stamp   uint32 // slots with another stamp are empty
	entries []entry
	stack   []int32 // entries in progress
	open    []int32 // provisional entries, in the order of completion
	stratum int32   // number of contrary parts around the value being worked out
	turn    uint32  // which decision this is, of several that share the memo; see decider

	// What the value being worked out rests on.
	low       int32
	truncated bool
}

type slot struct {
	stamp uint32
	entry int32
}

func (m *memo) reset() {
	m.stamp++
	if m.stamp == 0 || m.slots == nil {
		m.slots, m.stamp = make([]slot, max(64, len(m.slots))), 1
	}
	m.entries, m.open, m.stack = m.entries[:0], m.open[:0], m.stack[:0]
	m.stratum, m.turn, m.low, m.truncated = 0, 0, noLow, false
}

// shrink drops tables that an unusually large question has grown.
func (m *memo) shrink() {
	const most = 1 << 16
	if len(m.slots) > most {
		*m = memo{}
	}
}

func hashEntry(program int32, n store.Node) uint64 {
	return (uint64(uint32(program))<<32 | uint64(n)) * 0x9e3779b97f4a7c15 >> 32
}

// lookup returns the slot of (program, n), which may be empty.
func (m *memo) lookup(program int32, n store.Node) *slot {
	mask := uint64(len(m.slots) - 1)
	for i := hashEntry(program, n) & mask; ; i = (i + 1) & mask {
		s := &m.slots[i]
		if s.stamp != m.stamp {
			return s
		}
		if e := &m.entries[s.entry]; e.program == program && e.node == n {
			return s
		}
	}
}

// entry returns the index of the entry of (program, n), a new one if need be.
func (m *memo) entry(program int32, n store.Node) (at int32, isNew bool) {
	s := m.lookup(program, n)
	if s.stamp == m.stamp {
		return s.entry, false
	}
	if 2*len(m.entries) >= len(m.slots) {
		m.slots = make([]slot, 2*len(m.slots))
		for i := range m.entries {
			*m.lookup(m.entries[i].program, m.entries[i].node) = slot{m.stamp, int32(i)}
		}
		s = m.lookup(program, n)
	}
	at = int32(len(m.entries))
	*s = slot{m.stamp, at}
	m.entries = append(m.entries, entry{program: program, node: n})
	return at, true
}

// recall returns what is known of entry at. An entry in progress counts as
// what it has so far. Behind a negation that would be a guess about its own
// contrary: then the walk is given up for the solver.
func (w *walk) recall(at int32) (v value, known bool) {
	m := &w.memo
	e := &m.entries[at]
	fits := !e.truncated || int32(w.depth) >= e.depth
	if e.turn != m.turn && e.state == final { // worked out for an earlier decision
		if fits = int32(w.depth) <= e.depth; fits {
			e.turn = m.turn
		}
	}
	switch {
	case e.state == final && fits:
	case (e.state == inProgress || e.state == provisional) && e.stratum < m.stratum:
		return w.giveToSolver(at), true
	case e.state == inProgress:
		e.read = true
		m.low = min(m.low, e.position)
		return e.value, true
	case e.state == provisional && fits:
		m.low = min(m.low, e.low)
	case e.state == stale:
		return value{}, false
	default: // a shorter way may succeed where this one was cut off
		e.state, e.value = stale, value{}
		return value{}, false
	}
	m.truncated = m.truncated || e.truncated
	return e.value, true
}

// work decides entry at. While its value rises after somebody has read it in
// progress it is worked out again, so that in the end all that were read agree
// with what came out: the least fixpoint. Values only rise, so this ends.
func (w *walk) work(at int32) value {
	m := &w.memo
	mark, low, cut := len(m.open), m.low, m.truncated
	e := &m.entries[at]
	program, n := e.program, e.node
	e.state, e.position, e.stratum, e.depth = inProgress, int32(len(m.stack)), m.stratum, int32(w.depth)
	e.turn = m.turn
	m.stack = append(m.stack, at)
	var v value
	for again := true; again; {
		w.steps++
		m.low, m.truncated, m.entries[at].read = noLow, false, false
		if v = w.body(program, n); v.level == aborted {
			return v
		}
		e = &m.entries[at]
		v = or(e.value, v)
		again = e.read && e.value.roseTo(v)
		e.value = v
		if again {
			m.forget(mark)
			again = v.level != allowed
		}
	}
	m.stack = m.stack[:len(m.stack)-1]
	m.complete(at, mark)
	m.low, m.truncated = min(low, m.low), cut || m.truncated
	return v
}

// body decides what a program comes down to.
func (w *walk) body(program int32, n store.Node) value {
	p := &w.g.programs[program]
	if p.search >= 0 && w.maySearch() {
		if v, ok := w.search(p.search, n); ok {
			return v
		}
	}
	return w.eval(p.body, n)
}

// complete files an entry that has been worked out. Allowed is final at once,
// because values only rise, and so is what rests on nothing in progress. The
// head of a cycle takes the rest of it along; other members wait for the head.
func (m *memo) complete(at int32, mark int) {
	e := &m.entries[at]
	if e.value.level == allowed {
		m.low = noLow
	}
	if e.value.level == allowed || e.value.level == denied && m.low == noLow {
		m.truncated = false // another value in place of the error would change nothing
	}
	e.state, e.truncated = final, m.truncated
	switch {
	case m.low < e.position:
		e.state, e.low = provisional, m.low
		for _, i := range m.open[mark:] {
			m.entries[i].low = min(m.entries[i].low, m.low)
		}
		m.open = append(m.open, at)
	case len(m.open) > mark:
		m.settle(at, mark)
	}
	if m.low >= e.position {
		m.low = noLow
	}
}

// settle makes the members of the cycle with head at final. Errors and open
// values are cut off by the depth limit if any member's is.
func (m *memo) settle(at int32, mark int) {
	head, cut := &m.entries[at], m.truncated
	for _, i := range m.open[mark:] {
		e := &m.entries[i]
		cut = cut || e.state == provisional && e.low >= head.position && e.truncated
	}
	waiting := m.open[:mark]
	for _, i := range m.open[mark:] {
		switch e := &m.entries[i]; {
		case e.state != provisional:
		case e.low < head.position:
			waiting = append(waiting, i)
		default:
			e.state, e.truncated = final, cut && e.value.level != denied
		}
	}
	m.open = waiting
	if head.value.level == conditional || head.value.level == failed {
		head.truncated, m.truncated = cut, cut
	}
}

// forget makes the provisional entries since mark stale, because what they
// have read has risen. They keep their values as lower bounds.
func (m *memo) forget(mark int) {
	for _, i := range m.open[mark:] {
		if e := &m.entries[i]; e.state == provisional {
			e.state = stale
		}
	}
	m.open = m.open[:mark]
}
