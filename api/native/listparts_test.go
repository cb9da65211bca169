package native

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// listParts reads a list of objects and returns how many results each message has.
func (f *fixture) listParts(t testing.TB, r *pembav1.ListObjectsRequest) (sizes []int, last *pembav1.ListObjectsResponse) {
	t.Helper()
	r.Type, r.Permission, r.Subject = "doc", "view", &pembav1.Subject{Type: "user", Id: "ann"}
	stream, err := f.permissions.ListObjects(deadline(t), r)
	if err != nil {
		t.Fatal(err)
	}
	for {
		reply, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return sizes, last
		}
		if err != nil {
			t.Fatal(err)
		}
		sizes, last = append(sizes, len(reply.GetObjects())), reply
	}
}

func TestListObjects_FirstMessageIsSmall(t *testing.T) {
	f := openWith(t)
	var texts []string
	for i := range 1000 {
		texts = append(texts, fmt.Sprintf("doc:%04d#viewer@user:ann", i))
	}
	f.touch(t, texts...)
	for limit, want := range map[uint32][]int{
		0:   {16, 64, 256, 512, 152},
		1:   {1},
		16:  {16, 0},
		17:  {16, 1},
		848: {16, 64, 256, 512, 0},
	} {
		got, last := f.listParts(t, &pembav1.ListObjectsRequest{Limit: limit})
		if !slices.Equal(got, want) || (last.GetCursor() == "") != (limit == 0) {
			t.Errorf("limit %d: messages of %v, want %v; cursor %q", limit, got, want, last.GetCursor())
		}
	}
}

func TestListObjects_CountIsOneMessage(t *testing.T) {
	f := openWith(t, "doc:a#viewer@user:ann", "doc:b#viewer@user:ann", "doc:c#banned@user:ann", "doc:c#viewer@user:ann")
	got, last := f.listParts(t, &pembav1.ListObjectsRequest{CountOnly: true})
	if !slices.Equal(got, []int{0}) || last.GetCount() != 2 || last.GetToken() == "" || last.GetCursor() != "" {
		t.Errorf("messages of %v, last %v", got, last)
	}
	_, part := f.listParts(t, &pembav1.ListObjectsRequest{CountOnly: true, Limit: 1})
	if part.GetCount() != 1 || part.GetCursor() == "" {
		t.Errorf("a part: %v", part)
	}
}

func TestListSubjects_CountTellsExceptions(t *testing.T) {
	f := openWith(t, "doc:a#viewer@user:*", "doc:a#banned@user:bob", "doc:a#viewer@user:ann")
	stream, err := f.permissions.ListSubjects(deadline(t), &pembav1.ListSubjectsRequest{
		Object: &pembav1.Object{Type: "doc", Id: "a"}, Permission: "view", SubjectType: "user", CountOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := stream.Recv()
	if err != nil || reply.GetCount() != 3 || reply.GetExceptedCount() != 1 || len(reply.GetSubjects()) != 0 {
		t.Errorf("%v, %v", reply, err)
	}
}

// TestListSubjects_PrefixKeepsTheWildcard: it stands for subjects with that prefix, too.
func TestListSubjects_PrefixKeepsTheWildcard(t *testing.T) {
	f := openWith(t, "doc:a#viewer@user:*", "doc:a#banned@user:bob", "doc:a#banned@user:cid")
	stream, err := f.permissions.ListSubjects(deadline(t), &pembav1.ListSubjectsRequest{
		Object: &pembav1.Object{Type: "doc", Id: "a"}, Permission: "view", SubjectType: "user", IdPrefix: "b"})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range reply.GetSubjects() {
		got = append(got, s.GetId()+" "+s.GetDecision().String())
	}
	if !slices.Equal(got, []string{"* DECISION_ALLOWED", "bob DECISION_DENIED"}) {
		t.Error(got)
	}
}
