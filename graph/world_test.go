package graph

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// world is a schema and tuples to ask questions about.
type world struct {
	t     testing.TB
	store *store.Store
	graph *Graph
	rev   uint64
	now   int64
}

// noon is when questions are asked unless they say otherwise.
var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC).UnixNano()

// newWorld compiles schema and writes the tuples, one a line.
func newWorld(t testing.TB, schema, tuples string) *world {
	t.Helper()
	w := &world{t: t, store: store.New(store.Options{}), now: noon}
	w.apply(store.Command{Kind: store.KindInit, ClusterID: "c", Tenant: "default"})
	w.graph = w.compile(schema)
	w.graph.SetOrder(Fixed) // because tests tell what answers cost
	w.write(tuples)
	return w
}

func (w *world) compile(schema string) *Graph {
	w.t.Helper()
	s, err := Parse(schema)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := Validate(s); err != nil {
		w.t.Fatal(err)
	}
	g, err := Compile(s, w.store.Symbols())
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func (w *world) apply(c store.Command) {
	w.t.Helper()
	w.rev++
	e := store.Entry{Commands: []store.Command{c}}
	if err := w.store.Apply(w.rev, e.Append(nil))[0].Err(); err != nil {
		w.t.Fatal(err)
	}
}

// lines splits a text into its lines without blanks and comments.
func lines(text string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			out = append(out, line)
		}
	}
	return out
}

func parseTuples(t testing.TB, text string) []tuple.Tuple {
	t.Helper()
	var out []tuple.Tuple
	for _, line := range lines(text) {
		tp, err := tuple.ParseTuple(line)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tp)
	}
	return out
}

func (w *world) write(text string) {
	w.t.Helper()
	w.writeTuples(parseTuples(w.t, text), store.OpTouch)
}

func (w *world) writeTuples(tuples []tuple.Tuple, op store.Op) {
	w.t.Helper()
	const most = 5000
	for len(tuples) > 0 {
		n := min(most, len(tuples))
		var updates []store.Update
		for _, tp := range tuples[:n] {
			updates = append(updates, store.Update{Op: op, Tuple: tp})
		}
		w.apply(store.Command{Kind: store.KindWrite, Tenant: "default", Updates: updates})
		tuples = tuples[n:]
	}
}

func (w *world) view() store.View {
	w.t.Helper()
	v, err := w.store.View("default", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// question reads "object#permission@subject[,subject...] [json context]".
func (w *world) question(text string) *Question {
	w.t.Helper()
	text, args, _ := strings.Cut(text, " ")
	key, more, _ := strings.Cut(text, ",")
	tp, err := tuple.ParseTuple(key)
	if err != nil {
		w.t.Fatal(err)
	}
	q := &Question{Object: tp.Object, Permission: tp.Relation, Subjects: []tuple.Subject{tp.Subject}, Now: w.now}
	for s := range strings.SplitSeq(more, ",") {
		if s != "" {
			sub, err := tuple.ParseSubject(s)
			if err != nil {
				w.t.Fatal(err)
			}
			q.Subjects = append(q.Subjects, sub)
		}
	}
	if args = strings.TrimSpace(args); args != "" {
		if q.Context, err = tuple.DecodeContext([]byte(args)); err != nil {
			w.t.Fatal(err)
		}
	}
	return q
}

func (w *world) ask(q *Question) (Answer, error) {
	w.t.Helper()
	return w.graph.Check(context.Background(), w.view(), q)
}

// outcome is an answer as the tables of the tests write it.
func outcome(a Answer, err error) string {
	switch {
	case err != nil:
		return "error: " + err.Error()
	case a.Decision == Conditional:
		return fmt.Sprintf("conditional %s", strings.Join(a.Missing, ","))
	}
	return a.Decision.String()
}

// expect asks the questions of a table, one a line: "question = outcome"; an
// outcome that ends in "..." gives its beginning.
func (w *world) expect(table string) {
	w.t.Helper()
	for _, line := range lines(table) {
		text, want, ok := strings.Cut(line, " = ")
		if !ok {
			w.t.Fatalf("no outcome in %q", line)
		}
		got := outcome(w.ask(w.question(text)))
		if start, part := strings.CutSuffix(want, "..."); got != want && !(part && strings.HasPrefix(got, start)) {
			w.t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
