package graph

import (
	"fmt"
	"strings"
	"testing"
)

func TestGroups_AreFoundFromTheSubject(t *testing.T) {
	var tuples strings.Builder
	for i := range 60 {
		fmt.Fprintf(&tuples, "group:g%d#member@group:g%d#member\n", i, i+1)
		fmt.Fprintf(&tuples, "doc:a#viewer@group:other%d#member\n", i)
	}
	w := newWorld(t, basic, tuples.String()+`
		group:g60#member@user:deep
		group:loop#member@group:loop2#member
		group:loop2#member@group:loop#member
		group:loop#member@user:ann
		doc:a#viewer@group:g0#member
		doc:b#viewer@group:loop2#member`)
	w.expect(`
		doc:a#view@user:deep = allowed
		doc:a#view@user:ann = denied
		doc:b#view@user:ann = allowed
		doc:b#view@group:loop#member = allowed
		doc:b#view@group:g1#member = denied
		doc:a#view@group:g1#member = allowed
		doc:b#view@user:deep,user:ann = allowed`)
	if a, err := w.ask(w.question("doc:a#view@user:ann")); err != nil || a.Reads > 12 {
		t.Errorf("%d reads, %v: the groups of the object are entered", a.Reads, err)
	}
}

func TestGroups_InTooManyIsWalkedForward(t *testing.T) {
	var tuples strings.Builder
	for i := range 2 * mostGroups {
		fmt.Fprintf(&tuples, "group:g%d#member@user:ann\n", i)
	}
	newWorld(t, basic, tuples.String()+"doc:a#viewer@group:g3#member\ngroup:h#member@group:g9#member\ndoc:b#viewer@group:h#member").expect(`
		doc:a#view@user:ann = allowed
		doc:b#view@user:ann = allowed
		doc:a#view@user:bob = denied`)
}

func TestGroups_OnlyRelationsWithoutTraits(t *testing.T) {
	w := newWorld(t, `
		use expiration
		caveat on(day int) { day < 6 }
		definition user {}
		definition bare { relation member: user | user:* | bare#member | other#member }
		definition other { relation member: user | bare#member }
		definition timed { relation member: user with expiration | timed#member }
		definition conditional { relation member: user with on }
		definition mixed { relation member: user | timed#member }
		definition computed {
			relation direct: user
			permission member = direct
		}
		definition over { relation member: user | computed#member }`, ``)
	for name, want := range map[string]int{
		"bare": 2, "other": 2, "timed": 0, "conditional": 0, "mixed": 0, "computed": 0, "over": 0,
	} {
		p := w.graph.types[w.graph.typeIndex[name]].relations["member"]
		if got := len(w.graph.programs[p].family); got != want {
			t.Errorf("%s#member has a family of %d, want %d", name, got, want)
		}
	}
}
