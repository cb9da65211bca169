package graph

import (
	"fmt"
	"strings"
	"testing"
)

// Shapes are numbered for all tenants together, so those of a schema that grows may lie
// far apart: too far to tell kinds of subjects by. They are sought all the same.
func TestSearch_FindsSubjectsOfShapesFarApart(t *testing.T) {
	w := newWorld(t, `
		definition user {}
		definition group { relation member: user }
		definition doc { relation viewer: user
			permission view = viewer }
	`, `
		doc:d#viewer@user:ann
		group:g#member@user:bob
	`)
	var large strings.Builder
	large.WriteString("definition user {}\ndefinition thing {\n")
	for i := range 5000 {
		fmt.Fprintf(&large, "relation r%d: user\n", i)
	}
	large.WriteString("}")
	w.compile(large.String())
	w.graph = w.compile(`
		definition user {}
		definition robot {}
		definition group { relation member: user }
		definition doc { relation viewer: user | robot | group#member
			relation editor: robot
			permission view = viewer + editor }
	`)
	if len(w.graph.subjectKinds) > 1 {
		t.Fatalf("the shapes lie too near: %d kinds", len(w.graph.subjectKinds))
	}
	w.write(`
		doc:d#viewer@group:g#member
		doc:d#viewer@robot:r
		doc:d#editor@robot:e
	`)
	w.expect(`
		doc:d#view@user:ann = allowed
		doc:d#view@user:bob = allowed
		doc:d#view@robot:r = allowed
		doc:d#view@robot:e = allowed
		doc:d#view@user:eve = denied
		doc:d#view@robot:none = denied
	`)
}
