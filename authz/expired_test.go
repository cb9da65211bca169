package authz

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// TestDeleteMatching_TakesWhatHasExpired: expired tuples are stored, and keep a
// schema from being written; nobody could remove them one by one, as no read
// shows them.
func TestDeleteMatching_TakesWhatHasExpired(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:old[expiration:2001-01-01T00:00:00Z]", "doc:b#viewer@user:ann")
	bare := strings.Replace(docs, " | user with expiration", "", 1)
	if _, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Source: bare}); reasonOf(t, err) != "SCHEMA_ORPHANS_TUPLES" {
		t.Fatal(err)
	}
	var done Deletion
	f := tuple.Filter{Type: "doc", ID: "a"}
	err := w.DeleteMatching(t.Context(), ann, DeleteMatchingRequest{Filter: f}, func(d Deletion) error { done = d; return nil })
	if err != nil || done.Deleted != 1 || !done.Complete {
		t.Fatalf("%+v, %v", done, err)
	}
	w.schema(bare)
}

// TestDeleteMatching_OfExpiredSparesTheOthers, also one that was written anew
// after the deletion had begun.
func TestDeleteMatching_OfExpiredSparesTheOthers(t *testing.T) {
	const old = "[expiration:2001-01-01T00:00:00Z]"
	w := newWorld(t)
	texts := []string{"doc:a#viewer@user:ann", "doc:a#viewer@user:bob[expiration:2100-01-01T00:00:00Z]"}
	const n = expiredBatch + 20
	for i := range n {
		texts = append(texts, fmt.Sprintf("doc:%d#viewer@user:old%s", i, old))
	}
	w.touch(texts...)
	first := true
	var done Deletion
	r := DeleteMatchingRequest{Filter: tuple.Filter{Type: "doc"}, Expired: true}
	err := w.DeleteMatching(t.Context(), ann, r, func(d Deletion) error {
		if done = d; first {
			first = false
			w.touch(fmt.Sprintf("doc:%d#viewer@user:old[expiration:2100-01-01T00:00:00Z]", n-10), fmt.Sprintf("doc:%d#viewer@user:old%s", n-9, strings.Replace(old, "2001", "2002", 1)))
		}
		return nil
	})
	if err != nil || done.Deleted != n-1 || !done.Complete {
		t.Fatalf("%+v, %v", done, err)
	}
	want := []string{fmt.Sprintf("doc:%d#viewer@user:old[expiration:2100-01-01T00:00:00Z]", n-10), texts[0], texts[1]}
	if diff := cmp.Diff(want, w.all()); diff != "" {
		t.Error(diff)
	}
}
