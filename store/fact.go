package store

import "sync/atomic"

// fact is one version of one tuple. Facts are numbered in the order of their
// creation, which therefore needs no field: those up to some number are the
// ones that a view can know of, and the change list says when the newer ones
// came. All fields but extra are fixed before the first reference is published.
type fact struct {
	object  Node
	subject Node
	shape   ShapeID
	extra   atomic.Uint32 // 0 = none; never changes once there
}

// extra is what few facts have. If one has it, its postings are marked.
type extra struct {
	deleted atomic.Uint64 // not visible from this revision on; 0 = live; never changes back
	expires int64
	caveat  CaveatRef
	older   uint32 // previous version of the same tuple
}

// row returns the fact's row in one direction.
func (f *fact) row(dir direction) (n Node, key rowKey) {
	if dir == forward {
		return f.object, keyOf(f.shape, forward)
	}
	return f.subject, keyOf(f.shape, reverse)
}

type direction uint32

const (
	forward direction = iota // node is the object, the facts list its subjects
	reverse                  // node is the subject
)

// noExtra stands for the extra of a fact that has none. It is read only.
var noExtra extra

// extra returns what f has beside its own fields.
func (g *generation) extra(f *fact) *extra {
	if ref := f.extra.Load(); ref != 0 {
		return g.extras.at(ref)
	}
	return &noExtra
}

// deleted returns the revision from which f is not visible, 0 if it is live.
func (g *generation) deleted(f *fact) uint64 { return g.extra(f).deleted.Load() }

// endedBy reports whether f is not visible any more at rev.
func (g *generation) endedBy(f *fact, rev uint64) bool {
	d := g.deleted(f)
	return d != 0 && d <= rev
}

// version is the content of a fact, named by its parts.
type version struct {
	object, subject Node
	shape           ShapeID
	caveat          CaveatRef
	expires         int64
	created         uint64
}

// mostScanned is the number of postings from which an object's row has its
// tuples in the pair index too. Shorter ones are read through.
const mostScanned = 48

func hashPair(object Node, shape ShapeID, subject Node) uint64 {
	return mix(mixSeed, uint64(object)<<32|uint64(subject), uint64(shape))
}

// newest returns the newest version of a tuple, 0 if it never existed.
func (g *generation) newest(object Node, shape ShapeID, subject Node) uint32 {
	r := g.row(object, keyOf(shape, forward))
	return g.newestIn(&r, object, shape, subject)
}

func (g *generation) newestIn(r *postings, object Node, shape ShapeID, subject Node) uint32 {
	if r.n > mostScanned {
		return g.pair(object, shape, subject)
	}
	for i := r.n - 1; i >= 0; i-- {
		if x := r.at(i); x.node() == subject {
			return x.ref()
		}
	}
	return 0
}

// pair returns the newest version of a tuple whose object's row is indexed.
func (g *generation) pair(object Node, shape ShapeID, subject Node) uint32 {
	p := g.pairs.probe(hashPair(object, shape, subject))
	for ref := p.next(); ref != 0; ref = p.next() {
		if f := g.facts.at(ref); f.object == object && f.shape == shape && f.subject == subject {
			return ref
		}
	}
	return 0
}

// addPair indexes a version, which is newer than those that are indexed.
func (g *generation) addPair(ref uint32) {
	f := g.facts.at(ref)
	h := hashPair(f.object, f.shape, f.subject)
	if older := g.pair(f.object, f.shape, f.subject); older != 0 {
		g.pairs.replace(h, older, ref)
	} else {
		g.pairs.insert(h, ref)
	}
}

// find returns the version of a tuple that is visible to a view at rev that
// knows of the facts up to limit, and what it has beside its own fields; 0 if
// none is. later is how many later versions it passed.
func (g *generation) find(object Node, shape ShapeID, subject Node, limit uint32, rev uint64) (ref uint32, x *extra, later int) {
	if object == 0 || subject == 0 {
		return 0, nil, 0
	}
	p, at := g.nodes.at(object)
	v := p.value(at, keyOf(shape, forward))
	if v < isList { // most rows have one
		if one := posting(v); one.node() != subject {
			return 0, nil, 0
		} else if !one.isMarked() && one.ref() <= limit {
			return one.ref(), &noExtra, 0
		}
	}
	r := g.postings(p, v)
	return g.findIn(&r, object, shape, subject, limit, rev)
}

