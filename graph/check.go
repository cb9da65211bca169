package graph

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// Decision is the answer to a question.
type Decision uint8

const (
	Denied      Decision = iota
	Conditional          // it depends on caveat parameters that the question lacks
	Allowed
)

func (d Decision) String() string {
	return [...]string{"denied", "conditional", "allowed"}[d]
}

// Answer is a decision with what it cost and how long it holds.
type Answer struct {
	Decision     Decision
	Missing      []string // sorted caveat parameters that would decide a Conditional
	Steps        int      // programs entered on an object
	Reads        int      // look-ups and tuples read
	Since, Until int64    // holds while Since <= now < Until, Unix nanoseconds
	UsedContext  bool     // some caveat was evaluated
}

// Check answers q at v. With an error the answer holds only the cost so far.
func (g *Graph) Check(ctx context.Context, v store.View, q *Question) (answer Answer, err error) {
	a, err := g.Ask(ctx, &v, q)
	if err != nil {
		return answer, err
	}
	err = a.Answer(&answer)
	a.End()
	return answer, err
}

// Asking is a question whose names have been looked up, and whose answer has begun to be
// read. One goroutine uses it, until End.
type Asking struct{ w *walk }

// Ask looks up the names of q at v, to which the Asking refers until its End. The error is
// that of Resolve; then there is nothing to end.
func (g *Graph) Ask(ctx context.Context, v *store.View, q *Question) (Asking, error) {
	w := walks.Get().(*walk)
	w.g, w.ctx = g, ctx
	if !g.resolveKnown(v, q, &w.asked, w) {
		w.open()
		var err error
		if w.asked, err = g.resolve(*v, q); err != nil {
			w.asked.forget()
			w.end()
			walks.Put(w)
			return Asking{}, err
		}
	}
	w.view = *v
	w.take(&w.asked)
	return Asking{w}, nil
}

// Resolved returns the question by its ids. It is valid until End.
func (a Asking) Resolved() *Resolved { return &a.w.asked }

// Answer answers the question in out, once. With an error out holds only the cost so far.
func (a Asking) Answer(out *Answer) error {
	a.w.beginOrder()
	return a.w.answer(a.w.asked.Program, a.w.asked.Object, out)
}

// End lets go of the question.
func (a Asking) End() {
	a.w.end()
	a.w.asked.forget()
	walks.Put(a.w)
}

// CheckResolved answers r, which g has resolved at a view of v's generation.
// A definite answer without caveats allocates nothing.
func (g *Graph) CheckResolved(ctx context.Context, v store.View, r *Resolved) (answer Answer, err error) {
	g.touchProgram(r.Program)
	w := walks.Get().(*walk)
	v.Touch(r.Object)
	v.Touch(r.Subjects()[0].Node)
	g.touchSearch(r.Program)
	err = w.check(ctx, g, &v, r, &answer)
	walks.Put(w)
	return answer, err
}

// check answers r in out with w, which has answered others.
func (w *walk) check(ctx context.Context, g *Graph, v *store.View, r *Resolved, out *Answer) error {
	w.begin(ctx, g, v, r)
	w.beginOrder()
	err := w.answer(r.Program, r.Object, out)
	w.end()
	return err
}

var walks = sync.Pool{New: func() any { return new(walk) }}

// walk is the scratch of one question. It is reused; a question keeps nothing of it.
type walk struct {
	asked    Resolved // by Ask
	g        *Graph
	view     store.View
	ctx      context.Context
	subjects []ResolvedSubject
	copied   []ResolvedSubject // room for them, if they are another's
	kinds    []int32           // of the subjects, for pruning
	kindWord int               // of the first kind: where it stands in a row
	kindBit  uint64            // and its bit there
	masks    []store.ShapeMask // by subject: of the tuples that may name it; see readMasks
	mask     store.ShapeMask   // of the tuples that may name one of them
	usersets bool              // some subject is a userset
	context  map[string]any
	given    *given
	locals   locals
	limits   Limits
	now      int64

	since, until int64
	steps, reads int
	calm         int // up to so many reads spend has nothing to look at
	passed       int // versions that the view does not show
	depth        int
	usedContext  bool
	caveatTime   time.Duration // spent on evaluating caveats
	mostCaveats  time.Duration // that may be
	memo         memo
	closures     []closure    // of the families that the question has asked for
	groups       []group      // what they hold: who is a member of them
	plain        []store.Node // see join
	sought       store.Sought // by searches: the subjects, and their groups as far as they are known
	seeking      bool         // the subjects are sought
	hunt         hunt         // the search that is under way
	visits       visits       // of it
	rows         store.Rows   // of the visit at hand
	caveats      map[store.CaveatRef]value
	remembers    bool     // it serves several decisions
	mustWalk     bool     // a subject is in too many groups for searches
	order        Order    // of branches
	reordered    bool     // some did not come in the fixed order
	measures     bool     // what branches cost is taken in
	explores     bool     // one of them may still come out of turn for that
	questions    uint32   // that the scratch has served
	dice         uint64   // of Shuffled
	vain         cost     // what was decided in vain, before the walk began again
	names        []string // missing caveat parameters, by bit
	causes       []error  // of failed values
	deep         value    // what the depth limit puts in, once it has
	cycle        value    // what a negative cycle puts in, once the walk has met one
	solver       *solver  // takes over then
	err          error    // why the walk is given up
}

