package oracle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// lister asks for a part of one list.
type lister func(g *graph.Graph, v store.View, part listPart, yield func(graph.Listed) bool) error

type listPart struct {
	prefix string
	skip   uint64
	noIDs  bool
}

// objectsOf lists the objects of the type of q's object.
func objectsOf(q graph.Question) lister {
	return func(g *graph.Graph, v store.View, part listPart, yield func(graph.Listed) bool) error {
		_, err := g.ListObjects(context.Background(), v, &graph.ObjectsQuestion{
			Type: q.Object.Type, Permission: q.Permission, Subjects: q.Subjects, Context: q.Context, Contextual: q.Contextual,
			Now: q.Now, Limits: q.Limits, Prefix: part.prefix, Skip: part.skip, NoIDs: part.noIDs}, yield)
		return err
	}
}

// subjectsOf lists the subjects of the kind of q's first subject.
func subjectsOf(q graph.Question) lister {
	return func(g *graph.Graph, v store.View, part listPart, yield func(graph.Listed) bool) error {
		_, err := g.ListSubjects(context.Background(), v, &graph.SubjectsQuestion{
			Object: q.Object, Permission: q.Permission, Type: q.Subjects[0].Type, Relation: q.Subjects[0].Relation,
			Context: q.Context, Contextual: q.Contextual, Now: q.Now, Limits: q.Limits,
			Prefix: part.prefix, Skip: part.skip, NoIDs: part.noIDs}, yield)
		return err
	}
}

// listedAnswer is a result as an answer.
func listedAnswer(l graph.Listed) answer {
	return newAnswer(graph.Answer{Decision: l.Decision, Missing: l.Missing}, l.Err)
}

// all returns a whole list by id. An id that comes twice is an error.
func (l lister) all(g *graph.Graph, v store.View) (map[string]answer, error) {
	out := map[string]answer{}
	var last uint64
	var twice error
	err := l(g, v, listPart{}, func(r graph.Listed) bool {
		if _, again := out[r.ID]; again || r.Position <= last {
			twice = fmt.Errorf("%s is listed twice or out of order", r.ID)
		}
		out[r.ID], last = listedAnswer(r), r.Position
		return true
	})
	return out, cmp.Or(err, twice)
}

