package store

import "encoding/binary"

// A facts section holds the names that it uses, its shapes, the nodes that no
// section before it has, its caveats, and its facts. A fact begins with a byte
// that says what it has beside object, subject and shape. Nodes are numbered
// through the tenant in the order of their coming and named by how far they
// are behind the section's newest one.
const (
	factHasCaveat = 1 << iota
	factHasExpiry
	factHasCreated // above the horizon; the distance from the last fact that has it
	factHasDeleted
	factFlags
)

// factBlock collects the facts of one section after the other.
type factBlock struct {
	g       *generation
	numbers []uint32 // by node: in the file, 0 = not yet
	known   uint32   // nodes that have come
	created uint64   // of the last fact created above the horizon

	n      int
	first  uint32 // nodes that came before this section
	nodes  []Node // this section's
	names  index[Sym]
	shapes index[ShapeID]
	cavs   index[CaveatRef]
	facts  []pendingFact
}

// pendingFact is a fact whose nodes are numbered from the first one, until it is
// known which is the section's newest.
type pendingFact struct {
	object, subject, shape uint32
	caveat                 uint32
	flags                  byte
	expires                int64
	created, deleted       uint64
}

// index numbers the distinct values it is given, from 0.
type index[K comparable] struct {
	ids  map[K]uint64
	keys []K
	last K // and its number, if there is any
	id   uint64
}

func (x *index[K]) of(k K) uint64 {
	if len(x.keys) > 0 && x.last == k {
		return x.id
	}
	id, ok := x.ids[k]
	if !ok {
		if x.ids == nil {
			x.ids = map[K]uint64{}
		}
		id = uint64(len(x.keys))
		x.ids[k] = id
		x.keys = append(x.keys, k)
	}
	x.last, x.id = k, id
	return id
}

// newFactBlock is for facts about the generation's first n nodes.
func newFactBlock(g *generation, n uint32) *factBlock {
	return &factBlock{g: g, numbers: make([]uint32, n+1)}
}

// reset begins another section.
func (b *factBlock) reset() {
	b.n, b.first, b.nodes, b.facts = 0, b.known, b.nodes[:0], b.facts[:0]
	b.names, b.shapes, b.cavs = index[Sym]{}, index[ShapeID]{}, index[CaveatRef]{}
}

func (b *factBlock) node(n Node) uint32 {
	if b.numbers[n] == 0 {
		b.known++
		b.numbers[n] = b.known
		b.nodes = append(b.nodes, n)
	}
	return b.numbers[n]
}

// add takes a fact; created is 0 if that was at or below the horizon.
func (b *factBlock) add(f *fact, created, deleted uint64) {
	b.n++
	x := b.g.extra(f)
	p := pendingFact{object: b.node(f.object), subject: b.node(f.subject), shape: uint32(b.shapes.of(f.shape)), expires: x.expires, deleted: deleted}
	if x.caveat != 0 {
		p.caveat = uint32(b.cavs.of(x.caveat))
		p.flags |= factHasCaveat
	}
	if x.expires != 0 {
		p.flags |= factHasExpiry
	}
	if created != 0 {
		p.created, b.created = created-b.created, created
		p.flags |= factHasCreated
	}
	if deleted != 0 {
		p.flags |= factHasDeleted
	}
	b.facts = append(b.facts, p)
}

func (b *factBlock) encode() []byte {
	var shapes, nodes, cavs []byte
	for _, id := range b.shapes.keys {
		sh := b.g.syms.Shape(id)
		for _, s := range []Sym{sh.Type, sh.Relation, sh.SubjectType, sh.SubjectRelation} {
			shapes = binary.AppendUvarint(shapes, b.names.of(s))
		}
	}
	for _, n := range b.nodes {
		typ, id := b.g.nodeName(n)
		nodes = binary.AppendUvarint(nodes, b.names.of(typ))
		nodes = appendString(nodes, id)
	}
	for _, ref := range b.cavs.keys {
		name, context := b.g.caveat(ref)
		cavs = binary.AppendUvarint(cavs, b.names.of(name))
		cavs = appendString(cavs, context)
	}
	out := binary.AppendUvarint(nil, uint64(len(b.names.keys)))
	for _, s := range b.names.keys {
		out = appendString(out, b.g.syms.Name(s))
	}
	out = append(binary.AppendUvarint(out, uint64(len(b.shapes.keys))), shapes...)
	out = append(binary.AppendUvarint(out, uint64(len(b.nodes))), nodes...)
	out = append(binary.AppendUvarint(out, uint64(len(b.cavs.keys))), cavs...)
	out = binary.AppendUvarint(out, uint64(b.n))
	for i := range b.facts {
		out = b.facts[i].append(out, b.known)
	}
	return out
}

func (p *pendingFact) append(b []byte, known uint32) []byte {
	b = append(b, p.flags)
	b = binary.AppendUvarint(b, uint64(known-p.object))
	b = binary.AppendUvarint(b, uint64(known-p.subject))
	b = binary.AppendUvarint(b, uint64(p.shape))
	if p.flags&factHasCaveat != 0 {
		b = binary.AppendUvarint(b, uint64(p.caveat))
	}
	if p.flags&factHasExpiry != 0 {
		b = binary.AppendVarint(b, p.expires)
	}
	if p.flags&factHasCreated != 0 {
		b = binary.AppendUvarint(b, p.created)
	}
	if p.flags&factHasDeleted != 0 {
		b = binary.AppendUvarint(b, p.deleted)
	}
	return b
}
