package client

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/internal/testserver"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func TestWatch_GoesOnWithoutGapWhenServersDie(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	a, b := node.Serve(testserver.Config{}), node.Serve(testserver.Config{})
	c := dial(t, Config{Addrs: []string{a.Addr, b.Addr}}).startAt(0)
	from := touch(t, c, "doc:first#viewer@user:ann")
	const n = 100
	var writer sync.WaitGroup
	defer writer.Wait()
	writer.Go(func() {
		for i := range n {
			if i == n/2 {
				a.Kill()
			}
			if _, err := c.Write(context.Background(), WriteRequest{Updates: []Update{{Touch, parse(t, fmt.Sprintf("doc:%d#viewer@user:ann", i))}}}); err != nil {
				t.Error(err)
			}
		}
	})
	var got, want []string
	for i := range n {
		want = append(want, fmt.Sprintf("doc:%d#viewer@user:ann", i))
	}
	for r, err := range c.Watch(within(t, 20*time.Second), WatchRequest{From: from, Types: []string{"doc"}}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range r.Changes {
			got = append(got, change.Tuple.String())
		}
		if len(got) >= n {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWatch_YieldsARevisionWhole(t *testing.T) {
	change := func(id string) []*pb.TupleChange {
		return []*pb.TupleChange{{Operation: pb.TupleChange_OPERATION_DELETED, Tuple: tupleMessage(parse(t, "doc:"+id+"#viewer@user:ann"))}}
	}
	var asked []string
	f := &fake{watch: func(r *pb.WatchRequest, s grpc.ServerStreamingServer[pb.WatchResponse]) error {
		asked = append(asked, r.GetFrom())
		switch len(asked) {
		case 1: // breaks off in the midst of a revision
			s.Send(&pb.WatchResponse{Token: "t1"})
			s.Send(&pb.WatchResponse{Changes: change("a"), SchemaChanged: true})
			return status.Error(codes.Unavailable, "gone")
		case 2:
			s.Send(&pb.WatchResponse{Changes: change("a"), SchemaChanged: true})
			s.Send(&pb.WatchResponse{Changes: change("b"), Token: "t2"})
			return nil // ends, which it never should
		}
		return refuse(codes.OutOfRange, "TOKEN_TOO_OLD", "read anew")
	}}
	c := dial(t, Config{Addrs: []string{f.serve(t)}})
	var got []Revision
	var last error
	for r, err := range c.Watch(within(t, 20*time.Second), WatchRequest{}) {
		if last = err; err == nil {
			got = append(got, r)
		}
	}
	if len(got) != 1 || got[0].Token != "t2" || !got[0].SchemaChanged || len(got[0].Changes) != 2 || !got[0].Changes[0].Deleted {
		t.Errorf("got %+v", got)
	}
	if reasonOf(last) != "TOKEN_TOO_OLD" || !cmp.Equal(asked, []string{"", "t1", "t2"}) {
		t.Errorf("it ended with %v after %q", last, asked)
	}
}

func TestWatch_BeatsAreForThoseWhoAsk(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	s := node.Serve(testserver.Config{Heartbeat: time.Millisecond})
	c := dial(t, Config{Addrs: []string{s.Addr}})
	beats := 0
	for r, err := range c.Watch(within(t, 20*time.Second), WatchRequest{Beats: true}) {
		if err != nil || r.Token == "" || len(r.Changes) > 0 {
			t.Fatalf("got %+v, %v", r, err)
		}
		if beats++; beats == 3 {
			break
		}
	}
	for r, err := range c.Watch(within(t, 100*time.Millisecond), WatchRequest{}) {
		if err == nil {
			t.Errorf("got %+v", r)
		}
	}
}
