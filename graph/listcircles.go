package graph

import (
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// fromCircles takes the list to where nothing leads: objects that an .all()
// makes depend on their own contrary. Check ends in error there, whoever asks.
// Only a schema of which Validate warns ("negative-recursion") has such objects;
// they are found by reading the tuples of the tuplesets.
func (l *objectList) fromCircles() {
	for number, p := range l.ways.programs {
		body := l.g.programs[p].rewrites
		for i := body.from; i < body.to; i++ {
			if r := l.g.rewrites[i]; r.op == opAll && l.g.looping[i] {
				l.fromTupleset(&way{to: int32(number), guarded: true}, r.span)
			}
		}
	}
}

func (l *objectList) fromTupleset(w *way, hops span) {
	for _, h := range l.g.hops[hops.from:hops.to] {
		shape := l.g.shapes[h.shape].id
		if l.rows.given != nil {
			for _, k := range l.rows.given.order {
				if k.shape == shape {
					l.arrive(w, k.object, arrival{})
				}
			}
		}
		y := l.view.Symbols()
		key := y.Shape(shape)
		f := tuple.Filter{Type: y.Name(key.Type), Relation: y.Name(key.Relation)}
		l.view.Scan(f, nil, func() bool { return l.rows.pass(store.ScanStep) && l.mayGoOn() }, func(t tuple.Tuple) bool {
			if l.rows.spend() {
				l.arrive(w, l.view.Node(key.Type, t.Object.ID), arrival{})
			}
			return l.mayGoOn()
		})
	}
}
