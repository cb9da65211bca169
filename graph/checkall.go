package graph

import (
	"context"

	"github.com/pemba-authz/pemba/store"
)

// beside is how many questions are walked side by side. More would push each other's
// scratch out of the nearest cache.
const beside = 16

// CheckAll is CheckResolved for each of rs, in a fraction of the time where there are
// several: while one question waits for memory, others go on. out and errs have the
// length of rs. Those that are nil are left out.
func (g *Graph) CheckAll(ctx context.Context, v store.View, rs []*Resolved, out []Answer, errs []error) {
	for len(rs) > 0 {
		n := min(len(rs), beside)
		g.checkSome(ctx, &v, rs[:n], out, errs)
		rs, out, errs = rs[n:], out[n:], errs[n:]
	}
}

// checkSome is CheckAll for at most beside questions.
func (g *Graph) checkSome(ctx context.Context, v *store.View, rs []*Resolved, out []Answer, errs []error) {
	var (
		all  [beside]*walk
		live [beside]int // those that search
		n    int
	)
	for i, r := range rs {
		if r == nil {
			continue
		}
		w := walks.Get().(*walk)
		all[i] = w
		w.begin(ctx, g, v, r)
		w.beginOrder()
		value, searches := w.start(r.Program, r.Object)
		if searches {
			w.touchGroups()
			live[n] = i
			n++
			continue
		}
		errs[i] = w.conclude(value, r.Program, r.Object, &out[i])
	}
	for n > 0 {
		for _, i := range live[:n] {
			all[i].touchNext()
		}
		still := 0
		for _, i := range live[:n] {
			if all[i].searchOn() {
				live[still] = i
				still++
				continue
			}
			errs[i] = all[i].answerSearch(rs[i].Program, rs[i].Object, &out[i])
		}
		n = still
	}
	for _, w := range all[:len(rs)] {
		if w != nil {
			w.end()
			walks.Put(w)
		}
	}
}

// touchNext begins to read what the next step looks at.
func (w *walk) touchNext() {
	if h, q := &w.hunt, &w.visits; len(h.families) == 0 && h.next > 0 {
		w.view.TouchRows(q.list[h.next].node)
	}
}

// touchGroups begins to read which groups name the subjects, for when the search asks.
func (w *walk) touchGroups() {
	for _, p := range w.g.searches[w.hunt.search].beyond {
		for _, q := range w.g.programs[p].family {
			all := w.g.programs[q].shapes
			for i := all.from; i < all.to; i++ {
				sh := &w.g.shapes[i]
				for j := range w.subjects {
					if s := &w.subjects[j]; sh.form == plain && s.Program < 0 && s.Type == sh.typ && s.Node != 0 && !isLocal(s.Node) {
						w.view.TouchObjects(s.Node, sh.id)
					}
				}
			}
		}
	}
}
