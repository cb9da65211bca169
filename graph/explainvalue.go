package graph

import (
	"context"
	"errors"
	"fmt"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// explainer explains one question. What a relation or permission of an object
// is worth is always the walk's own answer; the parts of a rewrite, as it is
// written, are put together by the values' algebra and must come to the same.
type explainer struct {
	w        *walk
	subjects []tuple.Subject
	values   map[atom]int32  // indices of known
	known    []bounds        // denied, allowed, and all that are neither
	solved   map[atom]bounds // by the solver, for when the walk is given to it again
	parts    map[part]bounds
	rows     map[rowKey][]sight
	tops     map[part]*top
	proof    proof

	nodes   int           // shown
	levels  int           // to be shown
	under   map[atom]bool // being explained
	shown   map[atom]bool // explained
	isSpent bool          // the work that the limits allow is used up
	err     error         // why the explanation is given up
}

// part is an expression in the right side of a program, for an object; a nil
// expression stands for the program's tuples.
type part struct {
	atom
	expr Expr
}

// bounds enclose a value. They differ only where an answer depends on its own
// contrary; see solver.
type bounds struct {
	low, high value
	cycle     int // if they differ: 1 + the index of the cycle in walk.causes
}

func exactly(v value) bounds { return bounds{low: v, high: v} }

func (b bounds) or(c bounds) bounds {
	return bounds{or(b.low, c.low), or(b.high, c.high), max(b.cycle, c.cycle)}
}

func (b bounds) and(c bounds) bounds {
	return bounds{and(b.low, c.low), and(b.high, c.high), max(b.cycle, c.cycle)}
}

// not encloses the contraries of all values that b encloses.
func (b bounds) not() bounds {
	out := bounds{not(b.low), not(b.low), b.cycle}
	for l := b.low.level + 1; l <= b.high.level; l++ {
		v := b.high
		v.level = l
		if v = not(v); v.level < out.low.level {
			out.low = v
		} else if v.level > out.high.level {
			out.high = v
		}
	}
	return out
}

func (b bounds) isUndecided() bool { return b.low.level != b.high.level }
func (b bounds) isAllowed() bool   { return b.low.level == allowed }
func (b bounds) isDenied() bool    { return b.high.level == denied }
func (b bounds) isKnown() bool     { return b.low.level != aborted && b.high.level != aborted }

func (b bounds) agrees(c bounds) bool {
	return b.low.level == c.low.level && b.high.level == c.high.level
}

func newExplainer(ctx context.Context, g *Graph, v store.View, r *Resolved, subjects []tuple.Subject) *explainer {
	w := walks.Get().(*walk)
	w.begin(ctx, g, &v, r)
	w.remembers = true
	return &explainer{w: w, subjects: subjects, values: map[atom]int32{},
		known: []bounds{exactly(value{level: denied}), exactly(value{level: allowed})}, solved: map[atom]bounds{}, parts: map[part]bounds{},
		rows: map[rowKey][]sight{}, tops: map[part]*top{}, proof: newProof(), under: map[atom]bool{}, shown: map[atom]bool{}}
}

func (x *explainer) end() {
	x.w.end()
	walks.Put(x.w)
}

// isPartial reports whether some values are not what Check would answer: for
// want of work, or where a limit of depth depends on the way.
func (x *explainer) isPartial() bool { return x.isSpent || x.w.deep.level == failed }

// mayGoOn reports whether the walk may go on. It may not once the reads that
// the limits allow are used up: then the rest is left out.
func (x *explainer) mayGoOn() bool {
	if x.w.err != nil && !x.isSpent && x.err == nil {
		var limit *LimitError
		if x.isSpent = errors.As(x.w.err, &limit); !x.isSpent {
			x.err = x.w.err
		}
	}
	return x.err == nil && !x.isSpent
}

// decide returns what a is worth, asked depth steps from the question's object.
func (x *explainer) decide(a atom, depth int) bounds {
	if i, known := x.values[a]; known {
		return x.known[i]
	}
	if !x.mayGoOn() {
		return exactly(value{level: aborted})
	}
	w := x.w
	w.depth = depth
	b := exactly(w.call(a.program, a.node))
	if b.low.level == aborted && w.cycle.level == failed && w.err == nil {
		b = x.solve(a, depth)
		w.solver, w.cycle = nil, value{}
		w.memo.reset()
	}
	if b.low.level == aborted {
		x.mayGoOn()
		return exactly(value{level: aborted})
	}
	x.remember(a, b)
	return b
}

// remember keeps the value of a. Wide rows make many of them, nearly all alike.
func (x *explainer) remember(a atom, b bounds) {
	switch {
	case b.isDenied():
		x.values[a] = 0
	case b.isAllowed():
		x.values[a] = 1
	default:
		x.values[a] = int32(len(x.known))
		x.known = append(x.known, b)
	}
}

// solve decides a by the solver, and with it all that it looks at.
func (x *explainer) solve(a atom, depth int) bounds {
	w := x.w
	if b, solved := x.solved[a]; solved {
		return b
	}
	w.depth = depth
	if v := w.solve(a.program, a.node); v.level == aborted {
		return exactly(v)
	}
	for i, e := range w.memo.entries {
		low, high := w.solver.lows[i], w.solver.highs[i]
		if low.level == high.level {
			low.open, low.limit = low.open|high.open, low.limit || high.limit
			high = low
		}
		if at := (atom{e.program, e.node}); !x.isSolved(at) {
			x.solved[at] = bounds{low, high, 1 + int(w.cycle.cause)}
		}
	}
	return x.solved[a]
}

func (x *explainer) isSolved(a atom) bool {
	_, solved := x.solved[a]
	return solved
}

// worth returns what an expression in a's right side is worth.
func (x *explainer) worth(a atom, e Expr, depth int) bounds {
	if ref, ok := e.(*Ref); ok {
		return x.decide(x.refer(a, ref), depth)
	}
	if b, known := x.parts[part{a, e}]; known {
		return b
	}
	b := x.combine(a, e, depth)
	if b.isKnown() {
		x.parts[part{a, e}] = b
	}
	return b
}

func (x *explainer) combine(a atom, e Expr, depth int) bounds {
	out := exactly(value{level: denied})
	switch e := e.(type) {
	case *Nil:
	case *Self:
		out = exactly(x.w.self(x.w.g.programs[a.program].typ, a.node))
	case *Union:
		for _, c := range e.Children {
			if out = out.or(x.worth(a, c, depth)); out.isAllowed() {
				break
			}
		}
	case *Intersection:
		out = exactly(value{level: allowed})
		for _, c := range e.Children {
			if out = out.and(x.worth(a, c, depth)); out.isDenied() {
				break
			}
		}
	case *Exclusion:
		out = x.worth(a, e.Base, depth)
		if !out.isDenied() {
			out = out.and(x.worth(a, e.Minus, depth).not())
		}
	case *Arrow:
		out = x.arrowWorth(a, e, depth)
	default: // *This and no rewrite at all
		x.eachDirect(a, depth, func(f found) { out = out.or(f.worth) })
	}
	return x.orUnknown(out)
}

// orUnknown returns b, or that nothing is known once the walk is given up.
func (x *explainer) orUnknown(b bounds) bounds {
	if !x.mayGoOn() {
		return exactly(value{level: aborted})
	}
	return b
}

func (x *explainer) arrowWorth(a atom, e *Arrow, depth int) bounds {
	if !e.All {
		out := exactly(value{level: denied})
		x.eachArrow(a, e, depth, func(f found) { out = out.or(f.worth) })
		return out
	}
	out, some := exactly(value{level: allowed}), false
	x.eachArrow(a, e, depth, func(f found) { out, some = out.and(f.worth), true })
	if !some {
		out = exactly(value{level: denied})
	}
	return out
}

// refer returns the atom that a reference in a's right side stands for.
func (x *explainer) refer(a atom, e *Ref) atom {
	g := x.w.g
	return atom{g.types[g.programs[a.program].typ].relations[e.Name], a.node}
}

// confirm fails the explanation if the parts of a do not come to its value.
func (x *explainer) confirm(a atom, sum bounds) {
	if b := x.known[x.values[a]]; x.err == nil && !x.isPartial() && !b.agrees(sum) {
		x.err = fmt.Errorf("%s is %v..%v, its parts are %v..%v", x.w.nameOf(a), b.low.level, b.high.level, sum.low.level, sum.high.level)
	}
}
