package authz

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// batchTuples is the n-th batch of an import: k tuples of its own.
func batchTuples(t testing.TB, n, k int) []tuple.Tuple {
	t.Helper()
	var out []tuple.Tuple
	for _, u := range updates(t, Touch, batchTexts(n, k)...) {
		out = append(out, u.Tuple)
	}
	return out
}

func batchTexts(n, k int) []string {
	var texts []string
	for i := range k {
		texts = append(texts, fmt.Sprintf("doc:%d#viewer@user:%d", n, i))
	}
	return texts
}

// feed adds batches from..to of 5 tuples, with sequences 5, 10, ..., and settles them.
func feed(ctx context.Context, t testing.TB, i *Import, from, to int) error {
	t.Helper()
	added := make(chan error, 1)
	go func() {
		defer i.Close()
		for n := from; n <= to; n++ {
			if err := i.Add(ctx, uint64(5*n), batchTuples(t, n, 5)); err != nil {
				added <- err
				return
			}
		}
		added <- nil
	}()
	for {
		more, err := i.Next(ctx)
		if err != nil {
			return err
		}
		if !more {
			return <-added
		}
	}
}

func (w *world) all() []string {
	w.t.Helper()
	r, err := w.Export(w.t.Context(), "", Consistency{Level: Latest}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	if err := r.Each(w.t.Context(), func(tp tuple.Tuple) bool { out = append(out, tp.String()); return true }); err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func wantBatches(from, to int) []string {
	var out []string
	for n := from; n <= to; n++ {
		out = append(out, batchTexts(n, 5)...)
	}
	slices.Sort(out)
	return out
}

// TestImport_KilledAtEveryBoundaryResumes leaves an import after each number of
// batches without a word, as a killed client does, and resumes it.
func TestImport_KilledAtEveryBoundaryResumes(t *testing.T) {
	const batches = 8
	for cut := range batches + 1 {
		w := newWorld(t)
		first, err := w.Import(t.Context(), ann, ImportRequest{ID: "load"})
		if err != nil {
			t.Fatal(err)
		}
		if err := feed(t.Context(), t, first, 1, cut); err != nil {
			t.Fatal(err)
		}
		second, err := w.Import(t.Context(), ann, ImportRequest{ID: "load", Resume: true})
		if err != nil {
			t.Fatal(err)
		}
		if at, _ := second.Progress(); at != uint64(5*cut) {
			t.Fatalf("after %d batches the import resumes behind %d", cut, at)
		}
		if err := feed(t.Context(), t, second, cut+1, batches); err != nil {
			t.Fatal(err)
		}
		if err := second.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantBatches(1, batches), w.all()); diff != "" {
			t.Fatal(diff)
		}
		third, err := w.Import(t.Context(), ann, ImportRequest{ID: "load", Resume: true})
		if err != nil {
			t.Fatal(err)
		}
		if at, _ := third.Progress(); at != 0 {
			t.Errorf("a finished import is remembered at %d", at)
		}
	}
}

func TestImport_LaterRunEndsTheEarlier(t *testing.T) {
	w := newWorld(t)
	begin := func() *Import {
		i, err := w.Import(t.Context(), ann, ImportRequest{ID: "load"})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	earlier, later := begin(), begin()
	if err := feed(t.Context(), t, earlier, 1, 2); err == nil || reasonOf(t, err) != "IMPORT_CONFLICT" {
		t.Errorf("got %v", err)
	}
	if err := feed(t.Context(), t, later, 1, 2); err != nil {
		t.Error(err)
	}
}

// TestImport_KeepsItsOrderWhileTheSchemaChanges: batches on their way fail when
// the schema changes under them, and are written again in their order.
func TestImport_KeepsItsOrderWhileTheSchemaChanges(t *testing.T) {
	for _, id := range []string{"", "load"} {
		w := newWorld(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		i, err := w.Import(ctx, ann, ImportRequest{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		const rounds, changes = 50, 5
		var changed atomic.Int32
		settled, done := make(chan struct{}), make(chan struct{})
		go func() { // changes the schema, at most once for each batch that is settled
			defer close(done)
			for range settled {
				if _, _, err := w.WriteSchema(ctx, ann, WriteSchemaRequest{Source: fmt.Sprintf("%s\n// %d", docs, changed.Load())}); err == nil {
					changed.Add(1)
				}
			}
		}()
		added, last := make(chan error, 1), 0
		go func() {
			defer i.Close()
			// The same tuple again and again, until the schema has changed often; the last one wins.
			for n := 0; n < rounds || changed.Load() < changes; n++ {
				last = n
				tp := updates(t, Touch, fmt.Sprintf(`doc:a#viewer@user:ann[near:{"most":%d}]`, n))[0].Tuple
				if err := i.Add(ctx, uint64(n+1), []tuple.Tuple{tp}); err != nil {
					added <- err
					return
				}
			}
			added <- nil
		}()
		for more := true; more && err == nil; {
			if more, err = i.Next(ctx); more {
				select {
				case settled <- struct{}{}:
				default: // a change is under way
				}
			}
		}
		close(settled)
		if err != nil {
			t.Fatal(err)
		}
		if err := <-added; err != nil {
			t.Fatal(err)
		}
		<-done
		if diff := cmp.Diff([]string{fmt.Sprintf(`doc:a#viewer@user:ann[near:{"most":%d}]`, last)}, w.all()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestImport_RefusesBadInput(t *testing.T) {
	w := newWorld(t)
	for _, r := range []ImportRequest{{ID: "a b"}, {ID: string(make([]byte, 200))}, {Resume: true}, {Tenant: "nobody"}, {Tenant: "_own"}} {
		if _, err := w.Import(t.Context(), ann, r); err == nil {
			t.Errorf("%+v was accepted", r)
		} else {
			reasonOf(t, err)
		}
	}
	i, err := w.Import(t.Context(), ann, ImportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	good := batchTuples(t, 1, 1)
	if err := i.Add(t.Context(), 1, good); err != nil {
		t.Fatal(err)
	}
	if err := i.Add(t.Context(), 1, good); err == nil || reasonOf(t, err) != "INVALID_FIELD" {
		t.Errorf("a sequence that does not grow: %v", err)
	}
	bad := updates(t, Touch, "doc:a#viewer@user:x", "doc:a#nothing@user:x")
	err = i.Add(t.Context(), 2, []tuple.Tuple{bad[0].Tuple, bad[1].Tuple})
	if err == nil || reasonOf(t, err) != "NOT_IN_SCHEMA" {
		t.Fatalf("got %v", err)
	}
	if field := err.(*Error).Field; field != "batch.tuples[1].relation" {
		t.Errorf("field is %s", field)
	}
}
