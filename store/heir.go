package store

// heir is a copy of a generation in the making, without what no view at or
// above the horizon can see: dead versions, and nodes, contexts and rows that
// only they need. It is made in steps between which the writer goes on. What
// begins meanwhile is behind what has been copied, and its turn comes; what
// ends, the writer tells. Writer only.
type heir struct {
	from, to *generation
	stamp    uint64 // number of the first stamp of a later fact than the last one copied
	// Numbers in to of what is in from, 0 = left out; as far as copied.
	facts, nodes, records slab[uint32]
	changes               uint64 // number of the next change to copy
}

func newHeir(from *generation) *heir {
	return &heir{from: from, to: newGeneration(from.syms, from.floor), changes: from.log.changes.first}
}

// step copies up to n elements, and reports whether that was all there is.
func (h *heir) step(n int, horizon uint64) (done bool) {
	for ; n > 0 && h.facts.len() < h.from.facts.len(); n-- {
		h.copyFact(horizon)
	}
	for ; n > 0 && h.records.len() < h.from.records.versions.len(); n-- {
		h.copyRecord(horizon)
	}
	log := &h.from.log.changes
	for ; n > 0 && h.changes < log.first+uint64(log.n); n-- {
		h.copyChange(log.at(int(h.changes - log.first)))
		h.changes++
	}
	return n > 0
}

// finish makes the copy ready to take over.
func (h *heir) finish(horizon uint64) *generation {
	to := h.to
	to.floor = horizon
	for i := uint32(1); i <= h.from.shapes.len(); i++ {
		s := h.from.shapes.at(i)
		raise(&to.internStat(s.shape).changed, s.changed.Load())
	}
	raise(&to.changed, h.from.changed.Load())
	to.trim(horizon)
	return to
}

func (h *heir) copyFact(horizon uint64) {
	ref, as := h.facts.next()
	defer h.facts.publish()
	f := h.from.facts.at(ref)
	x := h.from.extra(f)
	if ended(x, horizon) {
		return
	}
	v := version{object: h.node(f.object), subject: h.node(f.subject), shape: f.shape, expires: x.expires}
	v.caveat = h.to.internCaveat(h.from.caveat(x.caveat))
	if created := h.createdAt(ref); created > horizon {
		v.created = created
	}
	*as = h.to.load(v, h.older(x), x.deleted.Load())
}

// older returns the newest version before x that has been copied. There may be
// one even behind some that have not: the horizon has moved meanwhile.
func (h *heir) older(x *extra) uint32 {
	for x.older != 0 && *h.facts.at(x.older) == 0 {
		x = h.from.extra(h.from.facts.at(x.older))
	}
	if x.older == 0 {
		return 0
	}
	return *h.facts.at(x.older)
}

// createdAt returns when a fact was created, 0 if below the floor.
func (h *heir) createdAt(ref uint32) uint64 {
	stamps := &h.from.log.stamps
	i := int(max(h.stamp, stamps.first) - stamps.first)
	for i < stamps.n && stamps.at(i).first <= ref {
		i++
	}
	if h.stamp = stamps.first + uint64(i); i == 0 {
		return 0
	}
	return stamps.at(i - 1).rev
}

// node returns the copy of a node, made when a fact first needs it.
func (h *heir) node(n Node) Node {
	for h.nodes.len() < uint32(n) {
		h.nodes.next()
		h.nodes.publish()
	}
	as := h.nodes.at(uint32(n))
	if *as == 0 {
		typ, id := h.from.nodeName(n)
		*as = uint32(h.to.addNode(hashNode(typ, id), typ, id))
	}
	return Node(*as)
}

// copyRecord copies a version that a view can see, or that says above the
// horizon that there is none. Below it this is said as well where an older version
// has been copied, before the horizon moved on. Only the last of several at one
// revision counts.
func (h *heir) copyRecord(horizon uint64) {
	ref, as := h.records.next()
	defer h.records.publish()
	versions := &h.from.records.versions
	v := versions.at(ref)
	if v.newer != 0 {
		if end := versions.at(v.newer).created; end <= horizon || end == v.created {
			return
		}
	}
	if v.created > horizon || !v.gone || h.to.records.newest(v.key) != 0 {
		*as = h.to.records.put(recordVersion{key: v.key, value: v.value, created: v.created, gone: v.gone})
	}
}

func (h *heir) copyChange(c change) {
	if c.ref = h.numberOf(c); c.ref != 0 {
		h.to.log.add(c)
	}
}

// numberOf returns what a change is about in the copy, 0 if it is not there.
func (h *heir) numberOf(c change) uint32 {
	numbers := &h.facts
	if c.kind == changeRecord {
		numbers = &h.records
	}
	if c.ref > numbers.len() {
		return 0
	}
	return *numbers.at(c.ref)
}

// deleted is told that a version has ended.
func (h *heir) deleted(ref uint32, rev uint64) {
	if as := h.numberOf(change{ref: ref, kind: changeDelete}); as != 0 {
		f := h.to.facts.at(as)
		h.to.end(as, f, rev)
		h.to.account(f, h.to.countersOf(f), -1, rev)
	}
}

// trimmed is told that a change has left the list. If it has not been copied, it never will be.
func (h *heir) trimmed(number uint64, c change) {
	if number < h.changes {
		return
	}
	h.changes = number + 1
	if c.ref = h.numberOf(c); c.ref != 0 {
		h.to.bury(c)
	}
}
