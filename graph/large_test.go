package graph

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestCompile_LongChainsStayCheap(t *testing.T) {
	const n = 20_000
	var b strings.Builder
	b.WriteString("definition user {}\ndefinition doc {\nrelation x: user\nrelation y: user\n")
	for i := range n {
		fmt.Fprintf(&b, "permission p%d = p%d & x\n", i, i+1)
	}
	fmt.Fprintf(&b, "permission p%d = y\n}", n)
	w := newWorld(t, b.String(), "doc:a#x@user:ann\ndoc:a#y@user:ann")
	w.expect(fmt.Sprintf(`
		doc:a#p%d@user:ann = allowed
		doc:a#p%d@user:ann = error: the nesting limit of 2000 is exceeded (2001)
		doc:a#p0@user:bob = denied`, n-1000, n-3000))
	var limit *LimitError
	if _, err := w.ask(w.question("doc:a#p0@user:ann")); !errors.As(err, &limit) {
		t.Error(err)
	}
}

func TestCompile_ManyKindsShareBits(t *testing.T) {
	const n = mostKinds + 100
	var b, tuples strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "definition t%d { relation r: t%d | t%d#r; permission p = r + r->p }\n", i, (i+1)%n, (i+1)%n)
		fmt.Fprintf(&tuples, "t%d:a#r@t%d:a\nt%d:b#r@t%d:b#r\n", i, (i+1)%n, i, (i+1)%n)
	}
	w := newWorld(t, b.String(), tuples.String())
	w.expect(`
		t0:a#r@t1:a = allowed
		t0:a#p@t40:a = allowed
		t0:a#p@t40:b = error: the depth limit...
		t7:b#r@t40:b#r = allowed
		t7:b#r@t40:a#r = error: the depth limit...`)
}
