package native

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func TestWrite_CreateTouchDelete(t *testing.T) {
	f := openWith(t, "doc:a#viewer@user:ann", "doc:b#viewer@user:ann")
	request := &pembav1.WriteRequest{Updates: slices.Concat(
		updates(t, pembav1.Update_OPERATION_CREATE, "doc:c#viewer@user:ann"),
		updates(t, pembav1.Update_OPERATION_TOUCH, `doc:a#viewer@user:ann[adult:{"minimum":18}]`),
		updates(t, pembav1.Update_OPERATION_DELETE, "doc:b#viewer@user:ann", "doc:never#viewer@user:ann"),
	)}
	written, err := f.tuples.Write(deadline(t), request)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := f.read(t, "doc#viewer@user:ann", atLeast(written.GetToken()))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{`doc:a#viewer@user:ann[adult:{"minimum":18}]`, "doc:c#viewer@user:ann"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWrite_RepeatedRequestIDHappensOnce(t *testing.T) {
	f := openWith(t)
	request := &pembav1.WriteRequest{
		Updates:   updates(t, pembav1.Update_OPERATION_CREATE, "doc:a#viewer@user:ann"),
		RequestId: uuidv7(time.Now(), 1),
	}
	first, err := f.tuples.Write(deadline(t), request)
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.tuples.Write(deadline(t), request)
	if err != nil || again.GetToken() != first.GetToken() {
		t.Errorf("the repeated create got %v, %v; the first %v", again, err, first)
	}
}

func TestWrite_PreconditionsThatHoldLetItThrough(t *testing.T) {
	f := openWith(t)
	since := f.touch(t, "doc:a#viewer@user:ann")
	f.touch(t, "doc:other#viewer@user:ann")
	request := &pembav1.WriteRequest{
		Updates: updates(t, pembav1.Update_OPERATION_CREATE, "doc:a#viewer@user:bob"),
		Preconditions: []*pembav1.Precondition{
			{Condition: &pembav1.Precondition_TuplesMatch{TuplesMatch: filterText(t, "doc:a#viewer")}},
			{Condition: &pembav1.Precondition_TuplesAbsent{TuplesAbsent: filterText(t, "doc:a#banned@user:bob")}},
			rowUnchanged("doc", "a", "viewer", since),
			{Condition: &pembav1.Precondition_SchemaUnchanged{SchemaUnchanged: since}},
		},
	}
	if _, err := f.tuples.Write(deadline(t), request); err != nil {
		t.Error(err)
	}
}

func TestWrite_IsAllOrNothing(t *testing.T) {
	f := openWith(t, "doc:a#viewer@user:ann")
	_, err := f.tuples.Write(deadline(t), &pembav1.WriteRequest{
		Updates: updates(t, pembav1.Update_OPERATION_CREATE, "doc:b#viewer@user:ann", "doc:a#viewer@user:ann"),
	})
	if got := failureOf(err); got.Code != codes.AlreadyExists || got.Field != "updates[1].tuple" {
		t.Errorf("got %+v", got)
	}
	if tuples, _, err := f.read(t, "doc:b", latest()); err != nil || len(tuples) != 0 {
		t.Errorf("the refused write left %v, %v", tuples, err)
	}
}

func TestRead_StreamsInBatchesWithOneToken(t *testing.T) {
	f := openWith(t)
	const n = 2*readBatch + 5
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("doc:d%04d#viewer@user:ann", i))
	}
	written := f.touch(t, all...)
	stream, err := f.tuples.Read(deadline(t), &pembav1.ReadRequest{Filter: &pembav1.TupleFilter{Type: "doc"}, Consistency: exactly(written)})
	if err != nil {
		t.Fatal(err)
	}
	messages, tuples := 0, 0
	for {
		reply, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		messages, tuples = messages+1, tuples+len(reply.GetTuples())
		if reply.GetToken() != written {
			t.Fatalf("message %d has token %q, want %q", messages, reply.GetToken(), written)
		}
	}
	if tuples != n || messages != 3 {
		t.Errorf("got %d tuples in %d messages", tuples, messages)
	}
}

func TestRead_NothingSelectedStillGivesTheToken(t *testing.T) {
	f := openWith(t)
	if tuples, token, err := f.read(t, "doc", latest()); err != nil || len(tuples) != 0 || token == "" {
		t.Errorf("got %v, token %q, %v", tuples, token, err)
	}
}

func TestRead_LeavesOutWhatHasExpired(t *testing.T) {
	f := openWith(t)
	past, future := parse(t, "doc:a#viewer@user:past"), parse(t, "doc:a#viewer@user:future")
	past.Expires = timestamppb.New(time.Now().Add(-time.Hour))
	future.Expires = timestamppb.New(time.Now().Add(time.Hour))
	written, err := f.tuples.Write(deadline(t), &pembav1.WriteRequest{Updates: []*pembav1.Update{
		{Operation: pembav1.Update_OPERATION_TOUCH, Tuple: past},
		{Operation: pembav1.Update_OPERATION_TOUCH, Tuple: future},
	}})
	if err != nil {
		t.Fatal(err)
	}
	tuples, _, err := f.read(t, "doc", atLeast(written.GetToken()))
	if err != nil || len(tuples) != 1 {
		t.Errorf("got %v, %v", tuples, err)
	}
}

func TestRead_FiltersSubjects(t *testing.T) {
	f := openWith(t, "doc:a#viewer@user:ann", "doc:a#viewer@user:*", "doc:a#viewer@group:eng#member", "doc:b#owner@user:ann")
	for filter, want := range map[string]int{
		"doc": 4, "doc:a": 3, "doc#viewer": 3, "doc@user:ann": 2, "doc:a#viewer@group": 1,
		"doc:a#viewer@group:eng#member": 1, "doc:a#viewer@user:*": 1, "group": 0,
	} {
		if got, _, err := f.read(t, filter, latest()); err != nil || len(got) != want {
			t.Errorf("%s: got %v, %v, want %d tuples", filter, got, err, want)
		}
	}
}

func rowUnchanged(typ, id, relation, since string) *pembav1.Precondition {
	return &pembav1.Precondition{Condition: &pembav1.Precondition_RowUnchanged_{RowUnchanged: &pembav1.Precondition_RowUnchanged{
		Object: &pembav1.Object{Type: typ, Id: id}, Relation: relation, Since: since,
	}}}
}

// uuidv7 makes an id of a moment; n tells ids of one moment apart.
func uuidv7(at time.Time, n byte) string {
	ms := at.UnixMilli()
	return fmt.Sprintf("%08x-%04x-7000-8000-0000000000%02x", ms>>16, ms&0xffff, n)
}
