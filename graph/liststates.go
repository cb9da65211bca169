package graph

import "github.com/pemba-authz/pemba/store"

// state is a program on an object that a list has come to.
type state struct {
	node    store.Node
	program int32 // as the list numbers them
	steps
	mark uint8 // what the list knows of it; 0 = nothing yet
}

// steps measures the way to a state.
type steps struct {
	depth uint16 // steps from object to object
	nest  uint16 // programs
}

// deeper returns the steps of a way that is longer by so much.
func (s steps) deeper(depth, nest uint16) steps {
	const most = 1<<16 - 2 // far beyond mostNested
	return steps{min(s.depth, most) + depth, min(s.nest, most) + nest}
}

// within reports whether the walk can go the same way back.
func (s steps) within(l *Limits) bool { return int(s.depth) <= l.Depth && s.nest < mostNested }

// stateTable holds each state once: open addressing, a power of two, at most
// half full.
type stateTable struct {
	slots []slot
	stamp uint32 // slots with another stamp are empty
	all   []state
}

func (t *stateTable) reset() {
	t.stamp++
	if t.stamp == 0 || t.slots == nil {
		t.slots, t.stamp = make([]slot, max(64, len(t.slots))), 1
	}
	t.all = t.all[:0]
}

// shrink drops what an unusually large list has grown.
func (t *stateTable) shrink() {
	const most = 1 << 19
	if len(t.slots) > most {
		*t = stateTable{}
	}
}

func (t *stateTable) lookup(program int32, n store.Node) *slot {
	mask := uint64(len(t.slots) - 1)
	for i := hashEntry(program, n) & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.stamp != t.stamp {
			return s
		}
		if e := &t.all[s.entry]; e.node == n && e.program == program {
			return s
		}
	}
}

// at returns the index of the state of a program on n, a new one if need be.
func (t *stateTable) at(program int32, n store.Node) int32 {
	s := t.lookup(program, n)
	if s.stamp == t.stamp {
		return s.entry
	}
	if 2*len(t.all) >= len(t.slots) {
		t.slots = make([]slot, 2*len(t.slots))
		for i := range t.all {
			*t.lookup(t.all[i].program, t.all[i].node) = slot{t.stamp, int32(i)}
		}
		s = t.lookup(program, n)
	}
	*s = slot{t.stamp, int32(len(t.all))}
	t.all = append(t.all, state{node: n, program: program})
	return s.entry
}
