package store

import "testing"

func TestNodeNames_AreThoseOfNodeName(t *testing.T) {
	v := must[View](t)(filled(t, 3000).View("default", 0))
	for _, n := range []int{0, 1, together, 3*together + 1} {
		var nodes []Node
		for i := range n {
			nodes = append(nodes, Node(1+i*i%int(v.g.nodes.len())))
		}
		ids := make([]string, n)
		v.NodeNames(nodes, ids)
		for i := range nodes {
			if _, want := v.NodeName(nodes[i]); ids[i] != want {
				t.Errorf("node %d has the name %q, want %q", nodes[i], ids[i], want)
			}
		}
	}
}
