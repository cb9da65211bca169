package graph

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const churnSchema = `
use expiration
definition user {}
definition team { relation lead: user with expiration }
definition group { relation member: user | group#member }
definition doc {
	relation parent: doc
	relation viewer: user | group#member | team#lead
	permission view = viewer + parent->view
}`

// churn writes and deletes tuples again and again, so that the rows that they
// stand in have that many versions which no new view shows.
func (w *world) churn(versions int, format string) {
	w.t.Helper()
	const batch = 5000
	var tuples []tuple.Tuple
	for i := range batch {
		tuples = append(tuples, parseTuples(w.t, fmt.Sprintf(format, i))...)
	}
	for range versions / batch {
		w.writeTuples(tuples, store.OpTouch)
		w.writeTuples(tuples, store.OpDelete)
	}
}

// TestReads_CountWhatARowPasses: versions that a question does not see are work,
// however few tuples it reads; the limit ends it with an error, and what an
// answer costs does not tell of them.
func TestReads_CountWhatARowPasses(t *testing.T) {
	for name, format := range map[string]string{
		"an arrow's row": "doc:a#parent@doc:%d",
		"usersets":       "doc:a#viewer@team:%d#lead",
		"a subject's":    "group:%d#member@user:ann",
	} {
		w := newWorld(t, churnSchema, "doc:b#parent@doc:c\ndoc:a#viewer@team:x#lead\ndoc:a#viewer@group:x#member\ndoc:a#parent@doc:d")
		w.churn(20_000, format)
		q := w.question("doc:a#view@user:ann")
		q.Limits.Reads = 500
		var limit *LimitError
		if _, err := w.graph.Check(t.Context(), w.view(), q); !errors.As(err, &limit) || limit.Limit != "reads" {
			t.Errorf("%s: check: %v", name, err)
		}
		q.Limits.Reads = 5000
		a, err := w.graph.Check(t.Context(), w.view(), q)
		if err != nil || a.Decision != Denied || a.Reads > 100 {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// TestReads_CountVersionsLaterThanTheView asks an old view about one tuple.
func TestReads_CountVersionsLaterThanTheView(t *testing.T) {
	w := newWorld(t, churnSchema, "doc:a#viewer@user:ann")
	old := w.view()
	for range 10_000 {
		w.writeTuples(parseTuples(t, "doc:a#viewer@user:ann"), store.OpDelete)
		w.writeTuples(parseTuples(t, "doc:a#viewer@user:ann"), store.OpTouch)
	}
	q := w.question("doc:a#view@user:ann")
	q.Limits.Reads = 100
	var limit *LimitError
	if _, err := w.graph.Check(t.Context(), old, q); !errors.As(err, &limit) {
		t.Errorf("got %v", err)
	}
	q.Limits.Reads = 1000
	if a, err := w.graph.Check(t.Context(), old, q); err != nil || a.Decision != Allowed {
		t.Errorf("%+v, %v", a, err)
	}
}

// countedContext ends after so many looks at it.
type countedContext struct {
	context.Context
	left int
}

func (c *countedContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestContext_EndsAWalkWithinARow: one row may have more versions than a caller
// has patience.
func TestContext_EndsAWalkWithinARow(t *testing.T) {
	w := newWorld(t, churnSchema, "doc:a#viewer@user:eve")
	w.churn(50_000, "doc:a#parent@doc:%d")
	q := w.question("doc:a#view@user:ann")
	if _, err := w.graph.Check(&countedContext{t.Context(), 4}, w.view(), q); !errors.Is(err, context.Canceled) {
		t.Errorf("check: %v", err)
	}
	x := &ExpandQuestion{Object: q.Object, Permission: q.Permission, Now: q.Now, Depth: -1}
	if _, _, err := w.graph.Expand(&countedContext{t.Context(), 4}, w.view(), x); !errors.Is(err, context.Canceled) {
		t.Errorf("expand: %v", err)
	}
	w = newWorld(t, churnSchema, "doc:b#viewer@user:eve")
	w.churn(50_000, "doc:%d#viewer@user:ann")
	l := &ObjectsQuestion{Type: "doc", Permission: "view", Subjects: q.Subjects, Now: q.Now}
	_, err := w.graph.ListObjects(&countedContext{t.Context(), 4}, w.view(), l, func(Listed) bool { return true })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v", err)
	}
}

// TestCaveats_TimeOfAWholeListIsBounded, whether the list evaluates them itself
// or what it decides does.
func TestCaveats_TimeOfAWholeListIsBounded(t *testing.T) {
	defer func(d time.Duration) { mostListCaveatTime = d }(mostListCaveatTime)
	mostListCaveatTime = time.Nanosecond
	w := newWorld(t, `
definition user {}
caveat small(n int, most int) { n < most }
definition doc {
	relation viewer: user with small
	relation banned: user with small
	permission view = viewer - banned
}`, `
doc:a#viewer@user:ann[small:{"most":1}]
doc:b#viewer@user:ann[small:{"most":2}]
doc:c#viewer@user:ann[small:{"most":3}]`)
	for _, permission := range []string{"viewer", "view"} {
		q := w.question(`doc:a#view@user:ann {"n": 0}`)
		l := &ObjectsQuestion{Type: "doc", Permission: permission, Subjects: q.Subjects, Context: q.Context, Now: q.Now}
		_, err := w.graph.ListObjects(t.Context(), w.view(), l, func(Listed) bool { return true })
		var limit *LimitError
		if !errors.As(err, &limit) || limit.Limit != "time" {
			t.Errorf("%s: %v", permission, err)
		}
		s := &SubjectsQuestion{Object: q.Object, Permission: permission, Type: "user", Context: q.Context, Now: q.Now}
		_, err = w.graph.ListSubjects(t.Context(), w.view(), s, func(Listed) bool { return true })
		if permission == "view" && (!errors.As(err, &limit) || limit.Limit != "time") {
			t.Errorf("subjects of %s: %v", permission, err)
		}
	}
}
