package graph

import (
	"github.com/pemba-authz/pemba/tuple"
)

// StepKind says what a step of an explanation looked at.
type StepKind uint8

const (
	StepRelation     StepKind = iota + 1 // Object, Relation; a StepTuple for each tuple, or the rewrite of a translated model
	StepPermission                       // Object, Relation; one child: its rewrite
	StepUnion                            // any child
	StepIntersection                     // every child
	StepExclusion                        // the first child and not the second
	StepArrow                            // any child; a StepTuple for each tuple of the tupleset
	StepAll                              // every child, of which there is at least one
	StepTuple                            // Tuple; its child is what its userset or its object leads to
	StepSelf                             // the object itself
	StepMember                           // Object#Relation is the userset asked about, and a member of itself
	StepNil                              // nobody
	StepSkipped                          // not looked at, explained elsewhere or left out: Note says which
	StepCycle                            // Object#Relation is being explained above, and adds nothing here
)

// String returns a word in lower case.
func (k StepKind) String() string {
	return [...]string{"", "relation", "permission", "union", "intersection", "exclusion", "arrow",
		"all", "tuple", "self", "member", "nil", "skipped", "cycle"}[k]
}

// Outcome says what a step came to.
type Outcome uint8

const (
	OutcomeSkipped Outcome = iota // not looked at
	OutcomeDenied
	OutcomeConditional
	OutcomeFailed // ended in an error
	OutcomeAllowed
)

// String returns a word in lower case.
func (o Outcome) String() string {
	return [...]string{"skipped", "denied", "conditional", "failed", "allowed"}[o]
}

// Step is one step of an explanation. Its outcome is for the question's
// subjects, taken together.
type Step struct {
	Kind       StepKind
	Object     tuple.Object // of a relation or permission
	Relation   string
	Text       string       // the part of the schema, as written; of a relation its kinds of subjects
	Tuple      *tuple.Tuple // of a StepTuple
	Contextual bool         // Tuple was given with the question
	Expired    bool         // Tuple has expired
	Caveat     *CaveatUse   // of Tuple, if it was evaluated
	Outcome    Outcome
	Missing    []string // with OutcomeConditional: the parameters that would decide, sorted
	Err        string   // with OutcomeFailed: why
	Note       string   // a sentence for people, "" = none
	Children   []*Step  // what the outcome rests on, the most important tuples first
}

// CaveatUse is an evaluation of a caveat for a tuple.
type CaveatUse struct {
	Name       string
	Expression string // as written
	Context    string // what it saw, the tuple's values and the question's: a canonical JSON object; long values are replaced by a string that says so
	Outcome    Outcome
	Missing    []string // with OutcomeConditional, sorted
	Err        string   // with OutcomeFailed
}
