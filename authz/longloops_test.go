package authz

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/tuple"
)

// fill writes tuples doc:0#viewer@user:ann, doc:1..., many at a time.
func (w *world) fill(n int) {
	w.t.Helper()
	const most = 5000
	for from := 0; from < n; from += most {
		var texts []string
		for i := from; i < min(n, from+most); i++ {
			texts = append(texts, fmt.Sprintf("doc:%d#viewer@user:ann", i))
		}
		w.touch(texts...)
	}
}

// TestRead_EndsWithItsContext, also where its filter selects nothing for long.
func TestRead_EndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	w.fill(10_000)
	for _, f := range []tuple.Filter{{Type: "doc"}, {Type: "group"}} {
		reading, err := w.Read(t.Context(), ReadRequest{Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		n := 0
		err = reading.Each(ctx, func(tuple.Tuple) bool { n++; return true })
		if err == nil || reasonOf(t, err) != "CANCELED" || n > 5000 {
			t.Fatalf("%+v: %d tuples, then %v", f, n, err)
		}
		if err := reading.Each(t.Context(), func(tuple.Tuple) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		if want := map[string]int{"doc": 10_000}[f.Type]; n != want || reading.Cursor() != "" {
			t.Errorf("%+v: %d tuples in two parts, want %d", f, n, want)
		}
	}
}

func TestDeleteMatching_EndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	w.fill(10_000)
	ctx, cancel := context.WithCancel(t.Context())
	err := w.DeleteMatching(ctx, ann, DeleteMatchingRequest{Filter: tuple.Filter{Type: "doc"}}, func(d Deletion) error {
		cancel()
		return nil
	})
	if err == nil || reasonOf(t, err) != "CANCELED" {
		t.Errorf("got %v", err)
	}
	if left := len(w.all()); left != 10_000-deleteBatch {
		t.Errorf("%d tuples are left", left)
	}
}

// TestWatch_ReadsALongHistoryInPieces: nothing is lost between two.
func TestWatch_ReadsALongHistoryInPieces(t *testing.T) {
	defer func(n uint64) { watchStep = n }(watchStep)
	watchStep = 3
	w := newWorld(t)
	watch := w.watch(WatchRequest{})
	for i := range 20 {
		w.touch(fmt.Sprintf("doc:%d#viewer@user:ann", i/4)) // three of four change nothing
	}
	var got []string
	for len(got) < 5 {
		r, err := watch.Next(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Tuples {
			got = append(got, c.Tuple.Object.ID)
		}
	}
	if s := strings.Join(got, ""); s != "01234" {
		t.Errorf("got %s", s)
	}
}

func TestDiffSchema_EndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:ann")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.DiffSchema(ctx, "", "definition user {}", Consistency{})
	if err == nil || reasonOf(t, err) != "CANCELED" {
		t.Errorf("got %v", err)
	}
}
