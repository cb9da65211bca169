package graph

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// nesting is a set of tuples about group#member, by text, as a plain model of
// what nested groups mean.
type nesting map[string]bool

func (n nesting) holds(group, member string, seen map[string]bool) bool {
	if seen[group] {
		return false
	}
	seen[group] = true
	if n[fmt.Sprintf("group:%s#member@%s", group, member)] {
		return true
	}
	for i := range nestedGroups {
		below := fmt.Sprintf("g%d", i)
		if n[fmt.Sprintf("group:%s#member@group:%s#member", group, below)] && n.holds(below, member, seen) {
			return true
		}
	}
	return false
}

const nestedGroups, nestedUsers = 9, 3

// nestingAt is what the store holds at one revision.
type nestingAt struct {
	view  store.View
	model nesting
}

// check asks who is in which group, through a document's viewers, twice.
func (at *nestingAt) check(t *testing.T, g *Graph, rng *rand.Rand) {
	group, user := fmt.Sprintf("g%d", rng.IntN(nestedGroups)), fmt.Sprintf("u%d", rng.IntN(nestedUsers))
	q := &Question{
		Object: tuple.Object{Type: "doc", ID: group}, Permission: "view",
		Subjects: []tuple.Subject{{Type: "user", ID: user}}, Now: noon,
	}
	want := Denied
	if at.model.holds(group, "user:"+user, map[string]bool{}) {
		want = Allowed
	}
	first, err := g.Check(t.Context(), at.view, q)
	again, errAgain := g.Check(t.Context(), at.view, q)
	if err != nil || errAgain != nil || first.Decision != want || !cmp.Equal(first, again) {
		t.Errorf("revision %d: %s in %s: %v %v, then %v %v, want %v", at.view.Revision(), user, group, first, err, again, errAgain, want)
	}
}

// What is kept of groups must not outlive the tuples that it came from, nor be
// seen by views from before them; also while somebody writes.
func TestAbove_FollowsEveryChange(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	documents := "group:dead#member@user:dead\n"
	for i := range nestedGroups {
		documents += fmt.Sprintf("doc:g%d#viewer@group:g%d#member\n", i, i)
	}
	w := newWorld(t, basic, documents)
	now := nesting{}
	history := []*nestingAt{{w.view(), now}}
	kept := 0
	for i := range 600 {
		if i == 300 {
			w.collect()
			for range 100 { // views of both generations
				(&nestingAt{w.view(), now}).check(t, w.graph, rng)
				history[len(history)-1].check(t, w.graph, rng)
			}
		}
		now = w.change(rng, now)
		history = append(history, &nestingAt{w.view(), now})
		var together sync.WaitGroup
		for range 2 {
			own := rand.New(rand.NewPCG(rng.Uint64(), 0))
			together.Go(func() {
				for range 3 {
					history[max(0, len(history)-1-own.IntN(8))].check(t, w.graph, own)
				}
			})
		}
		together.Wait()
		if t.Failed() {
			return
		}
		if a := w.graph.above.Load(); a != nil {
			kept = max(kept, int(a.used.Load()))
		}
	}
	if now := w.graph.above.Load(); kept < nestedGroups/2 || now.generation != w.view().Generation() {
		t.Errorf("%d groups at most were kept, at last of generation %d", kept, now.generation)
	}
}

// collect makes the store reclaim what has been deleted: nodes get other numbers.
func (w *world) collect() {
	w.t.Helper()
	var waste []tuple.Tuple
	for i := range 5000 {
		waste = append(waste, parseTuples(w.t, fmt.Sprintf("doc:waste%d#viewer@user:waste", i))...)
	}
	before := w.view().Generation()
	w.writeTuples(waste, store.OpTouch)
	w.writeTuples(waste, store.OpDelete)
	w.writeTuples(parseTuples(w.t, "group:dead#member@user:dead"), store.OpDelete) // numbered first so far
	w.apply(store.Command{Kind: store.KindHorizon, Horizon: w.rev})
	if w.view().Generation() == before {
		w.t.Fatal("nothing is reclaimed")
	}
}

// change writes or deletes a tuple, most often one about a user, and returns
// what holds then.
func (w *world) change(rng *rand.Rand, from nesting) nesting {
	w.t.Helper()
	text := fmt.Sprintf("group:g%d#member@group:g%d#member", rng.IntN(nestedGroups), rng.IntN(nestedGroups))
	if rng.IntN(3) > 0 {
		text = fmt.Sprintf("group:g%d#member@user:u%d", rng.IntN(nestedGroups), rng.IntN(nestedUsers))
	}
	to := nesting{}
	for k := range from {
		to[k] = true
	}
	op := store.OpTouch
	if from[text] || rng.IntN(3) == 0 {
		op = store.OpDelete
		delete(to, text)
	} else {
		to[text] = true
	}
	w.writeTuples(parseTuples(w.t, text), op)
	return to
}

func TestAbove_TableGrowsWithWhatIsAsked(t *testing.T) {
	const n = 5 * leastAbove
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "group:g%d#member@user:u%d\ngroup:above%d#member@group:g%d#member\ndoc:d%d#viewer@group:above%d#member\n", i, i, i, i, i, i)
	}
	w := newWorld(t, basic, text.String())
	for range 3 { // as it grows, a table loses some entries
		for i := range n {
			w.expect(fmt.Sprintf(`
				doc:d%d#view@user:u%d = allowed
				doc:d%d#view@user:u%d = denied`, i, i, (i+1)%n, i))
		}
	}
	if a := w.graph.above.Load(); len(a.slots) <= leastAbove || int(a.used.Load()) < n/2 {
		t.Errorf("%d of %d slots", a.used.Load(), len(a.slots))
	}
}
