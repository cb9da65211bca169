package graph

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/store"
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

// Permissions that each include one large union do not each get its terms.
func TestCompile_SharedUnionsStaySmall(t *testing.T) {
	const n = 3000
	var b strings.Builder
	b.WriteString("definition user {}\ndefinition doc {\nrelation parent: doc\n")
	for i := range n {
		fmt.Fprintf(&b, "relation r%d: user\npermission p%d = all.of.them + parent->p%d\n", i, i, (i+1)%n)
	}
	b.WriteString("permission all.of.them = r0")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, " + r%d", i)
	}
	b.WriteString("\n}")
	w := newWorld(t, b.String(), "doc:a#r2999@user:ann\ndoc:b#parent@doc:a\ndoc:c#parent@doc:b")
	if kids := len(w.graph.kids); kids > mostTerms+10*n {
		t.Errorf("%d terms", kids)
	}
	w.expect(`
		doc:a#p0@user:ann = allowed
		doc:c#p0@user:ann = allowed
		doc:c#p2999@user:ann = allowed
		doc:c#r2999@user:ann = denied
		doc:c#p2999@user:bob = denied`)
}

// Arrows that are the same for many permissions count for each of them.
func TestCompile_BoundsTheTypesThatArrowsGoOver(t *testing.T) {
	const types, permissions = 3000, 4000
	var b, all strings.Builder
	for i := range types {
		fmt.Fprintf(&b, "definition t%d { relation x: t%d }\n", i, i)
		fmt.Fprintf(&all, " | t%d", i)
	}
	fmt.Fprintf(&b, "definition doc {\nrelation ts: %s\nrelation x: doc\n", all.String()[3:])
	for i := range permissions {
		fmt.Fprintf(&b, "permission p%d = ts->x\n", i)
	}
	b.WriteString("}")
	s, err := Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	var wrong SchemaErrors
	if _, err := Compile(s, store.New(store.Options{}).Symbols()); !errors.As(err, &wrong) || !strings.Contains(wrong.Error(), "too many types") {
		t.Errorf("got %v", err)
	}
}
