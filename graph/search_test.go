package graph

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/tuple"
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

// Subjects are sought in the rows of their kind. There are more kinds than searches
// tell apart, more relations than masks have bits, and subjects that nobody names.
func TestSearch_SetsOfSubjectsOfManyKinds(t *testing.T) {
	const types, relations, objects = 12, 90, 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var schema, tuples strings.Builder
	for i := range types {
		fmt.Fprintf(&schema, "definition t%d {}\ndefinition g%d { relation member: t%d }\n", i, i, i)
	}
	schema.WriteString("definition doc {\n")
	granted := map[string]bool{} // object, type of subject, id
	members := map[string]string{}
	for i := range types {
		fmt.Fprintf(&tuples, "g%d:g#member@t%d:m\n", i, i)
		members[fmt.Sprintf("g%d:g#member", i)] = fmt.Sprintf("t%d:m", i)
	}
	for i := range relations {
		a, b := r.IntN(types), r.IntN(types)
		fmt.Fprintf(&schema, "\trelation r%d: t%d | t%d:* | g%d#member\n", i, a, a, b)
		for range 4 {
			object := fmt.Sprint("doc:d", r.IntN(objects))
			who := []string{fmt.Sprintf("t%d:u%d", a, r.IntN(4)), fmt.Sprintf("g%d:g#member", b), fmt.Sprintf("t%d:*", a)}[min(r.IntN(8)/3, 2)]
			if !strings.Contains(tuples.String(), fmt.Sprintf("%s#r%d@%s\n", object, i, who)) {
				fmt.Fprintf(&tuples, "%s#r%d@%s\n", object, i, who)
			}
			if i%3 == 0 { // view has these relations
				granted[object+"@"+who] = true
			}
		}
	}
	schema.WriteString("\tpermission view = r0")
	for i := 3; i < relations; i += 3 {
		fmt.Fprintf(&schema, " + r%d", i)
	}
	schema.WriteString("\n}\n")
	w := newWorld(t, schema.String(), tuples.String())
	allowed := 0
	for range 3000 {
		object, want := fmt.Sprint("doc:d", r.IntN(objects)), Denied
		q := w.question(object + "#view@t0:nobody")
		q.Subjects = q.Subjects[:0]
		for range 1 + r.IntN(8) {
			s := tuple.Subject{Type: fmt.Sprint("t", r.IntN(types)), ID: []string{"u0", "u1", "u2", "u3", "m", "new"}[r.IntN(6)]}
			q.Subjects = append(q.Subjects, s)
			ways := []string{s.Type + ":" + s.ID, s.Type + ":*"}
			for group, member := range members {
				if member == s.Type+":"+s.ID {
					ways = append(ways, group)
				}
			}
			for _, way := range ways {
				if granted[object+"@"+way] {
					want = Allowed
				}
			}
		}
		if want == Allowed {
			allowed++
		}
		if a, err := w.ask(q); err != nil || a.Decision != want {
			t.Fatalf("%s for %v: %v, %v; want %v", object, q.Subjects, a.Decision, err, want)
		}
	}
	if allowed < 100 || allowed > 2900 {
		t.Errorf("%d of 3000 are allowed", allowed)
	}
}
