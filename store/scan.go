package store

import (
	"cmp"
	"iter"
	"slices"

	"github.com/pemba-authz/pemba/tuple"
)

// Tuples yields the tuples that f selects, expired ones included. The zero
// Filter selects all that the tenant has; any other has a type.
//
// The order is the view's: the same on every node, after a restart, whatever
// has been collected. With an object's id, or else a subject's, the tuples come
// by relation and kind of subject (the names in byte order, subjects by
// themselves before wildcards before usersets), newest first within each; this reads that object's
// or subject's tuples. Otherwise they come oldest first, by the
// revision that created them and their place in it; this reads all that the
// tenant has.
func (v View) Tuples(f tuple.Filter) iter.Seq[tuple.Tuple] {
	return func(yield func(tuple.Tuple) bool) { v.scan(f, 0, &sweep{yield: yield}) }
}

// TuplesAfter goes on with Tuples(f) right behind the tuple that has the key
// after, without reading what came before it. It reports false if Tuples(f)
// does not yield that tuple.
func (v View) TuplesAfter(f tuple.Filter, after tuple.Key) (tuples iter.Seq[tuple.Tuple], ok bool) {
	ref := v.position(f, after)
	return func(yield func(tuple.Tuple) bool) {
		if ref != 0 {
			v.scan(f, ref, &sweep{yield: yield})
		}
	}, ref != 0
}

// Scan is Tuples, or with after TuplesAfter, for those who may lose interest
// while nothing is yielded: every few thousand versions it asks goOn, and ends
// when that returns false. It reports false if Tuples(f) does not yield after.
func (v View) Scan(f tuple.Filter, after *tuple.Key, goOn func() bool, yield func(tuple.Tuple) bool) (ok bool) {
	ref := uint32(0)
	if after != nil {
		if ref = v.position(f, *after); ref == 0 {
			return false
		}
	}
	v.scan(f, ref, &sweep{yield, goOn})
	return true
}

// ScanStep is how many versions Scan passes between two looks at whether to go
// on: some microseconds.
const ScanStep = 4096

// sweep is one scan's way to its caller.
type sweep struct {
	yield func(tuple.Tuple) bool
	goOn  func() bool // nil = always
}

func (s *sweep) mayGoOn() bool { return s.goOn == nil || s.goOn() }

// position returns the version that v shows of the tuple with that key, 0 if
// there is none or f does not select it.
func (v View) position(f tuple.Filter, k tuple.Key) uint32 {
	t := tuple.Tuple{Object: k.Object, Relation: k.Relation, Subject: k.Subject}
	if f != (tuple.Filter{}) && !f.Matches(t) {
		return 0
	}
	object, shape, subject := v.g.parts(t)
	ref, _, _ := v.g.find(object, shape, subject, v.limit, v.rev)
	return ref
}

// scan yields what f selects behind the version after, 0 = from the start.
func (v View) scan(f tuple.Filter, after uint32, to *sweep) {
	switch y := v.g.syms; {
	case f.ID != "":
		v.scanRows(v.Node(y.Lookup(f.Type), f.ID), forward, f, after, to)
	case f.SubjectID != "":
		v.scanRows(v.Node(y.Lookup(f.SubjectType), f.SubjectID), reverse, f, after, to)
	default:
		v.scanAll(f, after, to)
	}
}

// scanRows reads one node's rows in the order of their shapes' names: it is the
// only one that does not depend on the layout, and a row's place in it is found
// without reading the rows before.
func (v View) scanRows(n Node, dir direction, f tuple.Filter, after uint32, to *sweep) {
	shapes := v.rowShapes(n, dir, f)
	if after != 0 {
		shape := v.g.facts.at(after).shape
		i := slices.Index(shapes, shape)
		it := v.iter(n, keyOf(shape, dir))
		it.row.n = it.row.place(after)
		if !v.yieldRow(it, f, to) {
			return
		}
		shapes = shapes[i+1:]
	}
	for _, id := range shapes {
		if !v.yieldRow(v.iter(n, keyOf(id, dir)), f, to) {
			return
		}
	}
}