// cost is what a walk has done so far.
type cost struct{ steps, reads int }

func (w *walk) begin(ctx context.Context, g *Graph, v *store.View, r *Resolved) {
	w.g, w.view, w.ctx = g, *v, ctx
	w.open()
	w.take(r)
}

// open makes the walk as new, but for what depends on the question.
func (w *walk) open() {
	w.since, w.until = math.MinInt64, math.MaxInt64
	w.steps, w.reads, w.passed, w.depth, w.usedContext = 0, 0, 0, 0, false
	w.caveatTime, w.mostCaveats = 0, mostCaveatTime
	w.cycle, w.deep, w.solver, w.err = value{}, value{}, nil, nil
	w.memo.reset()
	w.closures, w.groups = w.closures[:0], w.groups[:0]
	w.remembers, w.mustWalk = false, false
	w.order, w.reordered, w.vain = Fixed, false, cost{}
	w.sought.Reset(w.g.subjectKinds)
	w.seeking = false
	w.masks, w.mask = w.masks[:0], 0
}

// take makes the walk ready for a question. It keeps r if that is its own.
func (w *walk) take(r *Resolved) {
	if r == &w.asked {
		w.subjects = w.asked.Subjects()
	} else {
		w.copied = append(w.copied[:0], r.Subjects()...)
		w.subjects = w.copied
	}
	w.context, w.given = r.Context, nil
	if r.isLong {
		w.given, w.locals = r.given, r.locals
	}
	w.limits, w.now = r.limits, r.Now
	w.recount()
	w.setSubjects()
}

// setSubjects works out what follows from the subjects.
func (w *walk) setSubjects() {
	all := w.subjects
	w.kinds, w.usersets = w.kinds[:0], false
	for i := range all {
		kind := w.g.plainKind(all[i].Type)
		if p := all[i].Program; p >= 0 {
			kind, w.usersets = w.g.usersetKind(p), true
		}
		if n := len(w.kinds); n == 0 || w.kinds[n-1] != kind {
			w.kinds = append(w.kinds, kind)
		}
	}
	w.kindWord, w.kindBit = 0, 0
	if len(w.kinds) > 0 {
		w.kindWord, w.kindBit = int(w.kinds[0]>>6), 1<<(w.kinds[0]&63)
	}
}

// readMasks reads the subjects' masks, unless it has.
func (w *walk) readMasks() {
	for i := len(w.masks); i < len(w.subjects); i++ {
		mask := w.shapesOf(&w.subjects[i])
		w.masks, w.mask = append(w.masks, mask), w.mask|mask
	}
}

// end drops what the walk refers to, so that a pooled walk keeps no view alive.
func (w *walk) end() {
	w.g, w.view, w.ctx, w.subjects = nil, store.View{}, nil, nil
	w.rows.Close()
	w.context, w.given, w.solver, w.err, w.hunt.families = nil, nil, nil, nil, nil
	if w.locals.n > 0 {
		w.locals = locals{}
	}
	if len(w.caveats) > mostKept {
		w.caveats = nil // clearing takes as long as the map has ever been
	}
	clear(w.caveats)
	clear(w.causes)
	w.causes, w.names = w.causes[:0], w.names[:0]
	w.memo.shrink()
}

// mostKept bounds the maps that a pooled walk keeps.
const mostKept = 1024

// answer answers in out what the question is about.
func (w *walk) answer(program int32, object store.Node, out *Answer) error {
	v, searches := w.start(program, object)
	if !searches {
		return w.conclude(v, program, object, out)
	}
	w.view.TouchRows(w.subjects[0].Node)
	for w.searchOn() {
	}
	return w.answerSearch(program, object, out)
}

// start begins to decide what the question is about by a search, or else returns
// what it has come to.
func (w *walk) start(program int32, object store.Node) (v value, searches bool) {
	if w.err = w.ctx.Err(); w.err != nil {
		return value{level: aborted}, false
	}
	s := w.g.programs[program].search
	switch {
	case s < 0 || !w.maySearch():
		return w.call(program, object), false
	case !w.leads(program):
		return value{level: denied}, false
	}
	w.beginSearch(s, object)
	return value{}, true
}

// answerSearch is answer for a search that has come to its end.
func (w *walk) answerSearch(program int32, object store.Node, out *Answer) error {
	v, ok := w.endSearch()
	if !ok {
		v = w.call(program, object)
	}
	return w.conclude(v, program, object, out)
}

