package authz

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// OutcomeAllowed is that of the steps on the way that allows.
const OutcomeAllowed = graph.OutcomeAllowed

// Row is a relation with one plain type of subjects, as a layer looks it up often:
// it remembers what its names are in the store. It is not copied once in use.
type Row struct {
	Type, Relation, SubjectType string

	known atomic.Pointer[knownRow]
}

type knownRow struct {
	symbols *store.Symbols
	typ     store.Sym
	shape   store.ShapeID
}

// in returns the row's names in a store, with zeros for those that it does not
// have yet.
func (r *Row) in(y *store.Symbols) *knownRow {
	if k := r.known.Load(); k != nil && k.symbols == y {
		return k
	}
	k := &knownRow{symbols: y, typ: y.Lookup(r.Type)}
	k.shape = y.LookupShape(store.Shape{Type: k.typ, Relation: y.Lookup(r.Relation), SubjectType: y.Lookup(r.SubjectType)})
	if k.shape != 0 {
		r.known.Store(k)
	}
	return k
}

// First returns the id of a subject of the object's row that has not expired: the
// subject, where a row has one at most. named reports whether any tuple names the
// object. It does not depend on how many relations there are, and allocates nothing.
func (v *LayerView) First(r *Row, id string) (subject string, found, named bool) {
	k := r.in(v.view.Symbols())
	object := v.view.Node(k.typ, id)
	if object == 0 {
		return "", false, false
	}
	if k.shape == 0 || !v.view.MayHave(object, k.shape) {
		return "", false, true
	}
	for it := v.view.Forward(object, k.shape); it.Next(); {
		if f := it.Fact(); f.Expires == 0 || f.Expires > v.Time {
			_, subject = v.view.NodeName(f.Subject)
			return subject, true, true
		}
	}
	return "", false, true
}

// Moment returns a number that only views have which show the same, of all that
// this process has ever had of the layer; 0 = that is not known.
func (v *LayerView) Moment() uint64 {
	const bits = 40
	generation, revision := v.view.Generation(), v.view.Revision()
	if generation>>(64-bits) != 0 || revision>>bits != 0 {
		return 0
	}
	return generation<<bits | revision
}

// TuplesOf yields the tuples of an object that have not expired, of the relations
// that wanted selects, in no order. Unlike Tuples it takes no look at relations
// that the object has no tuples of, nor at the tuples of others.
func (v *LayerView) TuplesOf(o tuple.Object, wanted func(relation string) bool) iter.Seq[tuple.Tuple] {
	return func(yield func(tuple.Tuple) bool) {
		y := v.view.Symbols()
		node := v.view.Node(y.Lookup(o.Type), o.ID)
		if node == 0 {
			return
		}
		var rows store.Rows
		for rows.Open(&v.view, node); rows.Next(nil, nil, 0, ^store.ShapeMask(0)); {
			if !wanted(y.Name(y.Shape(rows.Shape()).Relation)) {
				continue
			}
			for it := rows.Iter(); it.Next(); {
				f := it.Fact()
				if f.Expires != 0 && f.Expires <= v.Time {
					continue
				}
				if !yield(v.view.Tuple(f)) {
					return
				}
			}
		}
	}
}

// CheckSet asks whether any of the subjects, of which there is one at least, has
// the permission on the object. It allocates nothing.
func (v *LayerView) CheckSet(ctx context.Context, object tuple.Object, permission string, subjects *SubjectSet) (Answer, error) {
	room := askeds.Get().(*asked)
	q := &room.questions[0]
	*q = graph.Question{Object: object, Permission: permission, Implied: subjects, Now: v.Time, Limits: v.service.opts.Limits}
	a, err := v.service.checker.Check(ctx, v.graph, v.view, q)
	room.release(1)
	if err != nil {
		return Answer{}, questionError(err)
	}
	return a, nil
}

// SubjectsOf returns the ids of the subjects of a kind that have a permission on
// an object, as Service.ListSubjects does at this view.
func (v *LayerView) SubjectsOf(ctx context.Context, object tuple.Object, permission, typ, relation string) ([]string, error) {
	q := graph.SubjectsQuestion{Object: object, Permission: permission, Type: typ, Relation: relation, Now: v.Time, Limits: v.service.opts.Limits}
	var ids []string
	var failed error
	_, err := v.graph.ListSubjects(ctx, v.view, &q, func(l graph.Listed) bool {
		if l.Err != nil {
			failed = questionError(l.Err)
			return false
		}
		if l.Decision == Allowed {
			ids = append(ids, l.ID)
		}
		return true
	})
	if err != nil {
		return nil, listError(err)
	}
	return ids, failed
}
