package authz

import "testing"

// A node that cannot find out whether it has missed something refuses nothing for
// good: the tenant may have been made, or the schema written, since.
func TestWrite_RefusesNothingForGoodWithoutALeader(t *testing.T) {
	w := newWorld(t)
	request := WriteRequest{Tenant: "shop", Updates: updates(t, Touch, "doc:a#viewer@user:ann")}
	if _, err := w.Write(t.Context(), ann, request); reasonOf(t, err) != "UNKNOWN_TENANT" {
		t.Fatalf("with a leader: %v", err)
	}
	if err := w.node.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(t.Context(), ann, request); reasonOf(t, err) != "SHUTTING_DOWN" {
		t.Errorf("write: %v", err)
	}
	if _, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Tenant: "shop", Source: "definition user {}"}); reasonOf(t, err) != "SHUTTING_DOWN" {
		t.Errorf("write schema: %v", err)
	}
}
