package store

import (
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
		if d := f.deleted.Load(); d != 0 && d < f.created || max(f.created, d) > v.st.revision {
			return fmt.Errorf("tuple version %d lives from %d to %d", ref, f.created, d)
		}
		if !reached[ref] && v.g.newest(f.object, f.shape, f.subject) != ref {
			return fmt.Errorf("tuple version %d is not found by its key", ref)
		}
		older := v.g.older(f)
		if older == 0 {
			continue
		}
		o := v.g.facts.at(older)
		if d := o.deleted.Load(); d == 0 || d > f.created || o.object != f.object || o.shape != f.shape || o.subject != f.subject {
			return fmt.Errorf("tuple version %d does not follow version %d", ref, older)
		}
		reached[older] = true
	}
	return nil
}

// rows checks that each fact is in exactly its two rows, and the rows' counters.
func (v *verifier) rows() error {
	inRows := 0
	for s := range v.g.rowIndex.all() {
		n, shape, dir := s.row()
		if v.g.rowIndex.find(s.key.Load()) != s || !v.g.mayHave(n, shape, dir) {
			return fmt.Errorf("the row of node %d and shape %d is not found by its key", n, shape)
		}
		in, err := v.row(v.g.row(n, shape, dir))
		if err != nil {
			return err
		}
		if s.size < smallRow && int(s.size) != in || in == 0 {
			return fmt.Errorf("the row of node %d and shape %d has %d tuple versions, counted are %d", n, shape, in, s.size)
		}
		inRows += in
	}
	if inRows != 2*int(v.g.facts.len()) {
		return fmt.Errorf("%d tuple versions stand in %d row places", v.g.facts.len(), inRows)
	}
	return nil
}

func (v *verifier) row(r *row) (n int, err error) {
	live, expiring, changed := 0, 0, uint64(0)
	for ref, last := v.g.head(r.node, r.shape, r.dir), v.g.facts.len()+1; ref != 0; n++ {
		f := v.g.facts.at(ref)
		owner := f.object
		if r.dir == reverse {
			owner = f.subject
		}
		if owner != r.node || f.shape != r.shape || ref >= last {
			return 0, fmt.Errorf("tuple version %d stands in the wrong row", ref)
		}
		changed = max(changed, f.created, f.deleted.Load())
		if f.deleted.Load() == 0 {
			live++
			if v.g.expires(f) != 0 {
				expiring++
			}
		}
		ref, last = f.next(r.dir), ref
	}
	if live != r.live || expiring != r.expiring || changed != r.changed {
		return 0, fmt.Errorf("row of node %d counts %d live, %d expiring, changed at %d; it has %d, %d, %d",
			r.node, r.live, r.expiring, r.changed, live, expiring, changed)
	}
	return n, nil
}

func (v *verifier) counters() error {
	counts := map[ShapeTraits]int64{}
	changed := map[ShapeID]uint64{}
	for ref := uint32(1); ref <= v.g.facts.len(); ref++ {
		f := v.g.facts.at(ref)
		if f.deleted.Load() == 0 {
			counts[v.g.traits(f)]++
		}
		changed[f.shape] = max(changed[f.shape], f.created, f.deleted.Load())
	}
	for i := uint32(1); i <= v.g.counts.len(); i++ {
		c := v.g.counts.at(i)
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
		if d := v.g.facts.at(ref).deleted.Load(); d != 0 && d <= v.st.horizon {
			n++
		}
	}
	if n != v.g.deadFacts {
		return fmt.Errorf("%d tuple versions ended below the horizon, %d are counted", n, v.g.deadFacts)
	}
	return nil
}

// changes checks the list above the horizon against the versions. Of several
// versions of a record at one revision the newest speaks for all.
func (v *verifier) changes() error {
	got, want := v.g.log.above(v.st.horizon), v.g.listChanges(v.st.horizon)
	if !slices.IsSortedFunc(got, func(a, b change) int { return int(int64(a.rev) - int64(b.rev)) }) {
		return errors.New("the change list is out of order")
	}
	sortChanges(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("the change list has %d entries above the horizon, the versions make %d", len(got), len(want))
	}
	return nil
}
