package graph

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck_MutualGroupsEnd(t *testing.T) {
	var tuples strings.Builder
	for i := range 20 {
		for j := range 20 {
			fmt.Fprintf(&tuples, "group:g%d#member@group:g%d#member\n", i, j)
		}
	}
	tuples.WriteString("group:g13#member@user:ann\n")
	w := newWorld(t, forwardOnly, tuples.String())
	w.expect(`
		group:g0#member@user:ann = allowed
		group:g19#member@user:ann = allowed
		group:g0#member@user:bob = denied
		group:g0#member@group:g7#member = allowed`)
	a, _ := w.ask(w.question("group:g0#member@user:bob"))
	if a.Steps != 20 || a.Reads > 20*23 {
		t.Errorf("steps=%d reads=%d", a.Steps, a.Reads)
	}
}

// negative is a schema whose recursion passes through exclusion and .all().
const negative = `
definition user {}
definition node {
	relation friend: node
	relation foe: node
	relation viewer: user
	permission like = viewer + friend->like
	permission ok = like - foe->ok
	permission strict = viewer + friend.all(strict)
}`

func TestCheck_NegativeCyclesAreErrors(t *testing.T) {
	w := newWorld(t, negative, `
		// an even loop of foes
		node:a#viewer@user:ann
		node:b#viewer@user:ann
		node:a#foe@node:b
		node:b#foe@node:a
		node:b#viewer@user:bob
		// a chain of foes
		node:c#viewer@user:ann
		node:d#viewer@user:ann
		node:e#viewer@user:ann
		node:c#foe@node:d
		node:d#foe@node:e
		// a loop through .all()
		node:f#friend@node:g
		node:g#friend@node:f
		node:g#friend@node:h
		node:h#viewer@user:ann
		node:f#viewer@user:bob
		node:h#viewer@user:bob`)
	w.expect(`
		node:a#ok@user:ann = error: a cycle passes through an exclusion or .all(): node:a#ok -> node:b#ok
		node:b#ok@user:ann = error: a cycle passes through...
		node:a#ok@user:bob = denied
		node:b#ok@user:bob = allowed
		node:c#ok@user:ann = allowed
		node:d#ok@user:ann = denied
		node:e#ok@user:ann = allowed
		node:f#strict@user:ann = error: a cycle passes through...
		node:f#strict@user:bob = allowed
		node:g#strict@user:bob = allowed
		node:g#strict@user:cid = denied`)
	var cycle *NegativeCycleError
	_, err := w.ask(w.question("node:a#ok@user:ann"))
	if !errors.As(err, &cycle) || !cmp.Equal(cycle.Path, []string{"node:a#ok", "node:b#ok"}) {
		t.Errorf("%v", err)
	}
}

func TestCheck_CyclesBehindANegationAreSettledThere(t *testing.T) {
	newWorld(t, basic, `
		doc:a#viewer@user:ann
		doc:a#banned@group:x#member
		group:x#member@group:y#member
		group:y#member@group:x#member
		group:y#member@user:bob
		doc:a#viewer@group:x#member`).expect(`
		doc:a#see@user:ann = allowed
		doc:a#see@user:bob = denied`)
}

func TestCheck_DepthIsAnErrorNeverDenied(t *testing.T) {
	var tuples strings.Builder
	for i := range 60 {
		fmt.Fprintf(&tuples, "group:g%d#member@group:g%d#member\n", i, i+1)
	}
	w := newWorld(t, forwardOnly, tuples.String()+`
		group:g60#member@user:deep
		group:g50#member@user:edge
		group:g51#member@user:over
		doc:a#viewer@group:g0#member
		doc:a#approved@user:deep
		group:short#member@group:g0#member
		group:short#member@group:g30#member`)
	tooDeep := "error: the depth limit of 50 is exceeded (51)"
	w.expect(strings.ReplaceAll(`
		group:g0#member@user:edge = allowed
		group:g0#member@user:over = DEEP
		group:g0#member@user:nobody = DEEP
		group:g1#member@user:over = allowed
		group:g40#member@user:nobody = denied
		// a shorter way to the same group helps
		group:short#member@user:deep = allowed
		doc:a#read@user:nobody = denied
		doc:a#read@user:deep = DEEP`, "DEEP", tooDeep))
	var limit *LimitError
	if _, err := w.ask(w.question("group:g0#member@user:over")); !errors.As(err, &limit) {
		t.Errorf("%v", err)
	}
	q := w.question("group:g0#member@user:deep")
	q.Limits.Depth = 60
	if a, err := w.ask(q); err != nil || a.Decision != Allowed {
		t.Errorf("%v %v", a, err)
	}
}

func TestCheck_LimitIsToldBesideAConditional(t *testing.T) {
	w := newWorld(t, `
		caveat on(x int) { x > 0 }
		definition user {}
		definition node {
			relation next: node
			relation a: user with on
			relation b: user
			permission deep = b + next->deep
			permission view = a & deep
			permission either = view + b
			permission less = a - deep
		}`, `
		node:0#next@node:1
		node:1#next@node:2
		node:2#next@node:3
		node:0#a@user:ann[on]`)
	for name, want := range map[string]string{"node:0#view@user:ann": "depth", "node:0#either@user:ann": "depth", "node:0#less@user:ann": "depth", "node:0#a@user:ann": ""} {
		q := w.question(name)
		q.Limits.Depth = 2
		a, err := w.ask(q)
		var limit *LimitError
		if errors.As(err, &limit) != (want != "") {
			t.Errorf("%s: %v %v", name, a.Decision, err)
		}
		q.Limits.Depth = 10
		if _, err := w.ask(q); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
