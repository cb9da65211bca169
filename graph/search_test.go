package graph

import (
	"fmt"
	"strings"
	"testing"
)

// Masks have 64 bits, so shapes of a type with many relations share them. Only
// the relations that the permission names may count.
func TestSearch_RelationsThatShareABit(t *testing.T) {
	const relations = 150
	var schema strings.Builder
	schema.WriteString(`definition user {}
		definition folder {
			relation viewer: user
			permission view = viewer
		}
		definition doc {
			permission view = user7 + folder9->view
`)
	for i := range relations {
		fmt.Fprintf(&schema, "\trelation user%d: user\n\trelation folder%d: folder\n", i, i)
	}
	schema.WriteString("}\n")
	var tuples strings.Builder
	tuples.WriteString("folder:f#viewer@user:ann\n")
	for i := range relations {
		fmt.Fprintf(&tuples, "doc:u%d#user%d@user:ann\ndoc:f%d#folder%d@folder:f\n", i, i, i, i)
	}
	w := newWorld(t, schema.String(), tuples.String())
	for i := range relations {
		for doc, right := range map[string]bool{fmt.Sprint("u", i): i == 7, fmt.Sprint("f", i): i == 9} {
			want := Denied
			if right {
				want = Allowed
			}
			if a, err := w.ask(w.question("doc:" + doc + "#view@user:ann")); err != nil || a.Decision != want {
				t.Errorf("doc:%s: %v, %v; want %v", doc, a.Decision, err, want)
			}
		}
	}
}

// A tuple without expiry does not lead on where the schema in force wants one.
func TestSearch_HiddenTuplesLeadNowhere(t *testing.T) {
	const schema = `use expiration
		definition user {}
		definition folder {
			relation viewer: user
			permission view = viewer
		}
		definition doc {
			relation folder: folder%s
			permission view = folder->view
		}`
	w := newWorld(t, fmt.Sprintf(schema, ""), `
		folder:f#viewer@user:ann
		doc:a#folder@folder:f`)
	w.expect(`doc:a#view@user:ann = allowed`)
	w.graph = w.compile(fmt.Sprintf(schema, " with expiration"))
	w.expect(`doc:a#view@user:ann = denied`)
}
