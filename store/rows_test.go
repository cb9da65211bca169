package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// checkRows compares what Rows says of the objects of h.
func (w *rowWorld) checkRows(h heldRows) {
	w.Helper()
	v := h.v
	rows := map[Node]map[ShapeID][]tuple.Tuple{} // by object
	for _, tp := range h.all {
		o, sh, _ := v.g.parts(tp)
		if rows[o] == nil {
			rows[o] = map[ShapeID][]tuple.Tuple{}
		}
		rows[o][sh] = append(rows[o][sh], tp)
	}
	for o, all := range rows {
		w.checkPlainObjects(v, o)
		w.checkSeek(v, o, all)
		w.checkWays(v, o, all)
	}
}

// checkPlainObjects compares what PlainObjects says of the subjects of an object
// with what Reverse does.
func (w *rowWorld) checkPlainObjects(v View, o Node) {
	const most = 5
	var rows Rows
	for rows.Open(&v, o); rows.Next(nil, nil, 0, ^ShapeMask(0)); {
		for all := rows.Iter(); all.Next(); {
			var want []Node
			plain := true
			it := v.Reverse(all.Fact().Subject, rows.Shape())
			for len(want) <= most && it.Next() {
				want = append(want, it.Fact().Object)
				plain = plain && it.Fact().Caveat == 0 && it.Fact().Expires == 0
			}
			got, ok := v.PlainObjects(all.Fact().Subject, rows.Shape(), most, nil)
			if ok && (!plain || len(want) > most || !slices.Equal(got, want)) {
				w.Fatalf("seed %d: at %d subject %d has plain %v, not %v", w.seed, v.Revision(), all.Fact().Subject, got, want)
			}
		}
	}
}

const every = ^ShapeMask(0)

// checkSeek seeks random subjects: each row that has one has to be stepped to, and
// what is plain is as it seems.
func (w *rowWorld) checkSeek(v View, o Node, all map[ShapeID][]tuple.Tuple) {
	var set Sought
	r := rand.New(rand.NewPCG(w.seed, uint64(o)))
	kinds := map[ShapeID]int{}
	for shape := range all {
		kinds[shape] = r.IntN(2) * int(shape) // of one kind, or of as many as there may be
	}
	set.Reset(NewKinds(kinds))
	few := set.kinds.Few(slices.Collect(maps.Keys(all)))
	if r.IntN(4) == 0 {
		few = nil
	}
	for shape, tuples := range all {
		_, _, s := v.g.parts(tuples[r.IntN(len(tuples))])
		for range 2 { // where it stands, and elsewhere
			set.Add(kinds[shape], s, every)
			shape = slices.MaxFunc(slices.Collect(maps.Keys(all)), func(a, b ShapeID) int { return int(a) - int(b) })
		}
		if set.seeks() == 3 {
			break
		}
	}
	mask := ShapeMask(r.Uint64())
	hit := map[ShapeID]bool{}
	var rows Rows
	for rows.Open(&v, o); rows.Next(few, &set, mask, 0); {
		n, plain := rows.Hit()
		if !mask.Has(rows.Shape()) || !set.nodes[set.kindOf(rows.Shape())].has(n) || hit[rows.Shape()] {
			w.Fatalf("seed %d: stepped to shape %d of node %d for %d", w.seed, rows.Shape(), o, n)
		}
		hit[rows.Shape()] = true
		f, ok := v.Find(o, rows.Shape(), n)
		if plain && (!ok || f.Caveat != 0 || f.Expires != 0) {
			w.Fatalf("seed %d: at %d %v is plain", w.seed, v.Revision(), f)
		}
	}
	for shape, tuples := range all {
		for _, tp := range tuples {
			_, _, s := v.g.parts(tp)
			if mask.Has(shape) && set.nodes[set.kindOf(shape)].has(s) && !hit[shape] {
				w.Fatalf("seed %d: %s is not sought at %d", w.seed, tp, v.Revision())
			}
		}
	}
}

// seeks returns how many nodes are sought.
func (s *Sought) seeks() (n int) {
	for i := range s.nodes {
		n += len(s.nodes[i].list)
	}
	return n
}

// checkWays steps through all rows of an object.
func (w *rowWorld) checkWays(v View, o Node, all map[ShapeID][]tuple.Tuple) {
	var r Rows
	for r.Open(&v, o); r.Next(nil, nil, 0, ^ShapeMask(0)); {
		tuples := all[r.Shape()]
		delete(all, r.Shape())
		if n := r.Only(); n != 0 {
			if len(tuples) != 1 || v.g.node(v.g.syms.Lookup(tuples[0].Subject.Type), tuples[0].Subject.ID) != n || tuples[0].Caveat != "" {
				w.Fatalf("seed %d: at %d node %d is the only one of %v", w.seed, v.Revision(), n, tuples)
			}
			continue
		}
		n := 0
		for it := r.Iter(); it.Next(); n++ {
		}
		if n != len(tuples) {
			w.Fatalf("seed %d: at %d %d tuples instead of %v", w.seed, v.Revision(), n, tuples)
		}
	}
	if len(all) > 0 {
		w.Fatalf("seed %d: at %d node %d lacks rows: %v", w.seed, v.Revision(), o, all)
	}
}

// TestRows_StepThroughAsManyAsThereAre gives an object from one to more rows than
// are looked at at once, shapes that share a bit among them.
func TestRows_StepThroughAsManyAsThereAre(t *testing.T) {
	s := New(Options{})
	apply(t, s, 1, Command{Kind: KindInit, ClusterID: "c", Tenant: "default"})
	for n := 1; n <= 2*atOnce+3; n++ {
		tp := tuple.Tuple{
			Object: tuple.Object{Type: "doc", ID: "d"}, Relation: fmt.Sprint("r", n),
			Subject: tuple.Subject{Type: "user", ID: fmt.Sprint("u", n)},
		}
		apply(t, s, uint64(n)+1, Command{Kind: KindWrite, Tenant: "default", Updates: []Update{{Op: OpCreate, Tuple: tp}}})
		v := must[View](t)(s.View("default", 0))
		y := v.Symbols()
		o, u := v.Node(y.Lookup("doc"), "d"), v.Node(y.Lookup("user"), fmt.Sprint("u", n))
		shape := y.LookupShape(shapeOf(y.Lookup, tp))
		var set Sought
		set.Reset(Kinds{0})
		set.Add(0, u, every)
		var rows Rows
		stepped := map[ShapeID]bool{}
		for rows.Open(&v, o); rows.Next(nil, &set, 0, ^ShapeMask(0)); {
			stepped[rows.Shape()] = true
		}
		if len(stepped) != n {
			t.Fatalf("%d rows of %d", len(stepped), n)
		}
		found := 0
		for rows.Open(&v, o); rows.Next(nil, &set, shape.Mask(), 0); found++ {
			if hit, plain := rows.Hit(); rows.Shape() != shape || hit != u || !plain {
				t.Fatalf("%d rows: found %d in shape %d", n, hit, rows.Shape())
			}
		}
		if found != 1 {
			t.Fatalf("%d rows: found %d times", n, found)
		}
		for rows.Open(&v, o); rows.Next(nil, &set, ^shape.Mask(), 0); {
			t.Fatalf("%d rows: found in shape %d, whose bit was not asked for", n, rows.Shape())
		}
	}
}
