package store

// together is how many look-ups are done step by step side by side, so that they
// wait for memory at the same time and not one after the other.
const together = 16

// NodeKey names an object or subject.
type NodeKey struct {
	Type Sym
	ID   string
}

// Nodes is Node for each of keys, in a fraction of the time where there are
// many nodes. What it reads of a node has its first rows beside it, so that looking
// at them next is quick, too. out has the length of keys.
func (v View) Nodes(keys []NodeKey, out []Node) {
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
		read   uint64 // what is read ahead; it decides nothing
	)
	for i := range keys {
		probes[i] = g.nodeIndex.probe(hashNode(keys[i].Type, keys[i].ID))
		read += probes[i].touch()
	}
	for i := range keys {
		if out[i] = Node(probes[i].next()); out[i] != 0 {
			names[i] = g.nameBytes(out[i])
		}
	}
	for i := range keys {
		if out[i] != 0 {
			read += uint64(names[i][0])
		}
	}
	for i := range keys {
		out[i] = g.confirm(&keys[i], out[i], names[i], &probes[i])
	}
	ReadAhead(read)
}

// mostFew is how many keys FewNodes looks up side by side.
const mostFew = 8

// FewNodes is Nodes for the names of one question. It reads ahead what the rows of
// all begin with, which comes beside their names.
func (v *View) FewNodes(keys []NodeKey, out []Node) {
	if len(keys) == 2 {
		out[0], out[1] = v.twoNodes(&keys[0], &keys[1])
		return
	}
	for len(keys) > 0 {
		n := min(len(keys), mostFew)
		v.g.findFew(keys[:n], out[:n])
		keys, out = keys[n:], out[n:]
	}
}

// findFew finds the nodes of at most mostFew keys.
func (g *generation) findFew(keys []NodeKey, out []Node) {
	var (
		probes [mostFew]probe
		names  [mostFew][]byte
		read   uint64
	)
	for i := range keys {
		probes[i] = g.nodeIndex.probe(hashNode(keys[i].Type, keys[i].ID))
		read += probes[i].touch()
	}
	for i := range keys {
		if out[i] = Node(probes[i].next()); out[i] != 0 {
			names[i] = g.nameBytes(out[i])
			read += g.touchRows(out[i])
		}
	}
	for i := range keys {
		if out[i] != 0 {
			read += uint64(names[i][0])
		}
	}
	for i := range keys {
		out[i] = g.confirm(&keys[i], out[i], names[i], &probes[i])
	}
	ReadAhead(read)
}

// twoNodes is FewNodes for two keys. It reads ahead what the rows of both begin with,
// which comes beside their names.
func (v *View) twoNodes(a, b *NodeKey) (m, n Node) {
	g := v.g
	first, second := g.nodeIndex.probe(hashNode(a.Type, a.ID)), g.nodeIndex.probe(hashNode(b.Type, b.ID))
	read := second.touch()
	var name, other []byte
	if m = Node(first.next()); m != 0 {
		name = g.nameBytes(m)
	}
	if n = Node(second.next()); n != 0 {
		other = g.nameBytes(n)
		read += uint64(other[0])
	}
	read += g.touchRows(m) + g.touchRows(n)
	m, n = g.confirm(a, m, name, &first), g.confirm(b, n, other, &second)
	ReadAhead(read)
	return m, n
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
		read  uint64
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
		if n := posting(first[i]).node(); first[i] < isList && n != 0 && n <= Node(g.nodes.len()) {
			p, at := g.nodes.at(n)
			pages[i], first[i] = p, load(&p.records[at+wordSecond])
		} else {
			first[i] = 0
		}
	}
	for i, p := range pages[:len(nodes)] {
		if second := first[i]; second>>61 == isBlock>>61 {
			read += load(&p.body[uint32(second)])
		}
		read += first[i]
	}
	ReadAhead(read)
}

// ReadAhead makes the compiler believe that x, which Touch has returned, is needed.
//
//go:noinline
func ReadAhead(x uint64) { _ = x }