// conclude makes out the answer to a question that has come to v.
func (w *walk) conclude(v value, program int32, object store.Node, out *Answer) error {
	if w.mayDiffer(v) {
		v = w.inFixedOrder(program, object)
	}
	if v.level == aborted && w.cycle.level == failed && w.err == nil {
		w.depth = 0
		v = w.solve(program, object)
	}
	*out = Answer{Steps: w.vain.steps + w.steps, Reads: w.vain.reads + w.reads}
	switch v.level {
	case allowed:
		out.Decision = Allowed
	case conditional:
		if v.limit {
			return w.causes[w.deep.cause]
		}
		out.Decision, out.Missing = Conditional, w.missing(v.open)
	case failed:
		return w.causes[v.cause]
	case aborted:
		return fmt.Errorf("walk: %w", w.err)
	}
	out.Since, out.Until, out.UsedContext = w.since, w.until, w.usedContext
	return nil
}

// reaches reports whether rewrite i can grant any of the subjects.
func (w *walk) reaches(i int32) bool { return w.anyKind(w.g.rewriteRow(i)) }

// leads reports whether a program can grant any of the subjects.
func (w *walk) leads(p int32) bool { return w.anyKind(w.g.programRow(p)) }

func (w *walk) anyKind(row []uint64) bool {
	return row[w.kindWord]&w.kindBit != 0 || len(w.kinds) > 1 && w.anyFurther(row)
}

func (w *walk) anyFurther(row []uint64) bool {
	for _, k := range w.kinds[1:] {
		if hasBit(row, k) {
			return true
		}
	}
	return false
}

// checkEvery is how many reads lie between two looks at the context.
const checkEvery = 256

// spend accounts for one read. It reports whether the walk may go on.
func (w *walk) spend() bool { return w.spendMore(1) }

// spendMore accounts for n reads.
func (w *walk) spendMore(n int) bool {
	if w.reads += n; w.reads <= w.calm {
		return w.err == nil
	}
	return w.mayGoOn()
}

// mayGoOn looks at the limit and at the context.
func (w *walk) mayGoOn() bool {
	if reads := w.reads + w.passed/passedPerRead; reads > w.limits.Reads && w.err == nil {
		w.err = &LimitError{"reads", w.limits.Reads, reads}
	} else if w.err == nil {
		w.err = w.ctx.Err()
	}
	w.recount()
	return w.err == nil
}

// recount works out when spend has to look again: where the limit is met, and
// every checkEvery reads.
func (w *walk) recount() {
	w.calm = min(w.limits.Reads-w.passed/passedPerRead, w.reads|(checkEvery-1))
}

const (
	// passedPerRead is how many versions that the view does not show count as one
	// read against the limit. They cost less than a read, and nothing that the
	// question could help: a row that is written all the time has many of them.
	passedPerRead = 16
	// passedAtOnce is how many of them lie at most between two looks at the limit
	// and the context.
	passedAtOnce = 4096
)

// pass accounts for versions that the view does not show. It reports whether
// the walk may go on. What an answer is said to cost leaves them out, because
// it must not depend on what others write.
func (w *walk) pass(n int) bool {
	if n == 0 {
		return w.err == nil
	}
	before := w.passed / passedAtOnce
	if w.passed += n; w.passed/passedAtOnce != before {
		return w.mayGoOn()
	}
	w.recount()
	return w.spendMore(0)
}

// step steps to the next fact of a row and accounts for what it passes on the
// way. At the end of the row, or when the walk is given up, it reports false.
func (w *walk) step(it *store.Iter) bool {
	for {
		found, more := it.NextWithin(passedAtOnce)
		if n := it.Skipped(); n > 0 && !w.pass(n) {
			return false
		}
		if found || !more {
			return found
		}
	}
}

// fail returns the value of a branch that ended in err.
func (w *walk) fail(err error) value {
	const most = 1 << 15
	if len(w.causes) < most {
		w.causes = append(w.causes, err)
	}
	return value{level: failed, cause: uint16(len(w.causes) - 1)}
}

func (w *walk) tooDeep() value {
	w.memo.truncated = true
	if w.deep.level != failed {
		err := &LimitError{"depth", w.limits.Depth, w.depth}
		if w.depth <= w.limits.Depth {
			err = &LimitError{"nesting", mostNested, mostNested + 1}
		}
		w.deep = w.fail(err)
		w.deep.limit = true
	}
	return w.deep
}

// object returns the name of a node.
func (w *walk) object(n store.Node) tuple.Object {
	if isLocal(n) {
		return w.locals.at(int(n &^ localBit))
	}
	typ, id := w.view.NodeName(n)
	return tuple.Object{Type: w.view.Symbols().Name(typ), ID: id}
}
