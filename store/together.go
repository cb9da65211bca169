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
		names  [together]text
		read   uint64 // what is read ahead; it decides nothing
	)
	for i := range keys {
		probes[i] = g.nodeIndex.probe(hashNode(keys[i].Type, keys[i].ID))
		read += probes[i].touch()
	}
	for i := range keys {
		if out[i] = Node(probes[i].next()); out[i] != 0 {
			p, at := g.nodes.at(out[i])
			names[i] = text(load(&p.records[at+wordName]) >> (64 - textBits))
		}
	}
	for i := range keys {
		if out[i] != 0 {
			read += g.strings.touch(names[i])
		}
	}
	for i := range keys {
		for out[i] != 0 {
			if typ, id := g.nodeName(out[i]); typ == keys[i].Type && id == keys[i].ID {
				break
			}
			out[i] = Node(probes[i].next())
		}
	}
	readAhead(read)
}

// readAhead makes the compiler believe that x is needed.
//
//go:noinline
func readAhead(x uint64) { _ = x }
