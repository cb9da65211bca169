package graph

import (
	"context"
	"strings"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// ObjectsQuestion asks on which objects of a type the subjects have a permission.
type ObjectsQuestion struct {
	Type, Permission string          // of the objects listed
	Subjects         []tuple.Subject // the subject set, as in Question
	Context          map[string]any
	Contextual       []tuple.Tuple
	Now              int64
	Limits           Limits
	Prefix           string // only ids that begin with it
	Skip             uint64 // Position of the last Listed of an earlier call with the same question at the same view and time; 0 = from the start
	NoIDs            bool   // leave Listed.ID empty, for those who only count: names are not even read
}

// SubjectsQuestion asks which subjects of a kind have a permission on an object.
type SubjectsQuestion struct {
	Object         tuple.Object
	Permission     string
	Type, Relation string // of the subjects listed: "user", "" or, for usersets, "group", "member"
	Context        map[string]any
	Contextual     []tuple.Tuple
	Now            int64
	Limits         Limits
	Prefix         string // as in ObjectsQuestion; the wildcard is listed in any case
	Skip           uint64
	NoIDs          bool
}

// Listed is one result of a list. Its decision, missing names and error are
// those of Check.
type Listed struct {
	ID       string
	Decision Decision // Allowed or Conditional; in ListSubjects also Denied: an exception from a wildcard that is listed
	Missing  []string // sorted, with Conditional
	Err      error    // why this one could not be decided; Decision is then Denied and means nothing
	Position uint64   // for Skip
}

// ListCost is the work of a list.
type ListCost struct {
	Steps int // programs come to on an object, and steps of the decisions made
	Reads int // look-ups and tuples read
}

// list is what both lists have in common. It is scratch: a list keeps nothing
// of it but the tables' memory.
type list struct {
	ctx     context.Context
	g       *Graph
	view    store.View
	r       Resolved
	rows    *walk // reads tuples for the list itself; its reads are those of the whole list, its err ends it
	states  stateTable
	listed  nodeSet // and what need not be listed
	steps   int
	yield   func(Listed) bool
	stopped bool // by yield

	selection
	position uint64
	waiting  waitingNodes
}

// selection says what of a list is wanted.
type selection struct {
	prefix string
	skip   uint64
	noIDs  bool
}

func (l *list) begin(ctx context.Context, g *Graph, v store.View, yield func(Listed) bool, wanted selection) {
	l.ctx, l.g, l.view, l.yield, l.selection = ctx, g, v, yield, wanted
	l.position, l.steps, l.stopped = 0, 0, false
	l.waiting.n, l.waiting.most = 0, 1
	l.states.reset()
	l.listed.reset()
	l.rows = walks.Get().(*walk)
	l.rows.begin(ctx, g, &v, &l.r)
	l.rows.limits.Reads, l.rows.mostCaveats = l.r.limits.List, mostListCaveatTime
	l.rows.recount()
	l.rows.err = ctx.Err()
}

// end drops what the list refers to and returns what it has cost.
func (l *list) end(deciders ...*decider) (ListCost, error) {
	l.giveWaiting()
	cost, err := ListCost{l.steps, l.rows.reads}, l.rows.err
	for _, d := range append(deciders, &decider{walk: l.rows}) {
		if d.walk != nil {
			d.walk.end()
			walks.Put(d.walk)
		}
		*d = decider{}
	}
	l.ctx, l.g, l.view, l.yield, l.r, l.rows = nil, nil, store.View{}, nil, Resolved{}, nil
	l.states.shrink()
	l.listed.shrink()
	return cost, err
}

// mayGoOn reports whether neither an error nor the caller has ended the list.
func (l *list) mayGoOn() bool { return !l.stopped && l.rows.err == nil }

// candidate numbers a further candidate and reports whether it is asked for.
// Which candidates there are, and in which order, must not depend on Skip.
func (l *list) candidate(n store.Node) (id string, asked bool) {
	l.giveWaiting()
	if l.position++; l.position <= l.skip || l.stopped {
		return "", false
	}
	if l.noIDs && l.prefix == "" {
		return "", true
	}
	if isLocal(n) {
		id = l.rows.object(n).ID
	} else {
		_, id = l.view.NodeName(n)
	}
	return id, strings.HasPrefix(id, l.prefix)
}

// give yields what is known of the candidate that was last numbered.
func (l *list) give(id string, d Decision, missing []string, err error) {
	if l.noIDs {
		id = ""
	}
	l.stopped = !l.yield(Listed{ID: id, Decision: d, Missing: missing, Err: err, Position: l.position})
}
