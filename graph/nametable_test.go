package graph

import (
	"fmt"
	"strings"
	"testing"
)

// TestNames_AreFoundByTheirTypes compares the table with the maps of a schema whose
// names begin and end alike, have all lengths, and stand in several types.
func TestNames_AreFoundByTheirTypes(t *testing.T) {
	var b strings.Builder
	var names []string
	for i := range 64 {
		names = append(names, "n"+strings.Repeat("a", i%32)+fmt.Sprint("x", i%7)+strings.Repeat("b", i%24)+"z")
	}
	for _, typ := range []string{"t", "tt", "user", "organization", "resource_manager_a", "resource_manager_b"} {
		fmt.Fprintf(&b, "definition %s {\n", typ)
		seen := map[string]bool{}
		for i, name := range names {
			if !seen[name] && i%len(typ) != 1 {
				fmt.Fprintf(&b, "relation %s: user\n", name)
			}
			seen[name] = true
		}
		b.WriteString("}\n")
	}
	g := newWorld(t, b.String(), "").graph
	if len(g.typeIndex) != 6 {
		t.Fatal(g.typeIndex)
	}
	for _, typ := range append([]string{"", "u", "users", "resource_manager_c", "organizatiom"}, names...) {
		if i, ok := g.typeNamed(typ); ok {
			t.Errorf("%q is type %d", typ, i)
		}
	}
	for name, want := range g.typeIndex {
		i, ok := g.typeNamed(name)
		if !ok || i != want {
			t.Fatalf("type %s: %d, %v instead of %d", name, i, ok, want)
		}
		for _, relation := range append([]string{"", name, "user"}, names...) {
			want, is := g.types[i].relations[relation]
			if p, ok := g.programNamed(i, relation); ok != is || ok && p != want {
				t.Errorf("%s#%s: %d, %v instead of %d, %v", name, relation, p, ok, want, is)
			}
		}
	}
}
