package native

import (
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// TestDeleteMatching_OfExpiredOnly deletes each kind of subject.
func TestDeleteMatching_OfExpiredOnly(t *testing.T) {
	const old = "[expiration:2001-01-01T00:00:00Z]"
	f := open(t)
	schema := `use expiration
definition user {}
definition group { relation member: user }
definition doc { relation viewer: user with expiration | user:* with expiration | group#member with expiration }`
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: schema}); err != nil {
		t.Fatal(err)
	}
	f.touch(t, "doc:a#viewer@user:ann"+old, "doc:a#viewer@user:*"+old, "doc:a#viewer@group:g#member"+old, "doc:b#viewer@user:*[expiration:2100-01-01T00:00:00Z]")
	stream, err := f.tuples.DeleteMatching(deadline(t), &pembav1.DeleteMatchingRequest{Filter: filterText(t, "doc"), ExpiredOnly: true})
	var last *pembav1.DeleteMatchingResponse
	for err == nil {
		var reply *pembav1.DeleteMatchingResponse
		if reply, err = stream.Recv(); err == nil {
			last = reply
		}
	}
	if !errors.Is(err, io.EOF) || last.GetDeleted() != 3 || !last.GetComplete() {
		t.Fatalf("%v, %v", last, err)
	}
	left, _, err := f.read(t, "doc", latest())
	if diff := cmp.Diff([]string{"doc:b#viewer@user:*[expiration:2100-01-01T00:00:00Z]"}, left); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
