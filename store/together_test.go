package store

import (
	"fmt"
	"testing"
)

func TestNodes_FindsWhatNodeFinds(t *testing.T) {
	s := filled(t, 3000)
	v := must[View](t)(s.View("default", 0))
	doc, user := s.Symbols().Lookup("doc"), s.Symbols().Lookup("user")
	for _, n := range []int{0, 1, few, few + 1, together, 3*together + 1} {
		var keys []NodeKey
		for i := range n {
			keys = append(keys, NodeKey{Type: []Sym{doc, user, 0}[i%3], ID: fmt.Sprint([]string{"doc-", "user-", "none-", ""}[i%4], i)})
			if i%2 == 0 {
				v.Seek(&keys[i], keys[i].Type, keys[i].ID)
			}
		}
		for range 2 { // the keys may be looked up again
			out := make([]Node, n)
			v.Nodes(keys, out)
			for i, k := range keys {
				if want := v.Node(k.Type, k.ID); out[i] != want {
					t.Errorf("%v is found as %d, want %d", k, out[i], want)
				}
			}
		}
	}
}

func TestNodes_OfAnEmptyTenantAreNone(t *testing.T) {
	v := must[View](t)(ready(t).View("default", 0))
	out := []Node{7, 7}
	keys := []NodeKey{{Type: 1, ID: "x"}, {}}
	v.Seek(&keys[1], 1, "x")
	if v.Nodes(keys, out); out[0] != 0 || out[1] != 0 {
		t.Fatal(out)
	}
}
