package graph

import (
	"slices"
	"time"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// find returns what the tuple (n, shape, subject) is worth, denied if there is
// none that the question may see.
func (w *walk) find(n store.Node, sh *shape, subject store.Node) value {
	if !w.spend() {
		return value{level: aborted}
	}
	if w.given != nil {
		if f := w.given.find(n, sh.id, subject); f != nil {
			v, _ := w.weighGiven(sh, f)
			return v
		}
	}
	if subject == 0 || isLocal(n) || isLocal(subject) {
		return value{level: denied}
	}
	f, ok, passed := w.view.FindCounted(n, sh.id, subject)
	if passed > 0 && !w.pass(passed) {
		return value{level: aborted}
	}
	if !ok {
		return value{level: denied}
	}
	v, _ := w.weigh(sh, &f)
	return v
}

// every is the mask of what may have tuples of any shape.
const every = ^store.ShapeMask(0)

// shapesAt returns which shapes tuples of object n may have; the others cost nothing.
func (w *walk) shapesAt(n store.Node) store.ShapeMask {
	switch {
	case w.given != nil:
		return every
	case isLocal(n):
		return 0
	}
	return w.view.ObjectMask(n)
}

// shapesOf returns which shapes tuples may have that name subject s.
func (w *walk) shapesOf(s *ResolvedSubject) store.ShapeMask {
	if w.given != nil {
		return every
	}
	var mask store.ShapeMask
	if s.Node != 0 && !isLocal(s.Node) {
		mask = w.view.SubjectMask(s.Node)
	}
	if s.everyone != 0 && !isLocal(s.everyone) {
		mask |= w.view.SubjectMask(s.everyone)
	}
	return mask
}

// isAbsent reports whether no tuple of object n and shape sh exists, where that
// costs nothing to know.
func (w *walk) isAbsent(n store.Node, sh *shape) bool {
	return w.given == nil && (isLocal(n) || !w.view.MayHave(n, sh.id))
}

// row steps through the tuples of one object and shape that the question may
// see, the given ones first.
type row struct {
	subject store.Node
	value   value // of the tuple alone; aborted = the walk is given up

	shape  *shape
	object store.Node
	given  []givenFact
	stored store.Iter
}

func (w *walk) row(n store.Node, sh *shape) row {
	r := row{shape: sh, object: n}
	if w.given != nil {
		r.given = w.given.row(n, sh.id)
	}
	if !isLocal(n) {
		r.stored = w.view.Forward(n, sh.id)
	}
	if !w.spend() {
		r.given, r.stored = []givenFact{{}}, store.Iter{} // next says so
	}
	return r
}

// next steps to the next tuple and reports whether there is one.
func (w *walk) next(r *row) bool {
	for {
		var visible bool
		switch {
		case len(r.given) > 0:
			f := &r.given[0]
			r.given = r.given[1:]
			r.subject = f.subject
			r.value, visible = w.weighGiven(r.shape, f)
		case w.step(&r.stored):
			f := r.stored.Fact()
			if w.given != nil && w.given.find(r.object, r.shape.id, f.Subject) != nil {
				continue
			}
			r.subject = f.Subject
			r.value, visible = w.weigh(r.shape, &f)
		case w.err == nil:
			return false
		}
		if w.err != nil || !w.spend() {
			r.value, r.given, r.stored = value{level: aborted}, nil, store.Iter{}
			return true
		}
		if visible {
			return true
		}
	}
}

// weigh returns what a stored fact is worth by itself, and whether the schema
// and the time let the question see it.
func (w *walk) weigh(sh *shape, f *store.Fact) (v value, visible bool) {
	switch {
	case f.Caveat != 0:
		return w.weighCaveat(sh, f)
	case f.Expires == 0:
		visible = sh.bare
	default:
		visible = sh.lasting && w.lasts(f.Expires)
	}
	if visible {
		v.level = allowed
	}
	return v, visible
}

func (w *walk) weighCaveat(sh *shape, f *store.Fact) (value, bool) {
	name, context := w.view.Caveat(f.Caveat)
	for i := range sh.caveats {
		t := &sh.caveats[i]
		if t.sym != name || t.expiring != (f.Expires != 0) {
			continue
		}
		if t.expiring && !w.lasts(f.Expires) {
			return value{}, false
		}
		v, done := w.caveats[f.Caveat]
		if !done {
			if w.caveats == nil {
				w.caveats = map[store.CaveatRef]value{}
			}
			v = w.judge(t, context, sh, f.Object, f.Subject)
			w.caveats[f.Caveat] = v
		}
		return v, true
	}
	return value{}, false
}

func (w *walk) weighGiven(sh *shape, f *givenFact) (value, bool) {
	if f.expires != 0 && !w.lasts(f.expires) {
		return value{}, false
	}
	if f.trait == nil {
		return value{level: allowed}, true
	}
	return w.judge(f.trait, f.context, sh, f.object, f.subject), true
}

// lasts reports whether a tuple with that expiry is still there, and narrows
// the time for which the answer holds.
func (w *walk) lasts(expires int64) bool {
	if w.now >= expires {
		w.since = max(w.since, expires)
		return false
	}
	w.until = min(w.until, expires)
	return true
}

// caveatReads is what an evaluation of a caveat counts against the limit of reads.
const caveatReads = 50

// judge evaluates a caveat. The tuple's stored context wins over the question's.
func (w *walk) judge(t *trait, stored string, sh *shape, object, subject store.Node) value {
	if w.err = w.ctx.Err(); w.err != nil { // an evaluation may take long
		return value{level: aborted}
	}
	w.usedContext = true
	// A caveat costs as much as many reads, and may cost far more.
	w.reads += caveatReads - 1
	if !w.spend() {
		return value{level: aborted}
	}
	if w.err = w.ctx.Err(); w.err == nil {
		w.err = w.checkCaveatTime()
	}
	if w.err != nil {
		return value{level: aborted}
	}
	begun := time.Now()
	holds, missing, err := w.evaluate(t, stored)
	w.caveatTime += time.Since(begun)
	switch {
	case err != nil:
		return w.fail(&CaveatError{t.name, w.tupleText(sh, object, subject), err})
	case len(missing) > 0:
		return value{level: conditional, open: w.openNames(missing)}
	case holds:
		return value{level: allowed}
	}
	return value{level: denied}
}

func (w *walk) evaluate(t *trait, stored string) (holds bool, missing []string, err error) {
	if stored == "" {
		return t.caveat.Eval(w.context)
	}
	args, err := tuple.DecodeContext([]byte(stored))
	if err != nil {
		return false, nil, err
	}
	for name, arg := range w.context {
		if _, own := args[name]; !own {
			args[name] = arg
		}
	}
	return t.caveat.Eval(args)
}

// mostCaveatTime bounds the time that a question spends on caveats. It is for
// questions without a deadline: an expression may cost thousands of times what
// a read does.
const mostCaveatTime = 5 * time.Second

// mostListCaveatTime is mostCaveatTime for a whole list, with all that it decides.
var mostListCaveatTime = 30 * time.Second // a variable for tests

func (w *walk) checkCaveatTime() error {
	if w.caveatTime > w.mostCaveats {
		return &LimitError{"time", int(w.mostCaveats.Milliseconds()), int(w.caveatTime.Milliseconds())}
	}
	return nil
}

// openNames returns the bits of names. Names past the 63rd share one bit.
func (w *walk) openNames(names []string) uint64 {
	var bits uint64
	for _, name := range names {
		i := slices.Index(w.names, name)
		if i < 0 {
			i = len(w.names)
			w.names = append(w.names, name)
		}
		bits |= 1 << min(i, 63)
	}
	return bits
}

// missing returns the names that bits stand for, sorted.
func (w *walk) missing(bits uint64) []string {
	var names []string
	for i, name := range w.names {
		if bits&(1<<min(i, 63)) != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (w *walk) tupleText(sh *shape, object, subject store.Node) string {
	y := w.view.Symbols()
	key, s := y.Shape(sh.id), w.object(subject)
	k := tuple.Key{
		Object:   w.object(object),
		Relation: y.Name(key.Relation),
		Subject:  tuple.Subject{Type: s.Type, ID: s.ID},
	}
	if sh.form == userset {
		k.Subject.Relation = y.Name(key.SubjectRelation)
	}
	return k.String()
}
