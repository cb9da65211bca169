package store

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/tuple"
)

// decodedFacts is a facts section with the section's own numbering.
type decodedFacts struct {
	names  []string
	shapes [][4]uint64 // names: type, relation, subject type, subject relation
	nodes  []decodedNode
	cavs   []decodedNode // a caveat's name and context
	facts  []decodedFact
}

type decodedNode struct {
	name uint64
	text string
}

type decodedFact struct {
	object, subject  uint64 // how far behind the newest node
	shape, caveat    uint32 // caveat 0 = none, else index + 1
	expires          int64
	created, deleted uint64 // created: the distance, see factHasCreated
	flags            byte
}

func (r *reader) facts() decodedFacts {
	const most = 1 << 24
	var d decodedFacts
	d.names = list(r, most, 1, r.string)
	d.shapes = list(r, most, 4, func() (sh [4]uint64) {
		for i := range sh {
			sh[i] = r.below(len(d.names))
		}
		return sh
	})
	node := func() decodedNode {
		n := decodedNode{r.below(len(d.names)), r.shared()}
		if len(n.text) > maxText {
			r.fail(fmt.Errorf("a text of %d bytes", len(n.text)))
		}
		return n
	}
	d.nodes = list(r, most, 2, node)
	d.cavs = list(r, most, 2, node)
	n := r.count(most, 4)
	d.facts = make([]decodedFact, n)
	for i := range d.facts {
		r.fact(&d.facts[i], &d)
	}
	return d
}

func (r *reader) fact(f *decodedFact, d *decodedFacts) {
	f.flags = r.byte()
	f.object, f.subject, f.shape = r.uvarint(), r.uvarint(), uint32(r.below(len(d.shapes)))
	if f.flags == 0 {
		return
	}
	if f.flags >= factFlags {
		r.fail(fmt.Errorf("unknown flags %x", f.flags))
	}
	if f.flags&factHasCaveat != 0 {
		f.caveat = uint32(r.below(len(d.cavs))) + 1
	}
	if f.flags&factHasExpiry != 0 {
		f.expires = r.varint()
	}
	if f.flags&factHasCreated != 0 {
		f.created = r.uvarint()
	}
	if f.flags&factHasDeleted != 0 {
		f.deleted = r.uvarint()
	}
}

// below reads an index into a list of n elements.
func (r *reader) below(n int) uint64 {
	v := r.uvarint()
	if v >= uint64(n) {
		r.fail(fmt.Errorf("reference %d into a list of %d", v, n))
		return 0
	}
	return v
}

// tenantLoader builds a tenant's generation: names and facts as they come, the
// rows when all facts are there.
type tenantLoader struct {
	g       *generation
	st      *state
	kinds   []nodeKind           // by node
	ended   map[endedKey]uint32  // newest version of the tuples of which one has ended
	created uint64               // of the last fact created above the horizon
	plain   map[ShapeID]*counted // of facts without extras
	touched uint64               // so that reading ahead has a purpose
}

type nodeKind struct {
	typ      Sym
	wildcard bool
}

type endedKey struct {
	object, subject Node
	shape           ShapeID
}

// counted is a shape's class without caveat and expiry, and its newest change.
type counted struct {
	traits *traitCount
	stat   *shapeStat
}

func newTenantLoader(g *generation, st *state) *tenantLoader {
	return &tenantLoader{g: g, st: st, kinds: make([]nodeKind, 1), ended: map[endedKey]uint32{}, plain: map[ShapeID]*counted{}}
}

// takeFacts adds a section's facts to the current tenant.
func (l *loader) takeFacts(d *decodedFacts) error {
	if l.cur == nil {
		return errors.New("tuples without a tenant")
	}
	return l.cur.take(d)
}

func (t *tenantLoader) take(d *decodedFacts) error {
	names := make([]Sym, len(d.names))
	for i, s := range d.names {
		names[i] = t.g.syms.Intern(s)
	}
	shapes := make([]Shape, len(d.shapes))
	ids := make([]ShapeID, len(d.shapes))
	for i, sh := range d.shapes {
		shapes[i] = Shape{names[sh[0]], names[sh[1]], names[sh[2]], names[sh[3]]}
		ids[i] = t.g.syms.InternShape(shapes[i])
	}
	for nodes := range slices.Chunk(d.nodes, together) {
		if err := t.nodes(nodes, names); err != nil {
			return err
		}
	}
	cavs := make([]CaveatRef, len(d.cavs)+1)
	for i, c := range d.cavs {
		cavs[i+1] = t.g.internCaveat(names[c.name], c.text)
	}
	if int(t.g.facts.len())+len(d.facts) > maxFacts || len(t.kinds) > maxNodes {
		return errors.New("more tuples than a tenant can have")
	}
	for i := range d.facts {
		f := &d.facts[i]
		newest := uint64(t.g.nodes.len())
		if f.object >= newest || f.subject >= newest {
			return fmt.Errorf("reference %d or %d behind the newest of %d objects", f.object, f.subject, newest)
		}
		v := version{object: Node(newest - f.object), subject: Node(newest - f.subject), shape: ids[f.shape], caveat: cavs[f.caveat], expires: f.expires}
		if f.flags&factHasCreated != 0 {
			v.created = t.created + f.created
		}
		if err := t.fact(v, &shapes[f.shape], f); err != nil {
			return err
		}
	}
	return nil
}

