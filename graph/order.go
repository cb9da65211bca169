package graph

import (
	"sync"
	"sync/atomic"

	"github.com/pemba-authz/pemba/store"
)

// Order says in which order the branches of unions, intersections and exclusions are
// evaluated. Answers do not depend on it, what they cost does.
type Order int32

const (
	Measured Order = iota // what decides soonest for what it costs comes first
	Fixed                 // the compiler's: of cheap kinds first, else as written
	Shuffled              // another one each time: for tests of the promise above
)

func (o Order) String() string {
	return [...]string{"measured", "fixed", "shuffled"}[o]
}

// SetOrder chooses the order of branches for all questions that begin from now on.
// It is safe for concurrent use.
func (g *Graph) SetOrder(o Order) { g.order.Store(int32(o)) }

const (
	mostOrdered   = 16      // branches of a rewrite that is ordered
	mostOrderings = 1 << 14 // rewrites that are ordered
	measureEvery  = 32      // one of so many questions is measured
	exploreShare  = 4       // one in so many reads of what is measured goes into branches out of turn
	fewTried      = 8       // before so many measures a branch stays where it is
	manyTried     = 1024    // from so many on, older measures count half
	muchCost      = 1 << 20 // and from such a cost on, older costs
)

// permutation is an order of at most mostOrdered branches, four bits for each place,
// the first lowest. 0 = fixed.
type permutation uint64

// at returns which branch comes in place j.
func (p permutation) at(j int) int {
	if p == 0 {
		return j
	}
	return int(p>>(4*j)) & 15
}

// fixed is the permutation of n branches in the compiler's order.
func fixed(n int) permutation {
	return 0xfedcba9876543210 & (1<<(4*n) - 1)
}

// move returns p with the branch in place from moved forward to place to.
func (p permutation) move(from, to int) permutation {
	branch := p >> (4 * from) & 15
	before := p & (1<<(4*to) - 1)
	passed := p & (1<<(4*from) - 1) &^ (1<<(4*to) - 1)
	behind := p &^ (1<<(4*from+4) - 1)
	return behind | passed<<4 | branch<<(4*to) | before
}

// ordering is what is known of the branches of one rewrite.
type ordering struct {
	order atomic.Uint64 // a permutation, fixed at first

	mu       sync.Mutex
	branches []measure // in the fixed order
	inTurn   uint64    // what branches that came first in their turn have cost
	next     int       // the branch that was last
}

// measure is what a branch comes to where it is evaluated first, so that none before
// it has chosen what is left for it.
type measure struct {
	tried   uint32
	settled uint32 // so often nothing else needed to be looked at
	cost    uint64 // reads and steps of all together

	explored uint64 // cost of all when it was put first to be measured
}

// rank is the cost of settling the rewrite by this branch alone. Sorted by it,
// independent branches cost the least together.
func (m *measure) rank() float64 {
	const unit = 1 // of a branch that is known without a read
	return (float64(m.cost)/float64(m.tried) + unit) * float64(m.tried+2) / float64(m.settled+1)
}

// findOrderings fills g.orderings. What is searched needs none: all of its branches
// are gone through together.
func (g *Graph) findOrderings() {
	g.orderOf = make([]int32, len(g.rewrites))
	for i := range g.programs {
		if g.programs[i].search >= 0 || len(g.orderings) >= mostOrderings {
			continue
		}
		g.eachRewrite(int32(i), func(i int32, r rewrite) {
			n := 2
			switch r.op {
			case opExclusion:
			case opUnion, opIntersection:
				n = int(r.to - r.from)
			default:
				return
			}
			if n <= mostOrdered && g.orderOf[i] == 0 {
				o := &ordering{branches: make([]measure, n)}
				o.order.Store(uint64(fixed(n)))
				g.orderings = append(g.orderings, o)
				g.orderOf[i] = int32(len(g.orderings))
			}
		})
	}
}

// beginOrder makes w evaluate branches in the order that the graph has chosen, where it
// has a choice.
func (w *walk) beginOrder() {
	if len(w.g.orderings) == 0 {
		return
	}
	w.order = Order(w.g.order.Load())
	w.questions++
	w.measures = w.order == Measured && w.questions%measureEvery == 0
	w.explores = w.measures
}

