package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Verify proves that all that the store derives agrees with the tuple and
// record versions: both indexes, version chains, counters, the change list and
// the request index. It reads everything and holds up the writer meanwhile.
func (s *Store) Verify() error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	st := s.state.Load()
	if err := validSecret(st.secret); err != nil || st.clusterID == "" && st.secret != nil {
		return fmt.Errorf("verify: a secret of %d bytes in cluster %q", len(st.secret), st.clusterID)
	}
	for _, sp := range st.spaces() {
		v := verifier{g: sp.gen.Load(), st: st}
		if err := v.run(); err != nil {
			return fmt.Errorf("verify tenant %q: %w", sp.info.Name, err)
		}
	}
	if len(s.requests.index) != len(s.requests.kept) {
		return fmt.Errorf("verify: %d request ids indexed, %d kept", len(s.requests.index), len(s.requests.kept))
	}
	for i := range s.requests.kept {
		if q := s.requests.find(s.requests.kept[i].key); q != &s.requests.kept[i] {
			return fmt.Errorf("verify: request %s is not found by its id", s.requests.kept[i].key.id)
		}
	}
	return nil
}

type verifier struct {
	g  *generation
	st *state
}

func (v *verifier) run() error {
	return errors.Join(v.nodes(), v.facts(), v.rows(), v.counters(), v.records(), v.changes(), v.dead())
}

func (v *verifier) nodes() error {
	for ref := uint32(1); ref <= v.g.nodes.len(); ref++ {
		typ, id := v.g.nodeName(Node(ref))
		if got := v.g.node(typ, id); got != Node(ref) {
			return fmt.Errorf("node %d (%q) is found as %d", ref, id, got)
		}
	}
	return nil
}

// facts checks that each version is found from its key and that the lives of
// one tuple's versions follow each other.
func (v *verifier) facts() error {
	reached := make([]bool, v.g.facts.len()+1)
	for ref := v.g.facts.len(); ref > 0; ref-- {
		f := v.g.facts.at(ref)
		x := v.g.extra(f)
		created, d := v.g.log.createdAt(ref), x.deleted.Load()
		if d != 0 && d < created || max(created, d) > v.st.revision {
			return fmt.Errorf("tuple version %d lives from %d to %d", ref, created, d)
		}
		if !reached[ref] && v.g.newest(f.object, f.shape, f.subject) != ref {
			return fmt.Errorf("tuple version %d is not found by its key", ref)
		}
		if x.older == 0 {
			continue
		}
		if x.older >= ref {
			return fmt.Errorf("tuple version %d comes before version %d", ref, x.older)
		}
		o := v.g.facts.at(x.older)
		if d := v.g.deleted(o); d == 0 || created != 0 && d > created || o.object != f.object || o.shape != f.shape || o.subject != f.subject {
			return fmt.Errorf("tuple version %d does not follow version %d", ref, x.older)
		}
		reached[x.older] = true
	}
	return nil
}

