package store

import (
	"unsafe"

	"github.com/pemba-authz/pemba/internal/prefetch"
)

// together is how many look-ups are done step by step side by side, so that they
// wait for memory at the same time and not one after the other: so many that what a
// step has begun to read for the first of them is there when the last one has begun.
const together = 32

// few is how many names LookUps take: those of one question.
const few = 8

// NodeKey names an object or subject.
type NodeKey struct {
	Type Sym
	ID   string

	probe probe // zero = it has not been begun to be looked for, or has been found
}

// Seek makes k the key of an object or subject and begins to look for it: Nodes goes on
// where that has come to, at the same view.
func (v *View) Seek(k *NodeKey, typ Sym, id string) {
	k.Type, k.ID, k.probe = typ, id, v.g.nodeIndex.probe(hashNode(typ, id))
	k.probe.prefetch()
}

// Nodes is Node for each of keys, in a fraction of the time where there are
// many nodes. It begins to read what looking at the nodes' rows begins with. out has
// the length of keys.
func (v *View) Nodes(keys []NodeKey, out []Node) {
	for len(keys) > 0 {
		n := min(len(keys), together)
		v.g.findTogether(keys[:n], out[:n])
		keys, out = keys[n:], out[n:]
	}
}

// LookUps are those of a few names, step by step, so that the caller does something else
// while memory is read: Begin, ReadAhead, Nodes. Each step gets the same view and keys.
type LookUps struct {
	ups [few]lookUp
	out [few]Node
}

// MostLookUps is how many names LookUps take at most.
const MostLookUps = few

// lookUp is one of several look-ups of names.
type lookUp struct {
	name  []byte // of the node that has been found, to be compared
	leads Node   // what its first row names
}

// Begin looks for at most MostLookUps keys, and begins to read the records of what has been
// found. l is a zero value.
func (l *LookUps) Begin(v *View, keys []NodeKey) {
	v.g.seek(l.ups[:len(keys)], keys, l.out[:len(keys)])
}

// ReadAhead begins to read what the records lead to: names and rows.
func (l *LookUps) ReadAhead(v *View, keys []NodeKey) {
	v.g.readAllAhead(l.ups[:len(keys)], l.out[:len(keys)])
}

// Nodes returns the keys' nodes, as View.Nodes does.
func (l *LookUps) Nodes(v *View, keys []NodeKey) []Node {
	out := l.out[:len(keys)]
	v.g.confirmAll(l.ups[:len(keys)], keys, out)
	return out
}

// findTogether finds the nodes of at most together keys.
func (g *generation) findTogether(keys []NodeKey, out []Node) {
	var room [together]lookUp
	ups := room[:len(keys)]
	g.seek(ups, keys, out)
	g.readAllAhead(ups, out)
	g.confirmAll(ups, keys, out)
}

// seek finds in out what the keys might be, and begins to read its records.
func (g *generation) seek(ups []lookUp, keys []NodeKey, out []Node) {
	keys, out = keys[:len(ups)], out[:len(ups)]
	for i := range ups {
		if k := &keys[i]; k.probe.slots == nil {
			k.probe = g.nodeIndex.probe(hashNode(k.Type, k.ID))
			k.probe.prefetch()
		}
	}
	for i := range ups {
		out[i] = Node(keys[i].probe.next())
		g.touch(out[i])
	}
}

// readAllAhead begins to read what the nodes lead to.
func (g *generation) readAllAhead(ups []lookUp, nodes []Node) {
	nodes = nodes[:len(ups)]
	for i := range ups {
		if nodes[i] != 0 {
			g.readAhead(nodes[i], &ups[i])
		}
	}
	for i := range ups {
		if ups[i].leads != 0 {
			g.touchRows(ups[i].leads)
		}
	}
}

// confirmAll puts into out what the keys are.
func (g *generation) confirmAll(ups []lookUp, keys []NodeKey, out []Node) {
	keys, out = keys[:len(ups)], out[:len(ups)]
	for i := range ups {
		out[i] = g.confirm(&keys[i], out[i], ups[i].name)
		keys[i].probe = probe{} // which has moved on
	}
}

// readAhead begins to read a node's name, its rows if they stand in a block, and else
// the record of the node that its first row names: a file's folder.
func (g *generation) readAhead(n Node, u *lookUp) {
	p, at := g.nodes.at(n)
	r := p.records[at : at+recordWords : at+recordWords]
	u.name = g.strings.at(text(load(&r[wordName]) >> (64 - textBits)))
	prefetch.Line(unsafe.Pointer(&u.name[0]))
	if second := load(&r[wordSecond]); second>>61 == isBlock>>61 {
		p.touchBlock(second)
	} else if first := load(&r[wordFirst]); first < isList && rowKey(load(&r[wordKeys])).dir() == forward {
		if to := posting(first).node(); to <= Node(g.nodes.len()) {
			u.leads = to
			g.touch(to)
		}
	}
}

// confirm returns the node of key, 0 if there is none: n, if name is its name, or
// one of the next that its search finds.
func (g *generation) confirm(key *NodeKey, n Node, name []byte) Node {
	for n != 0 && !begins(name, uint32(key.Type), key.ID) {
		if n = Node(key.probe.next()); n != 0 {
			name = g.nameBytes(n)
		}
	}
	return n
}