// trial is the evaluation of one rewrite's branches in their order.
type trial struct {
	order    permutation
	of       *ordering // nil = nothing is measured, or has been
	explores bool      // the first branch comes out of turn
	before   int       // what the walk had cost
}

// inOrder returns the order of the branches of rewrite i.
func (w *walk) inOrder(i int32) (t trial) {
	if w.order == Fixed {
		return t
	}
	return w.inMeasuredOrder(i)
}

func (w *walk) inMeasuredOrder(i int32) (t trial) {
	at := w.g.orderOf[i]
	if at == 0 || w.solver != nil {
		return t
	}
	o := w.g.orderings[at-1]
	t.order = permutation(o.order.Load())
	switch {
	case w.order == Shuffled:
		t.order = w.shuffle(len(o.branches))
	case w.measures && o.mu.TryLock():
		t.of, t.before = o, w.reads+w.steps
		if place := o.due(t.order); place > 0 && w.explores {
			t.order, t.explores, w.explores = t.order.move(place, 0), true, false
		}
		o.mu.Unlock()
	}
	if t.order == fixed(len(o.branches)) {
		t.order = 0
	} else {
		w.reordered = true
	}
	return t
}

// tried takes in that a branch has come to its end, settled if the others need not be
// looked at.
func (w *walk) tried(t *trial, branch int, settled bool) {
	if t.of == nil {
		return
	}
	t.of.note(branch, settled, uint64(w.reads+w.steps-t.before), t.explores && branch == t.order.at(0))
	t.of = nil
}

// due returns the place of the branch that is to be measured out of turn, 0 if none.
// Branches take turns: some have nothing to evaluate on most objects.
func (o *ordering) due(p permutation) int {
	n := len(o.branches)
	o.next = (o.next + 1) % n
	if o.branches[o.next].explored*uint64(n)*exploreShare > o.inTurn {
		return 0
	}
	for j := range o.branches {
		if p.at(j) == o.next {
			return j
		}
	}
	return 0
}

// note takes in what a branch that came first has cost, and orders anew.
func (o *ordering) note(branch int, settled bool, cost uint64, explored bool) {
	if !o.mu.TryLock() {
		return
	}
	defer o.mu.Unlock()
	m := &o.branches[branch]
	m.tried++
	m.cost += cost
	if settled {
		m.settled++
	}
	if m.tried >= manyTried {
		m.tried, m.settled, m.cost = m.tried/2, m.settled/2, m.cost/2
	}
	if explored {
		m.explored += cost + 1
	} else if o.inTurn += cost + 1; o.inTurn >= muchCost {
		o.inTurn /= 2
		for i := range o.branches {
			o.branches[i].explored /= 2
		}
	}
	o.order.Store(uint64(o.sorted(permutation(o.order.Load()))))
}

// sorted returns p with branches moved before others that are clearly dearer. Where
// the difference is small or little is known, the order stays.
func (o *ordering) sorted(p permutation) permutation {
	const clearly = 4. / 3
	for j := 1; j < len(o.branches); j++ {
		b, to := &o.branches[p.at(j)], j
		for k := j - 1; k >= 0 && b.tried >= fewTried; k-- {
			a := &o.branches[p.at(k)]
			if a.tried < fewTried {
				continue
			}
			if b.rank()*clearly >= a.rank() {
				break
			}
			to = k
		}
		p = p.move(j, to)
	}
	return p
}

// shuffle returns any order of n branches.
func (w *walk) shuffle(n int) permutation {
	p := fixed(n)
	for j := range n {
		w.dice = w.dice*6364136223846793005 + 1442695040888963407
		p = p.move(j+int(w.dice>>33)%(n-j), j)
	}
	return p
}

// mayDiffer reports whether another order might come to something else than v. Allowed
// and denied hold in any. What a limit or a failure cuts short depends on the order, and
// so does which of the missing names are told of where tuples form a cycle.
func (w *walk) mayDiffer(v value) bool {
	return w.reordered && v.level != allowed && v.level != denied && w.ctx.Err() == nil
}

// inFixedOrder decides the question once more. So everything but allowed and denied is
// what the fixed order comes to: neither errors nor missing names depend on what was asked
// before, and what the fixed order answers any other does.
func (w *walk) inFixedOrder(program int32, object store.Node) value {
	done := cost{w.steps, w.reads}
	w.forgetAll()
	w.open() // in the fixed order
	w.vain = done
	w.recount()
	return w.call(program, object)
}
