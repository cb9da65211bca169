package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func reason(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// wide writes more tuples than fit between a server and a client that does not
// read.
func wide(t *testing.T) *fixture {
	t.Helper()
	f := openWith(t)
	for i := range 20 {
		var texts []string
		for j := range 1000 {
			texts = append(texts, fmt.Sprintf("doc:%d-%d#viewer@user:somebody-with-a-name-that-takes-room", i, j))
		}
		f.touch(t, texts...)
	}
	return f
}

func (f *fixture) startRead(t *testing.T) grpc.ServerStreamingClient[pembav1.ReadResponse] {
	t.Helper()
	stream, err := f.tuples.Read(deadline(t), &pembav1.ReadRequest{Filter: &pembav1.TupleFilter{Type: "doc"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	return stream
}

func drain(stream grpc.ServerStreamingClient[pembav1.ReadResponse]) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestRead_StalledClientIsCutOffAndGivesItsPlaceBack(t *testing.T) {
	f := wide(t)
	stalled := f.startRead(t)
	refused, err := f.tuples.Read(deadline(t), &pembav1.ReadRequest{Filter: &pembav1.TupleFilter{Type: "doc"}})
	if err == nil {
		err = drain(refused)
	}
	// The place may be free again by now, if this test is slow.
	if got := reason(err); err != nil && got != "TOO_MANY_READS" {
		t.Fatal(err)
	}
	// The stalled one fills its window and is cut off, which ends its stream
	// once the client reads what is under way.
	<-waitUntilCut(f)
	if err := drain(stalled); reason(err) != "SLOW_READER" {
		t.Errorf("got %v", err)
	}
	if err := drain(f.startRead(t)); err != nil {
		t.Error(err)
	}
}

// waitUntilCut closes its channel once another Read finds the one place free.
func waitUntilCut(f *fixture) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			stream, err := f.tuples.Read(context.Background(), &pembav1.ReadRequest{Filter: &pembav1.TupleFilter{Type: "doc", Id: "0-0"}})
			if err == nil && drain(stream) == nil {
				return
			}
		}
	}()
	return done
}