// nodes adds some new nodes, together at most.
func (t *tenantLoader) nodes(nodes []decodedNode, names []Sym) error {
	var hashes [together]uint64
	for i := range nodes {
		hashes[i] = hashNode(names[nodes[i].name], nodes[i].text)
		p := t.g.nodeIndex.probe(hashes[i])
		t.touched += p.touch()
	}
	for i := range nodes {
		typ, id := names[nodes[i].name], nodes[i].text
		if t.g.findNode(hashes[i], typ, id) != 0 {
			return fmt.Errorf("object %s:%s comes twice", t.g.syms.Name(typ), id)
		}
		t.g.addNode(hashes[i], typ, id)
		t.kinds = append(t.kinds, nodeKind{typ, id == tuple.Wildcard})
	}
	return nil
}

// fact adds a version with its whole life, but to its rows.
func (t *tenantLoader) fact(v version, sh *Shape, d *decodedFact) error {
	if err := t.check(&v, sh, d); err != nil {
		return err
	}
	g := t.g
	if v.created != 0 {
		t.created = v.created
		g.log.created(v.created, g.facts.len()+1)
	}
	older := uint32(0)
	if len(t.ended) > 0 {
		if older = t.ended[endedKey{v.object, v.subject, v.shape}]; older != 0 {
			if end := g.deleted(g.facts.at(older)); end == 0 || end > v.created {
				return fmt.Errorf("two versions of a tuple at revision %d", v.created)
			}
		}
	}
	ref, f := g.facts.next()
	f.object, f.subject, f.shape = v.object, v.subject, v.shape
	x := g.addExtra(v, older)
	if d.deleted != 0 && x == 0 {
		x, _ = g.extras.next()
		g.extras.publish()
	}
	if f.extra.Store(x); x != 0 {
		g.extras.at(x).deleted.Store(d.deleted)
	}
	g.facts.publish()
	if d.deleted != 0 || older != 0 {
		t.ended[endedKey{v.object, v.subject, v.shape}] = ref
	}
	t.account(f, v.created, d.deleted)
	return nil
}

// account counts a version in its class.
func (t *tenantLoader) account(f *fact, created, deleted uint64) {
	g := t.g
	if f.extra.Load() != 0 {
		g.account(f, [2]uint32{}, 1, created)
		if deleted != 0 {
			g.account(f, [2]uint32{}, -1, deleted)
		}
		return
	}
	c := t.plain[f.shape]
	if c == nil {
		c = &counted{g.count(g.traitsOf(f)), g.internStat(f.shape)}
		t.plain[f.shape] = c
	}
	c.traits.live.Add(1)
	raise(&c.stat.changed, created)
	raise(&g.changed, created)
}

// check refuses a version that no store can hold: names that disagree with
// the shape, or a life that is no life or out of order.
func (t *tenantLoader) check(v *version, sh *Shape, d *decodedFact) error {
	object, subject := t.kinds[v.object], t.kinds[v.subject]
	switch {
	case object.typ != sh.Type || subject.typ != sh.SubjectType || subject.wildcard != (sh.SubjectRelation == SymWildcard):
		_, id := t.g.nodeName(v.object)
		return fmt.Errorf("tuple %s:%s does not fit its shape", t.g.syms.Name(object.typ), id)
	case v.expires < 0:
		return fmt.Errorf("tuple expires at %d", v.expires)
	case v.created > t.st.revision || d.deleted > t.st.revision || d.deleted != 0 && (d.deleted < v.created || d.deleted <= t.st.horizon),
		v.created < t.created, v.created != 0 && v.created <= t.st.horizon:
		return fmt.Errorf("tuple created at %d and deleted at %d, after one created at %d, in a snapshot at %d with the horizon at %d",
			v.created, d.deleted, t.created, t.st.revision, t.st.horizon)
	}
	return nil
}

// finish makes the rows and the change list.
func (t *tenantLoader) finish() error {
	if err := t.g.buildRows(); err != nil {
		return err
	}
	t.g.rebuildChanges(t.st.horizon)
	return nil
}
