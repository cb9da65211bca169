package native

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"google.golang.org/grpc"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// BenchmarkStream asks on streams with 64 questions in flight on each.
func BenchmarkStream(b *testing.B) {
	for _, streams := range []int{1, 4, 64} {
		b.Run(fmt.Sprintf("echo/streams=%d", streams), func(b *testing.B) {
			benchmarkStream(b, streams, func(f *fixture) (grpc.BidiStreamingClient[pembav1.StreamCheckRequest, pembav1.StreamCheckResponse], error) {
				return f.bench.StreamEcho(context.Background())
			})
		})
		b.Run(fmt.Sprintf("check/streams=%d", streams), func(b *testing.B) {
			benchmarkStream(b, streams, func(f *fixture) (grpc.BidiStreamingClient[pembav1.StreamCheckRequest, pembav1.StreamCheckResponse], error) {
				return f.permissions.StreamCheck(context.Background())
			})
		})
	}
}

func benchmarkStream(b *testing.B, streams int, open func(*fixture) (grpc.BidiStreamingClient[pembav1.StreamCheckRequest, pembav1.StreamCheckResponse], error)) {
	const inFlight = 64
	f := openWith(b)
	populate(b, f)
	b.ReportAllocs()
	b.ResetTimer()
	done := make(chan error, streams)
	for s := range streams {
		go func() { done <- askOnStream(f, open, uint64(s), b.N/streams+1, inFlight) }()
	}
	for range streams {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

func askOnStream(f *fixture, open func(*fixture) (grpc.BidiStreamingClient[pembav1.StreamCheckRequest, pembav1.StreamCheckResponse], error), seed uint64, n, inFlight int) error {
	stream, err := open(f)
	if err != nil {
		return err
	}
	free := make(chan struct{}, inFlight)
	sent := make(chan error, 1)
	go func() {
		random := rand.New(rand.NewPCG(1, seed))
		for i := range n {
			free <- struct{}{}
			request := &pembav1.StreamCheckRequest{Id: uint64(i), Question: &pembav1.StreamCheckRequest_Check{Check: randomQuestion(random)}}
			if err := stream.Send(request); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	for range n {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		<-free
	}
	return <-sent
}
