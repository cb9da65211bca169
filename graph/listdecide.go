package graph

import (
	"github.com/pemba-authz/pemba/store"
)

// decider decides one thing after the other with one walk, which remembers as
// far as that is sound. The subjects are the same each time, unless the walk
// begins anew in between.
//
// What has been worked out at some depth had room enough below the depth
// limit from there, so it counts for reads at that depth or less; memo.turn
// tells the entries of earlier decisions.
type decider struct {
	walk *walk // nil = not needed so far
	warm bool  // the walk remembers something
}

// mostRemembered bounds what a decider's walk remembers.
const mostRemembered = 1 << 14

// decide answers as Check does a question that begins at that depth. It has
// the reads of a question; the list pays for them.
func (l *list) decide(d *decider, program int32, n store.Node, depth int) (a Answer, err error) {
	w := l.ready(d)
	for {
		w.nextDecision(depth)
		err = w.answer(program, n, &a)
		crowded := d.warm && len(w.names) > 63 // names share bits that do not in a question of its own
		l.settle(d)
		if !crowded {
			return a, err
		}
	}
}

// ready returns d's walk.
func (l *list) ready(d *decider) *walk {
	if d.walk == nil {
		d.walk = walks.Get().(*walk)
		d.walk.begin(l.ctx, l.g, &l.view, &l.r)
		d.walk.remembers = true
	}
	return d.walk
}

// settle accounts for what d's walk has done and lets go of what must not be
// used again.
func (l *list) settle(d *decider) {
	w := d.walk
	l.steps += w.steps
	l.rows.reads += w.reads
	l.rows.passed += w.passed
	l.rows.caveatTime += w.caveatTime
	if l.rows.err == nil {
		l.rows.err = l.rows.checkCaveatTime()
	}
	if w.err != nil && l.rows.err == nil {
		l.rows.err = l.ctx.Err()
	}
	if d.warm = w.isSound(); !d.warm {
		w.forgetAll()
	}
}

// nextDecision makes a walk ready for a further decision.
func (w *walk) nextDecision(depth int) {
	w.steps, w.reads, w.passed, w.caveatTime, w.depth, w.err = 0, 0, 0, 0, depth, nil
	w.recount()
	w.memo.turn++
}

// isSound reports whether what w remembers may serve another decision: this one
// has come to its end, and nothing has failed, be it a limit, a cycle or a
// caveat, whose errors tell of this one only.
func (w *walk) isSound() bool {
	return w.err == nil && len(w.causes) == 0 && len(w.names) <= 63 &&
		len(w.memo.entries) < mostRemembered && len(w.caveats) < mostRemembered
}

// forgetAll makes w as it was when it began.
func (w *walk) forgetAll() {
	w.memo.reset()
	w.closures, w.groups = w.closures[:0], w.groups[:0]
	w.cycle, w.deep, w.solver, w.err = value{}, value{}, nil, nil
	w.caveats = nil
	clear(w.causes)
	w.causes, w.names = w.causes[:0], w.names[:0]
}
