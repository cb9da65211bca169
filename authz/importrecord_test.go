package authz

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/store"
)

// imports lists the ids of the imports that the tenant remembers.
func (w *world) imports() (ids []string) {
	w.t.Helper()
	v, err := w.node.Store().View(DefaultTenant, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for key := range v.Records(importKey) {
		ids = append(ids, key[len(importKey):])
	}
	return ids
}

func (w *world) begin(r ImportRequest) *Import {
	w.t.Helper()
	i, err := w.Import(w.t.Context(), ann, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

// ago is w's service on a node whose clock is behind.
func (w *world) ago(d time.Duration) *world {
	back := func() int64 { return time.Now().Add(-d).UnixNano() }
	return &world{New(w.node, w.checker, Options{Now: back}), w.t}
}

// TestImport_ThatIsNotResumedIsForgotten, in the end; one that somebody has gone
// on with is not.
func TestImport_ThatIsNotResumedIsForgotten(t *testing.T) {
	w := newWorld(t)
	old := w.ago(importMemory + time.Minute)
	for _, id := range []string{"left", "resumed"} {
		if err := feed(t.Context(), t, old.begin(ImportRequest{ID: id}), 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	if at, _ := w.begin(ImportRequest{ID: "resumed", Resume: true}).Progress(); at != 10 {
		t.Errorf("resumed behind %d", at)
	}
	w.ago(importMemory - time.Hour).begin(ImportRequest{ID: "young"})
	w.begin(ImportRequest{ID: "new"})
	if diff := cmp.Diff([]string{"new", "resumed", "young"}, w.imports()); diff != "" {
		t.Error(diff)
	}
	if at, _ := w.begin(ImportRequest{ID: "left", Resume: true}).Progress(); at != 0 {
		t.Errorf("what was forgotten resumes behind %d", at)
	}
}

// TestImport_BatchesKeepItInMemory: what counts is the last batch, not the start.
func TestImport_BatchesKeepItInMemory(t *testing.T) {
	w := newWorld(t)
	now := time.Now().Add(-2 * importMemory)
	slow := &world{New(w.node, w.checker, Options{Now: func() int64 { return now.UnixNano() }}), t}
	i := slow.begin(ImportRequest{ID: "slow"})
	now = time.Now()
	if err := feed(t.Context(), t, i, 1, 3); err != nil {
		t.Fatal(err)
	}
	w.begin(ImportRequest{ID: "other"})
	if !slices.Contains(w.imports(), "slow") {
		t.Error("an import that goes on was forgotten")
	}
}

func TestImport_UnfinishedOnesAreBounded(t *testing.T) {
	w := newWorld(t)
	fill := func(at time.Time) {
		t.Helper()
		c := store.Command{Kind: store.KindWrite, Tenant: DefaultTenant}
		for i := range maxImports {
			value := importRecord{sequence: 1, time: at.Unix()}.value()
			c.Records = append(c.Records, store.RecordUpdate{Key: fmt.Sprintf("%s%d", importKey, i), Value: value})
		}
		if _, err := w.propose(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	fill(time.Now())
	_, err := w.Import(t.Context(), ann, ImportRequest{ID: "more"})
	if err == nil || reasonOf(t, err) != "TOO_MANY_IMPORTS" {
		t.Fatalf("got %v", err)
	}
	w.begin(ImportRequest{ID: "7", Resume: true})
	w.begin(ImportRequest{})
	fill(time.Now().Add(-2 * importMemory))
	for i := range 3 { // some are forgotten each time
		w.begin(ImportRequest{ID: fmt.Sprintf("more%d", i)})
	}
	if n := len(w.imports()); n != maxImports-3*maxForgotten+3 {
		t.Errorf("%d imports are remembered", n)
	}
}

func TestImportRecord_ReadsBackWhatItWrote(t *testing.T) {
	want := importRecord{sequence: 1 << 40, nonce: [16]byte{1, 15: 2}, time: -5}
	if got, err := parseImportRecord(want.value()); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range want.value() {
		if got, err := parseImportRecord(want.value()[:n]); err == nil {
			t.Errorf("%d bytes are %+v", n, got)
		}
	}
}
