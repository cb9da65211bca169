package graph

import (
	"errors"

	"github.com/pemba-authz/pemba/tuple"
)

// TreeKind says what a node of an expansion stands for.
type TreeKind uint8

const (
	TreeRelation     TreeKind = iota + 1 // Object, Relation; one child: TreeDirect, or the rewrite of a translated model
	TreePermission                       // Object, Relation; one child: its rewrite
	TreeUnion                            // whoever has any child
	TreeIntersection                     // whoever has every child
	TreeExclusion                        // whoever has the first child and not the second
	TreeDirect                           // tuples; a child for each: TreeSubject, or what is behind a userset that is followed
	TreeArrow                            // whoever has any child; a child for each tuple of the tupleset: TreeSubject, what it leads to, or TreeNil where its type has no such relation
	TreeAll                              // whoever has every child, of which there is at least one; children as of TreeArrow
	TreeNil                              // nobody
	TreeSelf                             // the object itself
	TreeSeen                             // Object, Relation; expanded elsewhere in the tree, perhaps above: a cycle
	TreeSubject                          // the subject of Tuple, which is not followed further
	TreeCut                              // Text says what was left out here by Cut
)

// String returns a word in lower case.
func (k TreeKind) String() string {
	return [...]string{"", "relation", "permission", "union", "intersection", "exclusion", "direct",
		"arrow", "all", "nil", "self", "seen", "subject", "cut"}[k]
}

// CaveatState says what a caveat lets its tuple count for.
type CaveatState uint8

const (
	CaveatNone   CaveatState = iota // there is none
	CaveatHolds                     // the tuple counts
	CaveatFails                     // it does not
	CaveatOpen                      // it depends on parameters that the question lacks
	CaveatFailed                    // the evaluation ended in an error
)

// String returns a word in lower case.
func (s CaveatState) String() string {
	return [...]string{"none", "holds", "fails", "open", "failed"}[s]
}

// Tree is a node of an expansion. Whoever a node grants is granted only as far
// as Caveat lets the node's tuple count.
type Tree struct {
	Kind     TreeKind
	Object   tuple.Object // of a relation or permission
	Relation string
	Text     string       // the part of the schema, as written; of a relation its kinds of subjects
	Tuple    *tuple.Tuple // by which the node was reached, nil = by the schema alone
	Caveat   CaveatState  // of Tuple
	Missing  []string     // with CaveatOpen: the parameters that would decide, sorted
	Err      string       // with CaveatFailed: why
	Children []*Tree      // in the order of the schema; tuples by type, relation and id of their subjects
}

// reasonOf returns why a value failed. A caveat is told without its tuple:
// equal caveats are evaluated once, and the tuple stands beside it.
func reasonOf(err error) string {
	var caveat *CaveatError
	if errors.As(err, &caveat) {
		return caveat.Err.Error()
	}
	return err.Error()
}
