package oracle

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/tuple"
)

// expansion evaluates a tree for one subject set, bottom up: everything that is
// needed but the kinds of subjects that the schema admits is in the tree.
type expansion struct {
	sight *sight
	w     *World
	trees map[Atom]*graph.Tree
	table Table // as of the last narrowing
}

// solve decides all atoms of the tree as Solve does those of a world.
func (x *expansion) solve() Table {
	x.table = Table{}
	for a := range x.trees {
		x.table[a] = Bounds{Denied, x.sight.admits(x.w.Schema, a)}
	}
	for {
		narrowed, changed := x.leastFixpoint(), false
		for a := range x.trees {
			changed = changed || narrowed[a] != x.table[a]
		}
		if !changed {
			return narrowed
		}
		x.table = narrowed
	}
}

func (x *expansion) leastFixpoint() Table {
	t := Table{}
	for changed := true; changed; {
		changed = false
		for a, tree := range x.trees {
			v := x.eval(t, tree.Children[0])
			if x.sight.subjects[tuple.Subject{Type: a.Object.Type, ID: a.Object.ID, Relation: a.Relation}] {
				v = exactly(Allowed)
			}
			if v != t[a] {
				t[a], changed = v, true
			}
		}
	}
	return t
}

func (x *expansion) eval(t Table, n *graph.Tree) Bounds {
	out := exactly(Denied)
	switch n.Kind {
	case graph.TreeUnion, graph.TreeDirect, graph.TreeArrow:
		for _, c := range n.Children {
			out = union(out, x.counted(t, c))
		}
	case graph.TreeIntersection:
		out = x.every(t, n.Children)
	case graph.TreeAll:
		if len(n.Children) > 0 {
			out = x.every(x.table, n.Children)
		}
	case graph.TreeExclusion:
		out = intersect(x.eval(t, n.Children[0]), negate(x.eval(x.table, n.Children[1])))
	case graph.TreeRelation, graph.TreePermission, graph.TreeSeen:
		out = t[Atom{n.Object, n.Relation}]
	case graph.TreeSelf:
		// The object is that of the relation around it, which eval does not know;
		// see withObjects.
		if x.sight.subjects[tuple.Subject{Type: n.Object.Type, ID: n.Object.ID}] {
			out = exactly(Allowed)
		}
	case graph.TreeSubject:
		if s := n.Tuple.Subject; x.sight.subjects[s] || s.IsWildcard() && x.sight.types[s.Type] {
			out = exactly(Allowed)
		}
	}
	return out
}

func (x *expansion) every(t Table, nodes []*graph.Tree) Bounds {
	out := exactly(Allowed)
	for _, n := range nodes {
		out = intersect(out, x.counted(t, n))
	}
	return out
}

// counted is what a node is worth as far as its tuple counts.
func (x *expansion) counted(t Table, n *graph.Tree) Bounds {
	counts := map[graph.CaveatState]Value{graph.CaveatNone: Allowed, graph.CaveatHolds: Allowed,
		graph.CaveatFails: Denied, graph.CaveatOpen: Conditional, graph.CaveatFailed: Failed}[n.Caveat]
	return intersect(exactly(counts), x.eval(t, n))
}

// collect finds the expanded atoms of a tree. It fills in the object of "self".
func collect(into map[Atom]*graph.Tree, n *graph.Tree, around tuple.Object) {
	switch n.Kind {
	case graph.TreeRelation, graph.TreePermission:
		around = n.Object
		into[Atom{n.Object, n.Relation}] = n
	case graph.TreeSelf:
		n.Object = around
	}
	for _, c := range n.Children {
		collect(into, c, around)
	}
}

// TestExpand_EvaluatesToCheck: the tree decides every subject of the world as
// the oracle does, for its root and for all that it passes through.
func TestExpand_EvaluatesToCheck(t *testing.T) {
	var count tally
	worlds(t, 250, func(seed uint64) {
		k := random.Everything
		k.Knots, k.Unsettled = seed%3 == 0, seed%2 == 0
		w := newWorld(t, seed, k)
		for _, a := range w.history(2) {
			w.compareTree(a, &count)
		}
	})
	t.Log(&count)
	for v, least := range map[Value]float64{Allowed: 5, Denied: 5, Conditional: 1, Failed: 1} {
		if count.share(v) < least {
			t.Errorf("%.1f %% of the decisions are %v", count.share(v), v)
		}
	}
}

func (w *world) compareTree(a asked, count *tally) {
	q := a.question
	tree := w.expand(a.rev, &graph.ExpandQuestion{Object: q.Object, Permission: q.Permission, Context: q.Context,
		Contextual: q.Contextual, Now: q.Now, Depth: -1, MaxNodes: 1_000_000})
	at := *w.caveats
	at.Tuples = w.tuples[a.rev]
	trees := map[Atom]*graph.Tree{}
	collect(trees, tree, tuple.Object{})
	for _, s := range w.subjects(&at, &q) {
		q.Subjects = about(s)
		want := Solve(&at, &q)
		got := (&expansion{sight: see(&at, &q), w: &at, trees: trees}).solve()
		for atom := range trees {
			count.values[want[atom].Value()]++
			if got[atom].Value() != want[atom].Value() {
				var text strings.Builder
				_ = tree.WriteText(&text)
				q.Object, q.Permission = atom.Object, atom.Relation
				c := kase{w.schema, w.tuples[a.rev], q}
				w.t.Fatalf("seed %d, revision %d: oracle: %v; tree: %v\n%s\n%s", w.seed, a.rev, want[atom], got[atom], c.scenario("?"), text.String())
			}
		}
	}
}

func (w *world) expand(rev uint64, q *graph.ExpandQuestion) *graph.Tree {
	v, err := w.store.View(tenant, rev)
	if err != nil {
		w.t.Fatal(err)
	}
	tree, _, err := w.graph.Expand(context.Background(), v, q)
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	return tree
}

// subjects returns a few subjects of each kind that a question can see, some
// that it cannot, and its own.
func (w *world) subjects(at *World, q *graph.Question) []tuple.Subject {
	out := slices.Clone(q.Subjects)
	for range 6 {
		out = append(out, random.Subject(w.rand, w.schema))
	}
	for _, t := range at.visible(q) {
		if !t.Subject.IsWildcard() && w.rand.IntN(4) == 0 {
			out = append(out, t.Subject)
		}
	}
	slices.SortFunc(out, func(a, b tuple.Subject) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(out)
}

// TestExpand_DepthOnlyCuts: a shallower tree is the same tree with the rest left
// out, at any depth.
func TestExpand_DepthOnlyCuts(t *testing.T) {
	worlds(t, 150, func(seed uint64) {
		w := newWorld(t, seed, random.Everything)
		for _, a := range w.history(2) {
			q := graph.ExpandQuestion{Object: a.question.Object, Permission: a.question.Permission, Context: a.question.Context,
				Contextual: a.question.Contextual, Now: a.question.Now, MaxNodes: 1_000_000}
			before := map[Atom]*graph.Tree{}
			for q.Depth = 0; q.Depth < 6; q.Depth++ {
				trees := map[Atom]*graph.Tree{}
				collect(trees, w.expand(a.rev, &q), tuple.Object{})
				for atom := range before {
					if trees[atom] == nil {
						t.Fatalf("seed %d: %v is expanded at depth %d and not at %d", seed, atom, q.Depth-1, q.Depth)
					}
				}
				before = trees
			}
		}
	})
}
