package check

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const schema = `
use expiration
caveat over(age int) { age > 18 }
definition user {}
definition group { relation member: user | group#member | user with expiration }
definition doc {
	relation viewer: user | group#member | user with over | user with expiration
	relation banned: user
	relation other: user
	permission see = viewer - banned
}`

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC).UnixNano()

// world is a store with a schema, and a checker to ask.
type world struct {
	t       testing.TB
	store   *store.Store
	graph   *graph.Graph
	checker *Checker
	rev     uint64
	now     int64
}

func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	w := &world{t: t, store: store.New(store.Options{}), now: noon}
	w.apply(store.Command{Kind: store.KindInit, ClusterID: "c", Tenant: "default"})
	w.graph = w.compile(schema)
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w.checker = c
	return w
}

func (w *world) compile(text string) *graph.Graph {
	w.t.Helper()
	s, err := graph.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	g, err := graph.Compile(s, w.store.Symbols())
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func (w *world) apply(c store.Command) {
	w.rev++
	e := store.Entry{Commands: []store.Command{c}}
	if err := w.store.Apply(w.rev, e.Append(nil))[0].Err(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) change(op store.Op, texts ...string) {
	c := store.Command{Kind: store.KindWrite, Tenant: "default"}
	for _, text := range texts {
		tp, err := tuple.ParseTuple(text)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Updates = append(c.Updates, store.Update{Op: op, Tuple: tp})
	}
	w.apply(c)
}

func (w *world) view(rev uint64) store.View {
	w.t.Helper()
	v, err := w.store.View("default", rev)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) question(text string) *graph.Question {
	w.t.Helper()
	tp, err := tuple.ParseTuple(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return &graph.Question{Object: tp.Object, Permission: tp.Relation, Subjects: []tuple.Subject{tp.Subject}, Now: w.now}
}

// expect asks q at rev (0 = latest) and says whether the cache must answer.
func (w *world) expect(q *graph.Question, rev uint64, want graph.Decision, cached bool) {
	w.t.Helper()
	before := w.checker.Stats().Hits
	a, err := w.checker.Check(context.Background(), w.graph, w.view(rev), q)
	w.checker.Wait()
	if err != nil || a.Decision != want {
		w.t.Errorf("%s#%s: %s, %v, want %s", q.Object, q.Permission, a.Decision, err, want)
	}
	if hit := w.checker.Stats().Hits > before; hit != cached {
		w.t.Errorf("%s#%s at %d: answered from the cache: %v, want %v", q.Object, q.Permission, rev, hit, cached)
	}
}

func TestCheck_SecondAnswerComesFromTheCache(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@group:x#member", "group:x#member@user:ann", "doc:b#banned@user:bob")
	for _, cached := range []bool{false, true} {
		w.expect(w.question("doc:a#see@user:ann"), 0, graph.Allowed, cached)
		w.expect(w.question("doc:a#see@user:bob"), 0, graph.Denied, cached)
		w.expect(w.question("doc:a#see@group:x#member"), 0, graph.Allowed, cached)
		w.expect(w.question("doc:a#viewer@user:ann"), 0, graph.Allowed, cached)
	}
	want := Stats{Hits: 4, Misses: 4, Sets: 4, Walks: 4}
	got := w.checker.Stats()
	got.Steps, got.Reads = 0, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCheck_ChangesElsewhereLeaveAnswersValid(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@user:ann") // revision 2
	w.expect(w.question("doc:a#see@user:ann"), 0, graph.Allowed, false)
	w.change(store.OpTouch, "doc:a#other@user:ann") // revision 3
	w.expect(w.question("doc:a#see@user:ann"), 0, graph.Allowed, true)
	w.expect(w.question("doc:a#see@user:ann"), 2, graph.Allowed, true)
	w.change(store.OpTouch, "doc:b#banned@user:bob") // revision 4, a relation that counts
	w.expect(w.question("doc:a#see@user:ann"), 3, graph.Allowed, true)
	w.expect(w.question("doc:a#see@user:ann"), 0, graph.Allowed, false)
	w.expect(w.question("doc:a#see@user:ann"), 4, graph.Allowed, true)
}

func TestCheck_AnswersHoldForTheirRevisionsOnly(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@user:bob", "doc:a#other@user:ann") // revision 2
	w.change(store.OpTouch, "doc:a#viewer@user:ann")                         // revision 3
	w.change(store.OpTouch, "doc:a#banned@user:ann")                         // revision 4
	see := w.question("doc:a#see@user:ann")
	w.expect(see, 0, graph.Denied, false)
	w.expect(see, 3, graph.Allowed, false)
	w.expect(see, 2, graph.Denied, false)
	w.expect(see, 0, graph.Denied, false)
	w.expect(see, 4, graph.Denied, true)
}

func TestCheck_AnswersHoldForTheirTimeOnly(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@user:ann[expiration:2030-01-01T13:00:00Z]")
	see := w.question("doc:a#see@user:ann")
	w.expect(see, 0, graph.Allowed, false)
	see.Now = noon + int64(time.Hour) - 1
	w.expect(see, 0, graph.Allowed, true)
	see.Now++
	w.expect(see, 0, graph.Denied, false)
	w.expect(see, 0, graph.Denied, true)
	see.Now--
	w.expect(see, 0, graph.Allowed, false)
}

func TestCheck_ContextIsPartOfTheQuestion(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@user:ann[over]", "doc:a#banned@user:bob")
	ask := func(context string, want graph.Decision, cached bool) {
		t.Helper()
		q := w.question("doc:a#see@user:ann")
		var err error
		if q.Context, err = tuple.DecodeContext([]byte(context)); err != nil {
			t.Fatal(err)
		}
		w.expect(q, 0, want, cached)
	}
	ask(`{"age":20}`, graph.Allowed, false)
	ask(`{"age":20}`, graph.Allowed, true)
	ask(`{"age":10}`, graph.Denied, false)
	ask(`{"age":10}`, graph.Denied, true)
	ask(`{}`, graph.Conditional, false)
	ask(`{}`, graph.Conditional, false)
	// A question that no caveat can matter to is the same with any context.
	q := w.question("doc:a#banned@user:bob")
	w.expect(q, 0, graph.Allowed, false)
	q.Context = map[string]any{"age": true}
	w.expect(q, 0, graph.Allowed, true)
}

func TestCheck_QuestionsOfTheirOwnAreNotCached(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@user:ann", "group:x#member@user:bob")
	given := w.question("doc:a#see@user:bob")
	given.Contextual = []tuple.Tuple{{Object: tuple.Object{Type: "doc", ID: "a"}, Relation: "viewer", Subject: tuple.Subject{Type: "user", ID: "bob"}}}
	for range 2 {
		w.expect(given, 0, graph.Allowed, false)
		w.expect(w.question("doc:unknown#see@user:ann"), 0, graph.Denied, false)
	}
	w.expect(w.question("doc:a#see@user:bob"), 0, graph.Denied, false)
}

// Whoever no tuple names is denied as anybody else is whom none does, until one names him.
func TestCheck_WhomNoTupleNamesIsOneSubject(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@user:ann")
	w.expect(w.question("doc:a#see@user:new"), 0, graph.Denied, false)
	w.expect(w.question("doc:a#see@user:newer"), 0, graph.Denied, true)
	w.expect(w.question("doc:a#see@group:new#member"), 0, graph.Denied, false)
	w.change(store.OpTouch, "doc:a#viewer@user:newer")
	w.expect(w.question("doc:a#see@user:newer"), 0, graph.Allowed, false)
	w.expect(w.question("doc:a#see@user:new"), 0, graph.Denied, false)
	w.change(store.OpDelete, "doc:a#viewer@user:newer")
	w.expect(w.question("doc:a#see@user:newer"), 0, graph.Denied, false)
}

func TestCheck_TheSetOfSubjectsIsPartOfTheQuestion(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@user:ann", "doc:b#viewer@user:bob", "doc:b#viewer@user:cid", "doc:b#banned@user:dan")
	ask := func(want graph.Decision, cached bool, ids ...string) {
		t.Helper()
		q := w.question("doc:a#see@user:ann")
		q.Subjects = nil
		for _, id := range ids {
			q.Subjects = append(q.Subjects, tuple.Subject{Type: "user", ID: id})
		}
		w.expect(q, 0, want, cached)
	}
	ask(graph.Denied, false, "bob", "cid", "dan")
	ask(graph.Allowed, false, "bob", "cid", "dan", "ann")
	ask(graph.Allowed, true, "ann", "dan", "cid", "bob", "bob")
	ask(graph.Denied, true, "dan", "bob", "cid")
	ask(graph.Denied, false, "bob", "cid")
}

func TestCheck_GraphsAndLimitsAreKeptApart(t *testing.T) {
	w := newWorld(t, Options{Eager: true, Limits: graph.Limits{Depth: 3}})
	w.change(store.OpTouch, "doc:a#viewer@user:ann")
	w.expect(w.question("doc:a#see@user:ann"), 0, graph.Allowed, false)
	old := w.graph
	w.graph = w.compile("definition user {}\ndefinition doc { relation see: user }")
	w.expect(w.question("doc:a#see@user:ann"), 0, graph.Denied, false)
	w.graph = old
	w.expect(w.question("doc:a#see@user:ann"), 0, graph.Allowed, true)
	q := w.question("doc:a#see@user:ann")
	q.Limits.Depth = 4
	w.expect(q, 0, graph.Allowed, false)
}

func TestCheck_ErrorsAreNotCached(t *testing.T) {
	w := newWorld(t, Options{Eager: true, Limits: graph.Limits{Depth: 1}})
	w.change(store.OpTouch, "doc:a#viewer@group:x#member", "group:x#member@group:y#member", "group:y#member@user:ann")
	for range 2 {
		_, err := w.checker.Check(context.Background(), w.graph, w.view(0), w.question("doc:a#see@user:ann"))
		var limit *graph.LimitError
		if !errors.As(err, &limit) {
			t.Fatal(err)
		}
		w.checker.Wait()
	}
	if s := w.checker.Stats(); s.Hits != 0 || s.Sets != 0 || s.Walks != 2 {
		t.Errorf("%+v", s)
	}
}

func TestBatch_AnswersEachByItself(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@user:ann")
	v := w.view(0)
	w.change(store.OpDelete, "doc:a#viewer@user:ann")
	got := make([]Result, 3)
	w.checker.Batch(context.Background(), w.graph, v, []graph.Question{
		*w.question("doc:a#see@user:ann"), *w.question("dok:a#see@user:ann"), *w.question("doc:a#see@user:bob"),
	}, got)
	var unknown *graph.UnknownError
	if got[0].Answer.Decision != graph.Allowed || !errors.As(got[1].Err, &unknown) || got[2].Answer.Decision != graph.Denied {
		t.Errorf("%+v", got)
	}
}

// TestCheck_CacheChangesNoAnswer asks the same questions of caches of several
// sizes, cold and warm, while tuples come and go, at several revisions.
func TestCheck_CacheChangesNoAnswer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t, Options{MaxCost: -1})
	checkers := []*Checker{w.checker}
	for _, most := range []int64{0, 1, EntryCost, 20 * EntryCost} {
		c, err := New(Options{MaxCost: most, Eager: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		checkers = append(checkers, c)
	}
	text := func() string {
		group := fmt.Sprintf("group:g%d#member", r.IntN(4))
		user := fmt.Sprintf("user:u%d", r.IntN(4))
		doc := fmt.Sprintf("doc:d%d", r.IntN(3))
		return []string{
			doc + "#viewer@" + group, doc + "#viewer@" + user, doc + "#viewer@" + user + "[over]", doc + "#banned@" + user,
			group + "@" + user, fmt.Sprintf("group:g%d#member@%s", r.IntN(4), group),
			fmt.Sprintf("%s#viewer@%s[expiration:2030-01-01T%d:00:00Z]", doc, user, 10+r.IntN(5)),
		}[r.IntN(7)]
	}
	for range 400 {
		w.change([]store.Op{store.OpTouch, store.OpTouch, store.OpDelete}[r.IntN(3)], text())
		for range 10 {
			q := w.question(fmt.Sprintf("doc:d%d#see@user:u%d", r.IntN(3), r.IntN(4)))
			q.Now = noon + int64(r.IntN(5)-2)*int64(time.Hour)
			if r.IntN(2) == 0 {
				q.Context = map[string]any{"age": float64(r.IntN(40))}
			}
			v := w.view(w.rev - uint64(r.IntN(min(5, int(w.rev)-1))))
			var want Result
			for i, c := range checkers {
				var got Result
				got.Answer, got.Err = c.Check(context.Background(), w.graph, v, q)
				if i == 0 {
					want = got
				} else if got.Answer.Decision != want.Answer.Decision || got.Err != nil || want.Err != nil {
					t.Fatalf("checker %d: %+v, want %+v", i, got, want)
				}
			}
		}
		for _, c := range checkers {
			c.Wait()
		}
	}
	for i, c := range checkers[1:] {
		if s := c.Stats(); i != 1 && s.Hits == 0 {
			t.Errorf("checker %d was of no use: %+v", i+1, s)
		}
	}
}

// TestCheck_BesideAWriter asks while tuples change: what a view shows does not.
func TestCheck_BesideAWriter(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@group:x#member", "group:x#member@user:ann", "doc:b#viewer@user:ann")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v := w.view(0)
				want, err := w.graph.Check(context.Background(), v, w.question("doc:a#see@user:ann"))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := w.checker.Check(context.Background(), w.graph, v, w.question("doc:a#see@user:ann"))
				if err != nil || got.Decision != want.Decision {
					t.Errorf("at %d: %s, want %s, %v", v.Revision(), got.Decision, want.Decision, err)
					return
				}
			}
		})
	}
	for i := range 1500 {
		w.change([]store.Op{store.OpDelete, store.OpTouch}[i%2], "group:x#member@user:ann")
		w.change(store.OpTouch, fmt.Sprintf("doc:c#other@user:u%d", i))
	}
	close(stop)
	readers.Wait()
}

