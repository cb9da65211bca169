package store

// smallRow is the number of versions from which a row has counters; with fewer
// they are counted when somebody asks.
const smallRow = 8

// counters count the facts of one row. Writer only.
type counters struct {
	live     int32  // live facts, expiring ones included
	expiring int32  // live facts that expire
	changed  uint64 // revision of the newest change; may be 0 if that lies below the horizon
}

// countersOfRow returns those of a node's row, and its postings.
func (g *generation) countersOfRow(n Node, key rowKey) (counters, postings) {
	p, at := g.nodes.at(n)
	v := p.value(at, key)
	r := g.postings(p, v)
	if ref := g.countersAt(p, v); ref != 0 {
		return *g.counts.at(ref), r
	}
	return g.countRow(r), r
}

// countersAt returns the reference of the counters of the row with value v of
// page p, 0 if it has none.
func (g *generation) countersAt(p *page, v uint64) uint32 {
	switch {
	case v < isList:
		return 0
	case v < isBlock:
		return listHead(load(&p.body[uint32(v)])).counters()
	}
	return g.bigs.at(uint32(v)).counters
}

// countersOf returns the references of the counters of a fact's rows.
func (g *generation) countersOf(f *fact) (refs [2]uint32) {
	for _, dir := range [...]direction{forward, reverse} {
		n, key := f.row(dir)
		p, at := g.nodes.at(n)
		refs[dir] = g.countersAt(p, p.value(at, key))
	}
	return refs
}

// countRow makes a row's counters from its facts.
func (g *generation) countRow(r postings) (c counters) {
	for i := range r.n {
		f := g.facts.at(r.at(i).ref())
		x := g.extra(f)
		d := x.deleted.Load()
		c.changed = max(c.changed, d)
		if d == 0 {
			c.live++
			if x.expires != 0 {
				c.expiring++
			}
		}
	}
	if r.n > 0 {
		c.changed = max(c.changed, g.log.createdAt(r.at(r.n-1).ref()))
	}
	return c
}

// addCounters gives a row counters.
func (g *generation) addCounters(r postings) (ref uint32) {
	ref, c := g.counts.next()
	*c = g.countRow(r)
	g.counts.publish()
	return ref
}

// account keeps the counters that follow from f being live (by = +1) or no
// longer live (by = -1) since rev.
func (g *generation) account(f *fact, rows [2]uint32, by int, rev uint64) {
	x := g.extra(f)
	for _, ref := range rows {
		if ref == 0 {
			continue
		}
		c := g.counts.at(ref)
		c.live += int32(by)
		if x.expires != 0 {
			c.expiring += int32(by)
		}
		c.changed = max(c.changed, rev)
	}
	c := g.count(g.traitsOf(f))
	c.live.Add(int64(by))
	c.latest = max(c.latest, x.expires)
	raise(&g.internStat(f.shape).changed, rev)
	raise(&g.changed, rev)
}
