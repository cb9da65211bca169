package graph

import (
	"io"
	"strings"
)

// WriteText writes the tree for people, a node a line:
//
//	doc:readme#view = viewer + parent->view
//	+- doc:readme#viewer: user | group#member
//	|  +- user:ann
//	|  +- group:eng#member: user
//	|     +- user:bob [office:{"net":"10.0.0.0/8"}] needs ip
//	+- parent->view
//
// Names are never cut. The error is w's.
func (t *Tree) WriteText(w io.Writer) error {
	out := newTextWriter(w)
	t.write(out, "", "", "")
	return out.flush()
}

// write writes t behind first, the rest of its lines behind rest; role says
// what t is to its parent.
func (t *Tree) write(out textWriter, first, rest, role string) {
	out.line(first, role, t.title(), t.condition())
	nodes := t.Children
	if len(nodes) == 1 && t.isInline(nodes[0]) {
		t, nodes = nodes[0], nodes[0].Children
	}
	for i, c := range nodes {
		role, below := "", rest+"|  "
		if t.Kind == TreeExclusion && i == 1 {
			role = "minus "
		}
		if i == len(nodes)-1 {
			below = rest + "   "
		}
		c.write(out, rest+"+- ", below, role)
	}
}

// isInline reports whether the only child of t says no more than t does.
func (t *Tree) isInline(child *Tree) bool {
	switch child.Kind {
	case TreeDirect:
		return t.Kind == TreeRelation
	case TreeUnion, TreeIntersection, TreeExclusion:
		return t.Text == child.Text
	case TreeArrow, TreeAll, TreeNil, TreeSelf:
		return t.Text == child.Text && t.Kind == TreePermission
	}
	return false
}

func (t *Tree) title() string {
	name := t.Object.String() + "#" + t.Relation
	switch t.Kind {
	case TreeRelation, TreePermission:
		return defined(name, t.Text, t.Kind == TreePermission)
	case TreeSeen:
		return name + " (elsewhere in this tree)"
	case TreeDirect:
		return "tuples"
	case TreeNil:
		if t.Tuple != nil {
			return t.Tuple.Subject.String() + " (nobody: " + t.Tuple.Subject.Type + " has no such relation or permission)"
		}
	case TreeSubject:
		return t.Tuple.Subject.String()
	}
	return oneLine(t.Text)
}

// condition says under which conditions the tuple of t counts.
func (t *Tree) condition() string {
	if t.Tuple == nil {
		return ""
	}
	traits := t.Tuple.String()[len(t.Tuple.Key().String()):]
	if traits != "" {
		traits = " " + traits
	}
	switch t.Caveat {
	case CaveatHolds, CaveatFails:
		return traits + " " + t.Caveat.String()
	case CaveatOpen:
		return traits + " needs " + strings.Join(t.Missing, ", ")
	case CaveatFailed:
		return traits + " failed: " + oneLine(t.Err)
	}
	return traits
}