// rows checks that each fact is in exactly its two rows, and the rows' counters.
func (v *verifier) rows() error {
	inRows := 0
	for n := Node(1); n <= Node(v.g.nodes.len()); n++ {
		p, at := v.g.nodes.at(n)
		var errs []error
		p.rows(at, func(key rowKey, value *uint64) {
			if p.value(at, key) != *value || !v.g.mayHave(n, key.shape(), key.dir()) || !v.g.mask(n, key.dir()).Has(key.shape()) {
				errs = append(errs, fmt.Errorf("the row %d of node %d is not found by its key", key, n))
			}
			r := v.g.postings(p, *value)
			inRows += int(r.n)
			errs = append(errs, v.row(n, key, r))
		})
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	if inRows != 2*int(v.g.facts.len()) {
		return fmt.Errorf("%d tuple versions stand in %d row places", v.g.facts.len(), inRows)
	}
	return nil
}

func (v *verifier) row(n Node, key rowKey, r postings) error {
	last := uint32(0)
	for i := range r.n {
		x := r.at(i)
		if x.ref() <= last || x.ref() > v.g.facts.len() {
			return fmt.Errorf("tuple version %d stands behind %d in its row", x.ref(), last)
		}
		last = x.ref()
		f := v.g.facts.at(last)
		owner, its := f.row(key.dir())
		other, _ := f.row(1 - key.dir())
		if owner != n || its != key || other != x.node() || x.isMarked() != (f.extra.Load() != 0) {
			return fmt.Errorf("tuple version %d stands in the wrong row", last)
		}
	}
	if r.n == 0 {
		return fmt.Errorf("the row %d of node %d has no tuple versions", key, n)
	}
	kept, _ := v.g.countersOfRow(n, key)
	c := v.g.countRow(r)
	// What has been forgotten of changes lies below the horizon.
	c.changed, kept.changed = max(c.changed, v.st.horizon), max(kept.changed, v.st.horizon)
	if c != kept {
		return fmt.Errorf("row %d of node %d counts %d live, %d expiring, changed at %d; it has %d, %d, %d",
			key, n, kept.live, kept.expiring, kept.changed, c.live, c.expiring, c.changed)
	}
	return nil
}

func (v *verifier) counters() error {
	counts := map[ShapeTraits]int64{}
	changed := map[ShapeID]uint64{}
	for ref := uint32(1); ref <= v.g.facts.len(); ref++ {
		f := v.g.facts.at(ref)
		d := v.g.deleted(f)
		if d == 0 {
			counts[v.g.traitsOf(f)]++
		}
		changed[f.shape] = max(changed[f.shape], v.g.log.createdAt(ref), d)
	}
	for i := uint32(1); i <= v.g.traits.len(); i++ {
		c := v.g.traits.at(i)
		if c.live.Load() != counts[c.traits] || (c.latest != 0) != c.traits.Expiring {
			return fmt.Errorf("shape %d counts %d live tuples, has %d", c.traits.Shape, c.live.Load(), counts[c.traits])
		}
		delete(counts, c.traits)
	}
	if len(counts) > 0 {
		return fmt.Errorf("%d shapes are not counted", len(counts))
	}
	for id, rev := range changed {
		// A generation remembers changes whose versions are collected.
		if s := v.g.stat(id); s == nil || s.changed.Load() < rev || v.g.changed.Load() < s.changed.Load() {
			return fmt.Errorf("shape %d changed at %d, which is not noted", id, rev)
		}
	}
	return nil
}

func (v *verifier) records() error {
	for _, ref := range v.g.records.heads() {
		key := v.g.records.versions.at(ref).key
		for newer := v.st.revision; ref != 0; {
			r := v.g.records.versions.at(ref)
			if r.key != key || r.created > newer {
				return fmt.Errorf("record %q has a version %q of revision %d out of order", key, r.key, r.created)
			}
			newer, ref = r.created, r.older
		}
	}
	return nil
}

// dead checks the number of versions that ended below the horizon.
func (v *verifier) dead() error {
	n := 0
	for ref := uint32(1); ref <= v.g.facts.len(); ref++ {
		if d := v.g.deleted(v.g.facts.at(ref)); d != 0 && d <= v.st.horizon {
			n++
		}
	}
	if n != v.g.deadFacts {
		return fmt.Errorf("%d tuple versions ended below the horizon, %d are counted", n, v.g.deadFacts)
	}
	return nil
}

// changes checks the list against the versions, and that creations are in their
// order.
func (v *verifier) changes() error {
	l := &v.g.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	last := stamp{rev: l.floor}
	for i := range l.stamps.n {
		s := l.stamps.at(i)
		if s.rev <= last.rev || s.first <= last.first || s.first > v.g.facts.len() || s.rev > v.st.revision {
			return fmt.Errorf("the change list has revision %d begin with tuple version %d behind revision %d, which does with %d",
				s.rev, s.first, last.rev, last.first)
		}
		last = s
	}
	var got []change
	for i := range l.changes.n {
		if c := l.changes.at(i); c.rev > v.st.horizon {
			got = append(got, c)
		}
	}
	want := v.g.listChanges(v.st.horizon)
	if !slices.IsSortedFunc(got, func(a, b change) int { return cmp.Compare(a.rev, b.rev) }) {
		return errors.New("the change list is out of order")
	}
	sortChanges(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("the change list has %d entries above the horizon, the versions make %d", len(got), len(want))
	}
	return nil
}
