package store

// smallCopy is the number of versions up to which a copy is made at once: some
// milliseconds.
const smallCopy = 8192

// collect lets go of the changes at or below the horizon. It reports whether
// reclaiming what ended with them is worth the work (see Store.work). It runs
// inside Apply, on the writer; reclaiming changes no answer at or above the
// horizon, so when it is done may differ between nodes.
func (sp *space) collect(horizon uint64, opts *Options) (isWorth bool) {
	g := sp.gen.Load()
	g.trim(horizon)
	dead := g.deadFacts + g.deadRecords
	all := int(g.facts.len() + g.records.versions.len())
	if g.heir == nil && dead >= opts.CollectMin && 100*dead >= opts.CollectPercent*all {
		g.heir = newHeir(g)
		if all <= smallCopy && opts.copyStep == 0 {
			sp.reclaim(3*smallCopy, horizon)
			g = sp.gen.Load()
		}
	}
	return g.heir != nil || g.nodes.isLoose()
}

// reclaim goes on with the tenant's copy, if there is one in the making, or
// else with tidying its pages, by so many elements. It reports whether there is
// more to do.
func (sp *space) reclaim(n int, horizon uint64) (more bool) {
	g := sp.gen.Load()
	if g.heir == nil {
		return g.nodes.tidy(max(1, n/256), horizon)
	}
	if !g.heir.step(n, horizon) {
		return true
	}
	g.heir, g = nil, g.heir.finish(horizon)
	sp.gen.Store(g)
	return g.nodes.isLoose()
}

// trim drops what the change list has at or below the horizon.
func (g *generation) trim(horizon uint64) {
	g.log.trim(horizon, func(number uint64, c change) {
		g.bury(c)
		if g.heir != nil {
			g.heir.trimmed(number, c)
		}
	})
}

// bury counts what c, which lies below the horizon, has made unreadable.
func (g *generation) bury(c change) {
	switch c.kind {
	case changeDelete:
		g.deadFacts++
	case changeRecord:
		if v := g.records.versions.at(c.ref); v.older != 0 || v.gone {
			g.deadRecords++
		}
	}
}

// versions returns the number of tuple versions above the horizon. Unlike the
// number in memory it is the same on every replica.
func (g *generation) versions() int { return int(g.facts.len()) - g.deadFacts }

// makeRoom collects out of turn, and at once, if n more tuples might not fit in
// memory's numbering.
func (sp *space) makeRoom(n int, horizon uint64) *generation {
	g := sp.gen.Load()
	if int(g.facts.len())+n > maxFacts || int(g.nodes.len())+2*n > maxNodes {
		g.heir = nil
		g = g.rebuild(horizon)
		sp.gen.Store(g)
	}
	return g
}

// rebuild copies all that a view at or above the horizon can see into a new
// generation.
func (g *generation) rebuild(horizon uint64) *generation {
	h := newHeir(g)
	h.step(int(^uint(0)>>1), horizon)
	return h.finish(horizon)
}

// load adds a version with its whole life, created at 0 if that is below the
// horizon, after an older version of the same tuple, 0 if there is none. Versions
// come in the order of their creation.
func (g *generation) load(v version, older uint32, deleted uint64) uint32 {
	if v.created != 0 {
		g.log.created(v.created, g.facts.len()+1)
	}
	ref, counters := g.addVersion(v, older)
	f := g.facts.at(ref)
	g.account(f, counters, 1, v.created)
	if deleted != 0 {
		g.end(ref, f, deleted)
		g.account(f, g.countersOf(f), -1, deleted)
	}
	return ref
}

// rebuildChanges fills the empty change list, but for the creations, from the
// versions.
func (g *generation) rebuildChanges(horizon uint64) {
	for _, c := range g.listChanges(horizon) {
		g.log.add(c)
	}
	g.log.floor = max(g.log.floor, horizon)
}

// listChanges lists the changes above the horizon, but for the creations, by
// the versions of facts and records.
func (g *generation) listChanges(horizon uint64) []change {
	var all []change
	for ref := uint32(1); ref <= g.facts.len(); ref++ {
		if d := g.deleted(g.facts.at(ref)); d > horizon {
			all = append(all, change{d, ref, changeDelete})
		}
	}
	for ref := uint32(1); ref <= g.records.versions.len(); ref++ {
		if v := g.records.versions.at(ref); v.created > horizon {
			all = append(all, change{v.created, ref, changeRecord})
		}
	}
	sortChanges(all)
	return all
}