// yieldRow reports whether the caller wants more.
func (v View) yieldRow(it Iter, f tuple.Filter, to *sweep) bool {
	for passed := 0; ; {
		found, more := it.NextWithin(ScanStep)
		if passed += 1 + it.Skipped(); passed >= ScanStep {
			if passed = 0; !to.mayGoOn() {
				return false
			}
		}
		switch {
		case found:
			if t := v.Tuple(it.Fact()); f.Matches(t) && !to.yield(t) {
				return false
			}
		case !more:
			return true
		}
	}
}

// rowShapes lists the shapes that f selects and n may have rows of, by name.
func (v View) rowShapes(n Node, dir direction, f tuple.Filter) []ShapeID {
	var out []ShapeID
	if n == 0 {
		return nil
	}
	for id := range v.g.shapesOf(f) {
		if v.g.mayHave(n, id, dir) {
			out = append(out, id)
		}
	}
	y := v.g.syms
	slices.SortFunc(out, func(a, b ShapeID) int {
		s, t := y.Shape(a), y.Shape(b)
		return cmp.Or(cmp.Compare(y.Name(s.Type), y.Name(t.Type)), cmp.Compare(y.Name(s.Relation), y.Name(t.Relation)),
			cmp.Compare(y.Name(s.SubjectType), y.Name(t.SubjectType)), cmp.Compare(y.Name(s.SubjectRelation), y.Name(t.SubjectRelation)))
	})
	return out
}

// scanAll reads all versions in the order of their references, which is that
// of their creation: copies, to a new generation or through a snapshot, keep it.
func (v View) scanAll(f tuple.Filter, after uint32, to *sweep) {
	var wanted []bool // by shape; nil = all
	if f != (tuple.Filter{}) {
		wanted = make([]bool, 1)
		for id := range v.g.shapesOf(f) {
			wanted = append(wanted, make([]bool, max(0, int(id)+1-len(wanted)))...)
			wanted[id] = true
		}
	}
	for ref := after + 1; ref <= v.limit; ref++ {
		if ref%ScanStep == 0 && !to.mayGoOn() {
			return
		}
		e := v.g.facts.at(ref)
		if wanted != nil && (int(e.shape) >= len(wanted) || !wanted[e.shape]) {
			continue
		}
		if !v.g.endedBy(e, v.rev) && !to.yield(v.Tuple(v.g.value(e))) {
			return
		}
	}
}

// sampleVersions bounds what ShapeTuples reads: some tens of milliseconds.
var sampleVersions = uint32(8 << 20) // a variable for tests

// ShapeTuples returns up to most live tuples of a class, expired ones included,
// oldest first, and how many there are in all: what stands in the way of a
// schema that forbids them.
//
// It reads no more than 8 Mi versions. The sample may be short only in a tenant
// that has more. The number is exact unless a write is being applied, which it
// may count already; but if tuples of this kind have changed since the view's
// revision, it is what was seen among those versions, so a lower bound.
func (v View) ShapeTuples(e EmptyShape, most int) (sample []tuple.Tuple, n int64) {
	c := v.g.class(e)
	if c.shape == 0 {
		return nil, 0
	}
	counted := v.LastChange(c.shape) <= v.rev
	if counted {
		n = v.g.countClass(c)
	}
	seen := int64(0)
	for ref, last := uint32(1), min(v.limit, sampleVersions); ref <= last; ref++ {
		if counted && seen >= min(n, int64(most)) {
			return sample, n
		}
		f := v.g.facts.at(ref)
		if f.shape != c.shape || v.g.endedBy(f, v.rev) || !c.has(v.g.traitsOf(f)) {
			continue
		}
		if seen++; seen <= int64(most) {
			sample = append(sample, v.Tuple(v.g.value(f)))
		}
	}
	return sample, max(n, seen)
}