func TestCheck_AWarmCheckAllocatesNothing(t *testing.T) {
	w := newWorld(t, Options{Eager: true})
	w.change(store.OpTouch, "doc:a#viewer@group:x#member", "group:x#member@user:ann")
	q, v := w.question("doc:a#see@user:ann"), w.view(0)
	for _, subjects := range [][]tuple.Subject{
		q.Subjects, {{Type: "group", ID: "x"}, {Type: "user", ID: "ann"}},
	} {
		q.Subjects = subjects
		w.expect(q, 0, graph.Allowed, false)
		before := w.checker.Stats().Hits
		n := testing.AllocsPerRun(1000, func() {
			if a, err := w.checker.Check(context.Background(), w.graph, v, q); err != nil || a.Decision != graph.Allowed {
				t.Fatal(a, err)
			}
		})
		if n != 0 && !racing || w.checker.Stats().Hits < before+1000 {
			t.Errorf("%v allocations, %+v", n, w.checker.Stats())
		}
	}
}

func TestCheck_DearAnswersEnterWhenTheirQuestionComesAgain(t *testing.T) {
	w := newWorld(t, Options{LeastWork: 3})
	w.change(store.OpTouch, "doc:a#viewer@group:x#member", "group:x#member@group:y#member", "group:y#member@user:ann", "doc:a#banned@user:bob")
	q := w.question("doc:a#see@user:ann")
	w.expect(q, 0, graph.Allowed, false)
	w.expect(q, 0, graph.Allowed, false)
	w.expect(q, 0, graph.Allowed, true)
	if s := w.checker.Stats(); s.Sets != 1 {
		t.Errorf("%+v", s)
	}
}

