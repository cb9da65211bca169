package client

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

var ann = tuple.Subject{Type: "user", ID: "ann"}

func TestListObjects_TellsDecisionsAndPages(t *testing.T) {
	c := open(t, Config{})
	token := touch(t, c, "doc:a#viewer@user:ann", "doc:b#viewer@user:ann[adult]", "doc:c#owner@user:ann", "doc:d#owner@user:bob")
	var page Page
	r := ListObjectsRequest{Type: "doc", Permission: "view", Subject: ann, Consistency: Exactly(token), Limit: 2, Page: &page}
	got := map[string]Decision{}
	pages := 0
	for pages = 1; ; pages++ {
		for o, err := range c.ListObjects(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			got[o.ID] = o.Decision
		}
		if page.Token != token {
			t.Errorf("page %d is of %s", pages, page.Token)
		}
		if page.Cursor == "" {
			break
		}
		r.Cursor, r.Consistency = page.Cursor, Consistency{}
	}
	if want := map[string]Decision{"a": Allowed, "b": Conditional, "c": Allowed}; !cmp.Equal(got, want) || pages != 2 {
		t.Errorf("got %v on %d pages", got, pages)
	}
}

func TestListSubjects_AndReadTuples(t *testing.T) {
	c := open(t, Config{ReadYourWrites: true})
	touch(t, c, "doc:a#viewer@user:ann", "doc:a#owner@user:bob", "doc:b#owner@user:kim")
	var subjects, tuples []string
	for s, err := range c.ListSubjects(t.Context(), ListSubjectsRequest{Object: tuple.Object{Type: "doc", ID: "a"}, Permission: "view", SubjectType: "user"}) {
		if err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, s.ID)
	}
	slices.Sort(subjects)
	if !cmp.Equal(subjects, []string{"ann", "bob"}) {
		t.Errorf("subjects: %v", subjects)
	}
	for p, err := range c.ReadTuples(t.Context(), ReadRequest{Filter: filter(t, "doc#owner")}) {
		if err != nil {
			t.Fatal(err)
		}
		tuples = append(tuples, p.String())
	}
	slices.Sort(tuples)
	if !cmp.Equal(tuples, []string{"doc:a#owner@user:bob", "doc:b#owner@user:kim"}) {
		t.Errorf("tuples: %v", tuples)
	}
}

func TestListObjects_StopsWhenNoMoreAreWanted(t *testing.T) {
	c := open(t, Config{ReadYourWrites: true})
	touch(t, c, "doc:a#viewer@user:ann", "doc:b#viewer@user:ann")
	n := 0
	for _, err := range c.ListObjects(t.Context(), ListObjectsRequest{Type: "doc", Permission: "view", Subject: ann}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("got %d", n)
	}
	for _, err := range c.ListObjects(t.Context(), ListObjectsRequest{Type: "dok", Permission: "view", Subject: ann}) {
		if reasonOf(err) != "UNKNOWN_TYPE" {
			t.Errorf("got %v", err)
		}
	}
}

// pieces lists 10 objects in messages of two, and breaks off after the third,
// in the way that the test says.
func pieces(breaks func(grpc.ServerStreamingServer[pb.ListObjectsResponse]) error, asked *[]*pb.ListObjectsRequest) *fake {
	return &fake{list: func(r *pb.ListObjectsRequest, s grpc.ServerStreamingServer[pb.ListObjectsResponse]) error {
		*asked = append(*asked, r)
		next := 0
		fmt.Sscanf(r.GetCursor(), "after %d", &next)
		for sent := 0; next < 10; sent++ {
			if sent == 3 {
				return breaks(s)
			}
			m := &pb.ListObjectsResponse{Token: "t"}
			for range 2 {
				m.Objects = append(m.Objects, &pb.ListedObject{Id: fmt.Sprint(next), Decision: pb.Decision_DECISION_ALLOWED})
				next++
			}
			if next < 10 {
				m.Cursor = fmt.Sprintf("after %d", next)
			}
			if err := s.Send(m); err != nil {
				return err
			}
		}
		return nil
	}}
}

func TestListObjects_GoesOnElsewhereAtTheSameView(t *testing.T) {
	for name, breaks := range map[string]func(grpc.ServerStreamingServer[pb.ListObjectsResponse]) error{
		"broken": func(grpc.ServerStreamingServer[pb.ListObjectsResponse]) error {
			return status.Error(codes.Unavailable, "gone")
		},
		"hanging": func(s grpc.ServerStreamingServer[pb.ListObjectsResponse]) error {
			<-s.Context().Done()
			return s.Context().Err()
		},
		"busy": func(grpc.ServerStreamingServer[pb.ListObjectsResponse]) error {
			return refuse(codes.ResourceExhausted, "TOO_MANY_READS", "later")
		},
	} {
		var asked []*pb.ListObjectsRequest
		f := pieces(breaks, &asked)
		c := dial(t, Config{Addrs: []string{f.serve(t), f.serve(t)}, Timeout: 300 * time.Millisecond})
		var got []string
		for o, err := range c.ListObjects(t.Context(), ListObjectsRequest{Type: "doc", Permission: "view", Subject: ann, Consistency: Latest(), Limit: 100}) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, o.ID)
		}
		if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !cmp.Equal(got, want) {
			t.Errorf("%s: got %v", name, got)
		}
		if len(asked) != 2 || asked[0].GetConsistency().GetLatest() == nil || asked[1].GetConsistency() != nil ||
			asked[1].GetCursor() != "after 6" || asked[1].GetLimit() != 94 {
			t.Errorf("%s: asked %v", name, asked)
		}
	}
}

func TestListObjects_GivesUpWhenNobodyAnswers(t *testing.T) {
	f := &fake{list: func(*pb.ListObjectsRequest, grpc.ServerStreamingServer[pb.ListObjectsResponse]) error {
		return status.Error(codes.Unavailable, "gone")
	}}
	c := dial(t, Config{Addrs: []string{f.serve(t), f.serve(t)}, Timeout: 200 * time.Millisecond})
	n := 0
	for _, err := range c.ListObjects(t.Context(), ListObjectsRequest{Type: "doc", Permission: "view", Subject: ann}) {
		if n++; status.Code(err) != codes.Unavailable {
			t.Errorf("got %v", err)
		}
	}
	if n != 1 {
		t.Errorf("got %d results", n)
	}
}
