package graph

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

func (w *world) expandQuestion(name, relation string) *ExpandQuestion {
	o, err := tuple.ParseObject(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return &ExpandQuestion{Object: o, Permission: relation, Now: w.now, Depth: -1}
}

func (w *world) expand(ctx context.Context, q *ExpandQuestion) (*Tree, error) {
	tree, _, err := w.graph.Expand(ctx, w.view(), q)
	return tree, err
}

func nodesOf(t *Tree) int {
	n := 1
	for _, c := range t.Children {
		n += nodesOf(c)
	}
	return n
}

func TestExpand_MoreNodesAreAnError(t *testing.T) {
	sequential(t)
	w := wideWorld(t, wide)
	ctx := context.Background()
	q := w.expandQuestion("doc:a", "view")
	var limit *LimitError
	if tree, err := w.expand(ctx, q); tree != nil || !errors.As(err, &limit) || *limit != (LimitError{"nodes", 10_000, 10_001}) {
		t.Error(err)
	}
	q.MaxNodes = 1_000_000
	tree, err := w.expand(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	n := nodesOf(tree)
	if q.MaxNodes = n; n < 2*wide {
		t.Errorf("%d nodes", n)
	}
	if _, err := w.expand(ctx, q); err != nil {
		t.Error(err)
	}
	q.MaxNodes = n - 1
	if _, err := w.expand(ctx, q); !errors.As(err, &limit) {
		t.Error(err)
	}
}

func TestExpand_Errors(t *testing.T) {
	w := wideWorld(t, 3000)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	q := w.expandQuestion("doc:a", "view")
	if _, err := w.expand(cancelled, q); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	q.MaxNodes, q.Limits.Reads = 1_000_000, 1000
	var limit *LimitError
	if _, err := w.expand(context.Background(), q); !errors.As(err, &limit) || limit.Limit != "reads" {
		t.Error(err)
	}
	q.Contextual = parseTuples(t, "doc:a#view@user:ann")
	var contextual *ContextualError
	if _, err := w.expand(context.Background(), q); !errors.As(err, &contextual) {
		t.Error(err)
	}
}

func TestExpand_ContextualTuplesReplaceStoredOnes(t *testing.T) {
	w := wideWorld(t, 3000)
	w.write("group:x#member@user:ann\ndoc:b#guest@group:x#member[on:{\"open\":true}]")
	q := w.expandQuestion("doc:b", "guest")
	q.Contextual = parseTuples(t, "doc:b#guest@group:x#member[on]\ndoc:b#guest@group:new#member[on]\ngroup:new#member@user:new")
	tree, err := w.expand(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	_ = tree.WriteText(&b)
	want := `doc:b#guest: group#member with on
+- group:new#member: user | group#member [on] needs open
|  +- user:new
+- group:x#member: user | group#member [on] needs open
   +- user:ann
`
	if b.String() != want {
		t.Error(b.String())
	}
}

func TestExpand_OrderOfWritesChangesNothing(t *testing.T) {
	tuples := parseTuples(t, `
		doc:a#viewer@user:zoe
		doc:a#viewer@user:ann
		doc:a#viewer@group:b#member
		doc:a#viewer@group:a#member
		doc:a#folder@folder:y
		doc:a#folder@folder:x
		folder:x#viewer@group:a#member
		group:a#member@robot:r
		group:b#member@group:a#member`)
	text := func() string {
		w := newWorld(t, basic, "")
		w.writeTuples(tuples, store.OpTouch)
		return w.expandText("doc:a#view", -1)
	}
	want := text()
	for range tuples {
		tuples = append(tuples[1:], tuples[0])
		if got := text(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}
