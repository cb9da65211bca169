package store

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/tuple"
)

// TupleChange is a tuple that differs between two neighbouring views.
type TupleChange struct {
	Deleted bool        // it is not there any more; Tuple is as it was
	Tuple   tuple.Tuple // else as it is, new or with another caveat or expiry
}

// Revision is the net effect of one revision on one tenant: what differs
// between the view before and the view at it. A tuple that comes and goes
// within the revision is no part of it, nor one that is written as it was;
// one that expires does not change.
type Revision struct {
	Revision uint64
	// Tuples holds each tuple once: first those that are gone, then those that
	// are new or changed, each in the order in which they were created.
	Tuples []TupleChange
	// Schema says that the text of the schema record changed, came or went.
	Schema bool
}

// Changes returns what happened to a tenant later than revision after and not
// later than upto (0 = the newest revision), oldest first, revisions without a
// net effect left out. It returns whole revisions: at least one if there is
// any, and none beyond the one that brings the tuple changes to limit. The
// answer is complete up to next, where another call goes on. Calls with
// different limits, on different nodes or after a restart, return the same
// revisions.
//
// The cost is that of the changes between after and next. It does not hold up
// the writer but for copying a few of them at a time.
//
// incarnation is the tenant's that the caller knows, 0 = whichever. The error
// is a *TenantError (gone, or another incarnation), ErrHorizon (not all changes
// later than after are known any more) or ErrFuture.
func (s *Store) Changes(tenant string, incarnation uint64, after, upto uint64, limit int) (rs []Revision, next uint64, err error) {
	st := s.state.Load()
	if upto == 0 {
		upto = st.revision
	}
	if at := max(after, upto); at > st.revision {
		return nil, 0, fmt.Errorf("%w: %d, applied is %d", ErrFuture, at, st.revision)
	}
	sp := st.space(tenant)
	if sp == nil || incarnation != 0 && incarnation != sp.info.Incarnation {
		return nil, 0, &TenantError{tenant}
	}
	g := sp.gen.Load()
	if floor := max(st.horizon, g.floor); after < floor {
		return nil, 0, fmt.Errorf("%w: %d, the oldest is %d", ErrHorizon, after, floor)
	}
	w := watch{g: g, upto: upto, limit: max(limit, 1), next: after}
	return w.run()
}

// watch reads a change list.
//
// The entry that is being applied writes beside it, later than upto: it adds
// changes and ends versions, which only hides a version from revisions that
// are not asked for. And it may trim the list, which the list notices.
type watch struct {
	g     *generation
	upto  uint64
	limit int // tuple changes left

	out  []Revision
	next uint64

	// of the revision at hand
	gone, come []uint32
	replaced   map[uint32]bool // versions that ended, and another took their place
}

func (w *watch) run() ([]Revision, uint64, error) {
	for {
		batch, more, ok := w.g.changesBetween(w.next, w.upto, min(2*w.limit+8, mostChanges))
		switch {
		case !ok && len(w.out) > 0:
			return w.out, w.next, nil
		case !ok:
			return nil, 0, fmt.Errorf("%w: %d", ErrHorizon, w.next)
		}
		for len(batch) > 0 && w.limit > 0 {
			w.revision(&batch[0])
			w.next, batch = batch[0].rev, batch[1:]
		}
		if len(batch) == 0 && !more {
			return w.out, max(w.next, w.upto), nil
		}
		if w.limit <= 0 {
			return w.out, w.next, nil
		}
	}
}

// revision takes all changes of one revision.
func (w *watch) revision(at *revChanges) {
	w.gone, w.come = w.gone[:0], w.come[:0]
	clear(w.replaced)
	schema := false
	for ref := at.first; ref <= at.last; ref++ {
		w.created(ref, at)
	}
	for _, c := range at.changes {
		switch c.kind {
		case changeDelete:
			if !at.created(c.ref) {
				w.gone = append(w.gone, c.ref)
			}
		case changeRecord:
			schema = schema || w.g.records.versions.at(c.ref).key == SchemaRecord
		}
	}
	w.gone = slices.DeleteFunc(w.gone, func(ref uint32) bool { return w.replaced[ref] })
	r := Revision{Revision: at.rev, Tuples: w.tuples(), Schema: schema && w.g.records.differs(SchemaRecord, at.rev)}
	if r.Schema || len(r.Tuples) > 0 {
		w.out = append(w.out, r)
		w.limit -= len(r.Tuples)
	}
}

// created takes a version that begins at a revision. All that is looked at on
// the way to its predecessor belongs to this revision too.
func (w *watch) created(ref uint32, at *revChanges) {
	x := w.g.extra(w.g.facts.at(ref))
	if ended(x, at.rev) {
		return
	}
	older := x.older
	for at.created(older) {
		older = w.g.extra(w.g.facts.at(older)).older
	}
	if older != 0 {
		if o := w.g.extra(w.g.facts.at(older)); o.deleted.Load() == at.rev {
			if w.replaced == nil {
				w.replaced = map[uint32]bool{}
			}
			w.replaced[older] = true
			if o.caveat == x.caveat && o.expires == x.expires {
				return
			}
		}
	}
	w.come = append(w.come, ref)
}

// tuples makes the changes of the revision at hand. The order is that of the
// references, not of the list, because copies keep only the former.
func (w *watch) tuples() []TupleChange {
	if len(w.gone)+len(w.come) == 0 {
		return nil
	}
	slices.Sort(w.gone)
	slices.Sort(w.come)
	v := View{g: w.g}
	out := make([]TupleChange, 0, len(w.gone)+len(w.come))
	for _, ref := range w.gone {
		out = append(out, TupleChange{true, v.Tuple(w.g.value(w.g.facts.at(ref)))})
	}
	for _, ref := range w.come {
		out = append(out, TupleChange{false, v.Tuple(w.g.value(w.g.facts.at(ref)))})
	}
	return out
}

// differs reports whether a record is another one in the view at rev than in
// the view before.
func (r *records) differs(key string, rev uint64) bool {
	was, is := r.at(key, rev-1), r.at(key, rev)
	if was == nil || is == nil {
		return was != is
	}
	return !bytes.Equal(was.value, is.value)
}