func (g *generation) findIn(r *postings, object Node, shape ShapeID, subject Node, limit uint32, rev uint64) (ref uint32, x *extra, later int) {
	if r.n > mostScanned {
		return g.findPair(g.pair(object, shape, subject), limit, rev)
	}
	for i := r.n - 1; i >= 0; i-- {
		y := r.at(i)
		if y.node() != subject {
			continue
		}
		if y.ref() > limit {
			later++
			continue
		}
		if !y.isMarked() {
			return y.ref(), &noExtra, later
		}
		// Older versions ended when this one began.
		if x = g.extra(g.facts.at(y.ref())); ended(x, rev) {
			return 0, nil, later
		}
		return y.ref(), x, later
	}
	return 0, nil, later
}

// findPair goes on from the newest version of a tuple.
func (g *generation) findPair(newest uint32, limit uint32, rev uint64) (ref uint32, x *extra, later int) {
	for ref = newest; ref != 0; ref = x.older {
		x = g.extra(g.facts.at(ref))
		if ref > limit {
			later++
			continue
		}
		if ended(x, rev) {
			break
		}
		return ref, x, later
	}
	return 0, nil, later
}

func ended(x *extra, rev uint64) bool {
	d := x.deleted.Load()
	return d != 0 && d <= rev
}

// addFact appends a version and links it into its rows, of which it returns
// the counters. The caller keeps them, the others and the change list.
func (g *generation) addFact(v version) (ref uint32, counters [2]uint32) {
	return g.addVersion(v, g.newest(v.object, v.shape, v.subject))
}

// addVersion is addFact after an older version, 0 if there is none.
func (g *generation) addVersion(v version, older uint32) (ref uint32, counters [2]uint32) {
	x := g.addExtra(v, older)
	ref, f := g.facts.next()
	f.object, f.subject, f.shape = v.object, v.subject, v.shape
	f.extra.Store(x)
	g.facts.publish()
	g.indexPairs(f, ref)
	mark := posting(0)
	if x != 0 {
		mark = marked
	}
	n, key := f.row(forward)
	counters[forward] = g.link(n, key, posting(f.subject)<<32|mark|posting(ref))
	n, key = f.row(reverse)
	counters[reverse] = g.link(n, key, posting(f.object)<<32|mark|posting(ref))
	return ref, counters
}

// indexPairs keeps the pair index for a fact that is about to be linked.
func (g *generation) indexPairs(f *fact, ref uint32) {
	n, key := f.row(forward)
	r := g.row(n, key)
	if r.n < mostScanned {
		return
	}
	if r.n == mostScanned {
		for i := range r.n {
			g.addPair(r.at(i).ref())
		}
	}
	g.addPair(ref)
}

func (g *generation) addExtra(v version, older uint32) uint32 {
	if v.expires == 0 && v.caveat == 0 && older == 0 {
		return 0
	}
	ref, x := g.extras.next()
	x.expires, x.caveat, x.older = v.expires, v.caveat, older
	g.extras.publish()
	return ref
}

// create adds a live version and accounts for it.
func (g *generation) create(v version) {
	g.log.created(v.created, g.facts.len()+1)
	ref, counters := g.addFact(v)
	g.account(g.facts.at(ref), counters, 1, v.created)
}

// delete ends a live version at rev and accounts for it.
func (g *generation) delete(ref uint32, rev uint64) {
	f := g.facts.at(ref)
	g.end(ref, f, rev)
	g.account(f, g.countersOf(f), -1, rev)
	g.log.add(change{rev: rev, ref: ref, kind: changeDelete})
	if g.heir != nil {
		g.heir.deleted(ref, rev)
	}
}

// end notes when a version ends.
func (g *generation) end(ref uint32, f *fact, rev uint64) {
	if x := f.extra.Load(); x != 0 {
		g.extras.at(x).deleted.Store(rev)
		return
	}
	x, e := g.extras.next()
	e.deleted.Store(rev)
	g.extras.publish()
	f.extra.Store(x)
	for _, dir := range [...]direction{forward, reverse} {
		n, key := f.row(dir)
		g.mark(n, key, ref)
	}
}