// A walk that costs less than an entry is walked for ever.
func TestCheck_CheapAnswersDoNotEnter(t *testing.T) {
	w := newWorld(t, Options{})
	w.change(store.OpTouch, "doc:a#viewer@user:ann")
	for range 5 {
		w.expect(w.question("doc:a#see@user:ann"), 0, graph.Allowed, false)
	}
	if s := w.checker.Stats(); s.Sets != 0 {
		t.Errorf("%+v", s)
	}
}

// Caveats are dear however few tuples lead to them.
func TestCheck_AnswersWithCaveatsEnter(t *testing.T) {
	w := newWorld(t, Options{})
	w.change(store.OpTouch, "doc:a#viewer@user:ann[over]")
	q := w.question("doc:a#see@user:ann")
	q.Context = map[string]any{"age": float64(20)}
	w.expect(q, 0, graph.Allowed, false)
	w.expect(q, 0, graph.Allowed, false)
	w.expect(q, 0, graph.Allowed, true)
}

// Where every answer is overwritten before its question comes again, few are filed.
func TestCheck_AnswersThatNeverServeEnterSeldom(t *testing.T) {
	w := newWorld(t, Options{LeastWork: 1})
	w.change(store.OpTouch, "doc:a#viewer@user:ann", "doc:a#banned@user:bob")
	const rounds = 400
	ask := func() {
		if _, err := w.checker.Check(context.Background(), w.graph, w.view(0), w.question("doc:a#see@user:ann")); err != nil {
			t.Fatal(err)
		}
		w.checker.Wait()
	}
	for i := range rounds {
		w.change([]store.Op{store.OpTouch, store.OpDelete}[i%2], "doc:far#banned@user:far")
		ask()
	}
	if s := w.checker.Stats(); s.Hits != 0 || s.Sets == 0 || s.Sets > rounds/4 {
		t.Errorf("%+v", s)
	}
	for range 200 { // and then it is quiet
		ask()
	}
	if s := w.checker.Stats(); s.Hits == 0 {
		t.Errorf("%+v", s)
	}
}