// viewOf returns a view or fails.
func viewOf(t testing.TB, s *store.Store, rev uint64) store.View {
	t.Helper()
	v, err := s.View(tenant, rev)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// names returns the objects of a type that the world or the question names, and
// one that neither does.
func (c kase) names(typ string) []tuple.Object {
	w := World{Tuples: c.tuples}
	all := named(&c.question, append(w.visible(&c.question), c.question.Contextual...))
	all[tuple.Object{Type: typ, ID: "nobody-has-heard-of"}] = true
	var out []tuple.Object
	for o := range all {
		if o.Type == typ && o.ID != tuple.Wildcard {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b tuple.Object) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// wrongObjects says how the list of objects contradicts the oracle and Check.
func (c kase) wrongObjects(g *graph.Graph, v store.View) string {
	w, err := NewWorld(c.schema, c.tuples)
	if err != nil {
		return ""
	}
	return c.contradictsTable(Solve(w, &c.question), g, v)
}

func (c kase) contradictsTable(table Table, g *graph.Graph, v store.View) string {
	q := c.question
	got, err := objectsOf(q).all(g, v)
	if err != nil {
		return "error: " + err.Error()
	}
	for _, o := range c.names(q.Object.Type) {
		q.Object = o
		want := newAnswer(g.Check(context.Background(), v, &q))
		if oracle := table[Atom{o, q.Permission}].Value(); oracle != want.Value {
			return fmt.Sprintf("Check: oracle %v, walk %v", oracle, want.Value)
		}
		if why := differ(want, got[o.ID]); why != "" && !(want.Value == Failed && c.isUndecided(g, v, q)) {
			return fmt.Sprintf("%s: %s", why, o)
		}
		delete(got, o.ID)
	}
	for id := range got {
		return fmt.Sprintf("nobody knows the listed \"%s\"", id)
	}
	return ""
}

// isUndecided reports whether q has no answer though nothing leads to it: in a
// circle of .all() each waits for the others, whoever asks. Lists come upon
// circles only from somewhere. It is so if nobody has an answer, or if the
// subjects of q are denied where nothing is taken away and one will do for all.
func (c kase) isUndecided(g *graph.Graph, v store.View, q graph.Question) bool {
	fresh := q
	fresh.Subjects = slices.Clone(q.Subjects)
	for i := range fresh.Subjects {
		fresh.Subjects[i].ID = "nobody-has-heard-of"
	}
	_, err := g.Check(context.Background(), v, &fresh)
	if cycle := (&graph.NegativeCycleError{}); errors.As(err, &cycle) {
		return true
	}
	s := *c.schema
	s.Definitions = nil
	for _, d := range c.schema.Definitions {
		next := *d
		next.Relations = nil
		for _, r := range d.Relations {
			granting := *r
			granting.Rewrite = grants(r.Rewrite)
			next.Relations = append(next.Relations, &granting)
		}
		s.Definitions = append(s.Definitions, &next)
	}
	w, err := NewWorld(&s, c.tuples)
	return err == nil && Solve(w, &q)[Atom{q.Object, q.Permission}].Value() == Denied
}

// grants returns e without exclusions and with .any() in place of .all().
func grants(e graph.Expr) graph.Expr {
	each := func(es []graph.Expr) (out []graph.Expr) {
		for _, e := range es {
			out = append(out, grants(e))
		}
		return out
	}
	switch e := e.(type) {
	case *graph.Union:
		return &graph.Union{Children: each(e.Children)}
	case *graph.Intersection:
		return &graph.Intersection{Children: each(e.Children)}
	case *graph.Exclusion:
		return grants(e.Base)
	case *graph.Arrow:
		return &graph.Arrow{Tupleset: e.Tupleset, Target: e.Target}
	}
	return e
}

// differ compares two answers but for the text of errors, of which there may be
// several.
func differ(want, got answer) string {
	if want.Value != got.Value || !slices.Equal(want.Missing, got.Missing) {
		return fmt.Sprintf("want %v, listed %v", want, got)
	}
	return ""
}

// wrongSubjects says how the list of subjects contradicts Check: whoever is not
// listed has what "*" has.
func (c kase) wrongSubjects(g *graph.Graph, v store.View) string {
	q := c.question
	kind := q.Subjects[0]
	got, err := subjectsOf(q).all(g, v)
	if err != nil {
		return "error: " + err.Error()
	}
	everyone, isCovered := got[tuple.Wildcard]
	delete(got, tuple.Wildcard)
	if isCovered && (kind.Relation != "" || everyone.Value == Denied) {
		return fmt.Sprintf("wildcard with %v", everyone)
	}
	for _, o := range c.names(kind.Type) {
		q.Subjects = []tuple.Subject{{Type: o.Type, ID: o.ID, Relation: kind.Relation}}
		want := newAnswer(g.Check(context.Background(), v, &q))
		listed, isListed := got[o.ID]
		switch {
		case !isListed:
			listed = everyone
		case listed.Value == Denied && !isCovered:
			return fmt.Sprintf("denied and no wildcard: %s", o)
		}
		delete(got, o.ID)
		why := differ(want, listed)
		if kind.Relation != "" && want.Value == Failed && c.isUndecided(g, v, q) {
			continue // usersets have no wildcard that could tell it
		}
		if why != "" {
			return fmt.Sprintf("%s (listed: %v): %s", why, isListed, o)
		}
	}
	for id := range got {
		return fmt.Sprintf("nobody knows the listed \"%s\"", id)
	}
	return ""
}

// wrongList is wrongObjects or wrongSubjects.
type wrongList func(c kase, g *graph.Graph, v store.View) string

// alone returns what is wrong with c on a store of its own.
func (wrong wrongList) alone(t testing.TB, c kase) string {
	if _, err := graph.Validate(c.schema); err != nil {
		return ""
	}
	s := store.New(store.Options{})
	g, err := graph.Compile(c.schema, s.Symbols())
	if err != nil {
		return ""
	}
	write := store.Command{Kind: store.KindWrite, Tenant: tenant}
	for _, tp := range c.tuples {
		write.Updates = append(write.Updates, store.Update{Op: store.OpTouch, Tuple: tp})
	}
	e := store.Entry{Commands: []store.Command{{Kind: store.KindInit, ClusterID: "c", Tenant: tenant}, write}}
	s.Apply(1, e.Append(nil))
	why := wrong(c, g, viewOf(t, s, 1))
	if strings.Contains(why, "not in the schema") || strings.Contains(why, "contextual tuple") {
		return "" // the reduction cut off what is asked
	}
	return why
}

// reduced makes c smaller as long as its list is wrong in the same way.
func (wrong wrongList) reduced(t testing.TB, c kase) string {
	why := wrong.alone(t, c)
	if why == "" {
		return "(it does not fail on a store of its own)\n" + c.scenario("?")
	}
	for smaller := true; smaller; {
		smaller = false
		for _, next := range c.steps() {
			if is := wrong.alone(t, next); is != "" && class(is) == class(why) {
				c, smaller = next, true
				break
			}
		}
	}
	return c.scenario(wrong.alone(t, c))
}

// lists counts what is listed, by kind of list.
type lists struct{ objects, subjects [Allowed + 1]int }

// compare compares the lists of one asker with Check: the objects for each
// permission, and on one object of each type the subjects of some kind.
func (n *lists) compare(w *world) {
	rev := uint64(2 + w.rand.IntN(len(w.entries)-1))
	v, base := viewOf(w.t, w.store, rev), random.Asker(w.rand, w.schema)
	table := w.solve(rev, &base)
	for _, d := range w.schema.Definitions {
		for _, rel := range d.Relations {
			q := base
			q.Object.Type, q.Permission = d.Name, rel.Name
			c := kase{w.schema, w.tuples[rev], q}
			if why := c.contradictsTable(table, w.graph, v); why != "" {
				w.t.Fatalf("seed %d, revision %d, objects: %s\n%s", w.seed, rev, why, wrongList(kase.wrongObjects).reduced(w.t, c))
			}
			count(&n.objects, objectsOf(q), w.graph, v)
			c.question.Object = pick(w.rand, append(random.Objects(d.Name), q.Object))
			c.question.Subjects = []tuple.Subject{w.kind()}
			if why := c.wrongSubjects(w.graph, v); why != "" {
				w.t.Fatalf("seed %d, revision %d, subjects: %s\n%s", w.seed, rev, why, wrongList(kase.wrongSubjects).reduced(w.t, c))
			}
			count(&n.subjects, subjectsOf(c.question), w.graph, v)
		}
	}
}

func count(n *[Allowed + 1]int, l lister, g *graph.Graph, v store.View) {
	all, _ := l.all(g, v)
	for _, a := range all {
		n[a.Value]++
	}
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// kind returns a kind of subject to ask for, often the plainest.
func (w *world) kind() tuple.Subject {
	s := random.Subject(w.rand, w.schema)
	if w.rand.IntN(2) == 0 {
		s = tuple.Subject{Type: "user"}
	}
	s.ID = "x"
	return s
}

func TestOracle_ListsAgreeWithCheck(t *testing.T) {
	var n lists
	worlds(t, 400, func(seed uint64) {
		kinds := random.Everything
		kinds.Knots = seed%3 == 0
		w := newWorld(t, seed, kinds)
		for range 3 {
			w.write(10 + w.rand.IntN(30))
			n.compare(w)
		}
	})
	t.Logf("denied, conditional, error, allowed: %+v", n)
	if n.objects[Failed] < 100 || n.objects[Conditional] < 200 || n.subjects[Failed] < 100 || n.subjects[Conditional] < 200 {
		t.Error("that is too little to prove anything")
	}
}

// wildcards makes a schema in which wildcards meet exclusions and
// intersections in all ways.
func wildcards(r *rand.Rand) string {
	var expr func(depth int) string
	expr = func(depth int) string {
		if depth == 0 || r.IntN(4) == 0 {
			return pick(r, []string{"a", "b", "c", "d", "p", "q", "r", "parent->p", "parent->a", "parent->q", "parent.all(r)", "parent.all(a)"})
		}
		return "(" + expr(depth-1) + pick(r, []string{" + ", " & ", " - ", " - "}) + expr(depth-1) + ")"
	}
	users := func() string {
		return pick(r, []string{"user", "user | user:*", "user:*", "user | user:* with quota", "user with quota | user:* | group#member"})
	}
	return fmt.Sprintf(`use expiration
caveat quota(used int, seats int) { used / seats < 2 }
definition user {}
definition group { relation member: user | user:* with expiration | group#member | doc#p }
definition doc {
	relation parent: doc
	relation a: %s
	relation b: %s
	relation c: %s
	relation d: user | group#member | doc#q
	permission p = %s
	permission q = %s
	permission r = %s
}`, users(), users(), users(), expr(3), expr(3), expr(2))
}

func TestOracle_ListsAgreeWithWildcards(t *testing.T) {
	var n lists
	worlds(t, 400, func(seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorldOf(t, seed, parse(t, wildcards(r)))
		for range 2 {
			w.write(80 + w.rand.IntN(200))
			w.writeWildcards()
			n.compare(w)
		}
	})
	t.Logf("denied, conditional, error, allowed: %+v", n)
	if n.subjects[Denied] < 100 {
		t.Errorf("only %d exceptions from wildcards", n.subjects[Denied])
	}
}

// writeWildcards adds about one wildcard to each document.
func (w *world) writeWildcards() {
	now := uint64(len(w.entries))
	c := store.Command{Kind: store.KindWrite, Tenant: tenant, Time: random.Begin}
	for _, o := range random.Objects("doc") {
		for _, relation := range []string{"a", "b", "c"} {
			if w.rand.IntN(3) == 0 {
				c.Updates = append(c.Updates, store.Update{Op: store.OpTouch, Tuple: tuple.Tuple{
					Object: o, Relation: relation, Subject: tuple.Subject{Type: "user", ID: tuple.Wildcard}}})
			}
		}
	}
	live := map[tuple.Key]tuple.Tuple{}
	for _, t := range w.tuples[now] {
		live[t.Key()] = t
	}
	for _, u := range c.Updates {
		live[u.Tuple.Key()] = u.Tuple
	}
	w.tuples[w.apply(c)] = slices.SortedFunc(maps.Values(live), func(a, b tuple.Tuple) int {
		return cmp.Compare(a.Key().String(), b.Key().String())
	})
}

// newWorldOf is newWorld with a given schema.
func newWorldOf(t testing.TB, seed uint64, s *graph.Schema) *world {
	w := newWorld(t, seed, random.Kinds{})
	w.schema, w.graph = s, compile(t, s, w.store)
	var err error
	if w.caveats, err = NewWorld(s, nil); err != nil {
		t.Fatal(err)
	}
	return w
}
