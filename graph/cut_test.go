package graph

import (
	"fmt"
	"strings"
	"testing"
)

// chain is doc:a, whose viewers are group 0, whose members are group 1, and so on.
func chain(t *testing.T, groups int) *world {
	t.Helper()
	var b strings.Builder
	b.WriteString("doc:a#viewer@group:0#member\n")
	for i := range groups - 1 {
		fmt.Fprintf(&b, "group:%d#member@group:%d#member\n", i, i+1)
	}
	fmt.Fprintf(&b, "group:%d#member@user:ann\n", groups-1)
	return newWorld(t, `
definition user {}
definition group { relation member: user | group#member }
definition doc { relation viewer: user | group#member
	permission view = viewer }`, b.String())
}

func TestTree_CutLeavesOutWhatLiesDeep(t *testing.T) {
	w := chain(t, 400)
	q := w.question("doc:a#view@user:ann")
	tree, _, err := w.graph.Expand(t.Context(), w.view(), &ExpandQuestion{Object: q.Object, Permission: q.Permission, Now: q.Now, Depth: -1})
	if err != nil {
		t.Fatal(err)
	}
	whole := treeText(t, tree)
	const levels = 20
	tree.Cut(levels)
	depth, cuts := 0, 0
	var look func(n *Tree, at int)
	look = func(n *Tree, at int) {
		depth = max(depth, at)
		if n.Kind == TreeCut {
			cuts++
		}
		for _, c := range n.Children {
			look(c, at+1)
		}
	}
	look(tree, 0)
	text := treeText(t, tree)
	head, rest, _ := strings.Cut(text, "left out")
	if depth != levels+1 || cuts != 1 || !strings.HasPrefix(whole, head[:strings.LastIndexByte(head, '\n')]) || !strings.Contains(rest, "expand group:") {
		t.Errorf("depth %d, %d cuts:\n%s", depth, cuts, text)
	}
	tree.Cut(levels + 1)
	if again := treeText(t, tree); again != text {
		t.Errorf("a tree that is not too deep was cut:\n%s", again)
	}
}

func treeText(t *testing.T, tree *Tree) string {
	t.Helper()
	var b strings.Builder
	if err := tree.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestStep_CutLeavesOutWhatLiesDeep(t *testing.T) {
	w := chain(t, 40)
	e, err := w.graph.Explain(t.Context(), w.view(), w.question("doc:a#view@user:ann"))
	if err != nil {
		t.Fatal(err)
	}
	var depth func(s *Step) int
	depth = func(s *Step) int {
		most := 0
		for _, c := range s.Children {
			most = max(most, 1+depth(c))
		}
		return most
	}
	if n := depth(e.Root); n < 40 {
		t.Fatalf("the explanation is %d levels deep", n)
	}
	e.Root.Cut(20)
	var text strings.Builder
	if err := e.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if n := depth(e.Root); n != 21 || !strings.Contains(text.String(), "left out, because it lies more than 20 levels deep") {
		t.Errorf("%d levels:\n%s", n, &text)
	}
}
