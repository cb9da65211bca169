package store

import (
	"unsafe"

	"github.com/pemba-authz/pemba/internal/prefetch"
)

// together is how many look-ups are done step by step side by side, so that they
// wait for memory at the same time and not one after the other.
const together = 16

// NodeKey names an object or subject.
type NodeKey struct {
	Type Sym
	ID   string
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

// findTogether finds the nodes of at most together keys.
func (g *generation) findTogether(keys []NodeKey, out []Node) {
	var (
		probes [together]probe
		names  [together][]byte
	)
	for i := range keys {
		probes[i] = g.nodeIndex.probe(hashNode(keys[i].Type, keys[i].ID))
		probes[i].prefetch()
	}
	for i := range keys {
		out[i] = Node(probes[i].next())
		g.touch(out[i])
	}
	for i := range keys {
		if out[i] != 0 {
			names[i] = g.nameBytes(out[i])
			prefetch.Line(unsafe.Pointer(&names[i][0]))
			g.touchRows(out[i])
		}
	}
	for i := range keys {
		out[i] = g.confirm(&keys[i], out[i], names[i], &probes[i])
	}
}

// confirm returns the node of key, 0 if there is none: n, if name is its name, or
// one of the next that p finds.
func (g *generation) confirm(key *NodeKey, n Node, name []byte, p *probe) Node {
	for n != 0 && !begins(name, uint32(key.Type), key.ID) {
		if n = Node(p.next()); n != 0 {
			name = g.nameBytes(n)
		}
	}
	return n
}

// ReadAround reads what it takes to look at nodes, of which Nodes has just read
// the names, and at the first node that each of them has in its first row: where
// the folder of a file, and the group of a user, most often stand. It decides
// nothing; what is then looked at one after the other has come side by side.
func (v *View) ReadAround(nodes []Node) {
	for len(nodes) > 0 {
		n := min(len(nodes), together)
		v.g.readAround(nodes[:n])
		nodes = nodes[n:]
	}
}

func (g *generation) readAround(nodes []Node) {
	var (
		pages [together]*page
		first [together]uint64 // of values, then of postings
	)
	for i, n := range nodes {
		if n == 0 || n > Node(g.nodes.len()) {
			continue
		}
		p, at := g.nodes.at(n)
		pages[i], first[i] = p, load(&p.records[at+wordFirst])
		if second := load(&p.records[at+wordSecond]); second>>61 == isBlock>>61 {
			_, values, _ := p.blockAt(uint64(uint32(second)))
			first[i] = load(&p.body[values])
		}
	}
	for i, p := range pages[:len(nodes)] {
		if v := first[i]; v >= isList && v < isBlock {
			first[i] = load(&p.body[uint32(v)+1])
		}
	}
	for i := range nodes {
		if first[i] >= isList || posting(first[i]).node() > Node(g.nodes.len()) {
			first[i] = 0
		}
		g.touch(posting(first[i]).node())
	}
	for _, y := range first[:len(nodes)] {
		g.touchRows(posting(y).node())
	}
}
