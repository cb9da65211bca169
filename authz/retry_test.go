package authz

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/pemba-authz/pemba/tuple"
)

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// TestWrite_RetryLearnsTheFirstOutcome whatever the schema has become since: of
// a write that happened, also where it is its conditions that are not valid any
// more, and of one that was refused.
func TestWrite_RetryLearnsTheFirstOutcome(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#banned@user:eve")
	happened := WriteRequest{
		RequestID: newID(), Updates: updates(t, Touch, "doc:a#viewer@user:ann"),
		Preconditions: []Precondition{{Kind: TuplesAbsent, Filter: tuple.Filter{Type: "doc", ID: "a", Relation: "banned", SubjectType: "user", SubjectID: "ann"}}},
	}
	token, err := w.Write(t.Context(), ann, happened)
	if err != nil {
		t.Fatal(err)
	}
	refused := WriteRequest{RequestID: newID(), Updates: updates(t, Create, "doc:a#banned@user:eve")}
	if _, err := w.Write(t.Context(), ann, refused); reasonOf(t, err) != "TUPLE_EXISTS" {
		t.Fatal(err)
	}
	if _, err := w.Write(t.Context(), ann, WriteRequest{Updates: updates(t, Delete, "doc:a#banned@user:eve")}); err != nil {
		t.Fatal(err)
	}
	w.schema(strings.Replace(strings.Replace(docs, "relation banned: user", "", 1), "viewer - banned", "viewer", 1))
	if again, err := w.Write(t.Context(), ann, happened); err != nil || again != token {
		t.Errorf("the write that happened: %s, %v; want %s", again, err, token)
	}
	if _, err := w.Write(t.Context(), ann, refused); err == nil || reasonOf(t, err) != "TUPLE_EXISTS" {
		t.Errorf("the write that was refused: %v", err)
	}
}

// TestWrite_IsNotJudgedByANodeThatMayLag: while nobody says how far the cluster
// is, this node cannot know that no schema allows a write by now, nor that a
// first try did not take effect.
func TestWrite_IsNotJudgedByANodeThatMayLag(t *testing.T) {
	w := newWorld(t)
	alone := &world{New(w.node, w.checker, Options{Part: func(ctx context.Context, name string) (context.Context, func(error)) {
		ctx, cancel := context.WithCancel(ctx)
		if name == "read index" {
			cancel()
		}
		return ctx, func(error) { cancel() }
	}}), t}
	r := WriteRequest{Updates: updates(t, Touch, "doc:a#nothing@user:ann")}
	if _, err := alone.Write(t.Context(), ann, r); reasonOf(t, err) != "CANCELED" {
		t.Errorf("a first try: %v", err)
	}
	r.RequestID = newID()
	if _, err := alone.Write(t.Context(), ann, r); reasonOf(t, err) != "CANCELED" {
		t.Errorf("a retry: %v", err)
	}
}
