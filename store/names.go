package store

import (
	"unsafe"

	"github.com/pemba-authz/pemba/internal/prefetch"
)

// NodeNames is NodeName for each of nodes, without the types, in a fraction of
// the time where there are many nodes. ids has the length of nodes.
func (v View) NodeNames(nodes []Node, ids []string) {
	for len(nodes) > 0 {
		n := min(len(nodes), together)
		v.g.namesTogether(nodes[:n], ids[:n])
		nodes, ids = nodes[n:], ids[n:]
	}
}

// namesTogether reads the names of at most together nodes.
func (g *generation) namesTogether(nodes []Node, ids []string) {
	var names [together]text
	for i, n := range nodes {
		p, at := g.nodes.at(n)
		names[i] = text(load(&p.records[at+wordName]) >> (64 - textBits))
	}
	for i := range nodes {
		prefetch.Line(unsafe.Pointer(&g.strings.at(names[i])[0]))
	}
	for i := range nodes {
		_, ids[i] = g.strings.get(names[i])
	}
}
