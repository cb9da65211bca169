package store

// collect lets go of the changes at or below the horizon and reclaims the
// versions that ended with them, once that is worth a copy. It runs inside Apply, on the writer; it changes no
// answer at or above the horizon, so when it runs may differ between nodes.
func (sp *space) collect(horizon uint64, opts *Options) {
	g := sp.gen.Load()
	g.log.trim(horizon, g.bury)
	dead := g.deadFacts + g.deadRecords
	all := int(g.facts.len() + g.records.versions.len())
	if dead >= opts.CollectMin && 100*dead >= opts.CollectPercent*all {
		sp.gen.Store(g.rebuild(horizon))
	}
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

// makeRoom collects out of turn if n more tuples might not fit in memory's
// numbering.
func (sp *space) makeRoom(n int, horizon uint64) *generation {
	g := sp.gen.Load()
	if int(g.facts.len())+n > maxFacts || int(g.nodes.len())+2*n > maxNodes {
		g = g.rebuild(horizon)
		sp.gen.Store(g)
	}
	return g
}

// rebuild copies all that a view at or above the horizon can see into a new
// generation, which thereby drops unused nodes, contexts and rows as well.
func (g *generation) rebuild(horizon uint64) *generation {
	n := newGeneration(g.syms, horizon)
	for ref := uint32(1); ref <= g.facts.len(); ref++ {
		f := g.facts.at(ref)
		if d := f.deleted.Load(); d != 0 && d <= horizon {
			continue
		}
		n.copyFact(g, f)
	}
	for _, v := range g.records.retained(horizon, ^uint64(0)) {
		n.records.put(*v)
	}
	n.rebuildLog(horizon)
	for i := uint32(1); i <= g.shapes.len(); i++ {
		s := g.shapes.at(i)
		raise(&n.internStat(s.shape).changed, s.changed.Load())
	}
	raise(&n.changed, g.changed.Load())
	return n
}

func (g *generation) copyFact(from *generation, f *fact) {
	x := from.extra(f)
	g.load(version{
		object:  g.internNode(from.nodeName(f.object)),
		subject: g.internNode(from.nodeName(f.subject)),
		shape:   f.shape,
		caveat:  g.internCaveat(from.caveat(x.caveat)),
		expires: x.expires,
		created: f.created,
	}, f.deleted.Load())
}

// load adds a version with its whole life. Versions of one tuple come oldest
// first.
func (g *generation) load(v version, deleted uint64) {
	f := g.facts.at(g.addFact(v))
	g.account(f, 1, v.created)
	if deleted != 0 {
		f.deleted.Store(deleted)
		g.account(f, -1, deleted)
	}
}

// rebuildLog fills the empty change list from the versions.
func (g *generation) rebuildLog(horizon uint64) {
	for _, c := range g.listChanges(horizon) {
		g.log.add(c)
	}
}

// listChanges lists the changes above the horizon by the versions of facts and
// records.
func (g *generation) listChanges(horizon uint64) []change {
	var all []change
	for ref := uint32(1); ref <= g.facts.len(); ref++ {
		f := g.facts.at(ref)
		if f.created > horizon {
			all = append(all, change{f.created, ref, changeCreate})
		}
		if d := f.deleted.Load(); d > horizon {
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
