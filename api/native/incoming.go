package native

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"github.com/pemba-authz/pemba/proto/codec"
)

// An incoming is a message that is being received: gRPC hands it, in place of
// the message, to the codec, which alone knows how large it is before it is made
// an object of.
type incoming struct {
	into    any
	bytes   *requestBytes
	most    int                 // bytes that the message may have; 0 = as many as gRPC receives
	wait    func(n int64) error // for bytes; nil = it is refused if there are none
	held    int64               // of bytes
	refused error               // why it was not decoded; it has no bytes then
}

// countingCodec is pemba's codec for those who do not look at the size, and
// weighs what is incoming.
type countingCodec struct{ codec.Codec }

// Marshal lets who made v know when it has been written.
func (c countingCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, err := c.Codec.Marshal(v)
	if r, ok := v.(interface{ written() }); ok {
		r.written()
	}
	return data, err
}

func (c countingCodec) Unmarshal(data mem.BufferSlice, v any) error {
	in, ok := v.(*incoming)
	if !ok {
		return c.Codec.Unmarshal(data, v)
	}
	if in.most > 0 && data.Len() > in.most {
		in.refused = tooLarge(data.Len(), in.most)
		return nil
	}
	if n := in.bytes.weight(data.Len()); n > 0 {
		if in.refused = in.admit(n); in.refused != nil {
			return nil // gRPC would make INTERNAL of it
		}
		in.held = n
	}
	return c.Codec.Unmarshal(data, in.into)
}

func (in *incoming) admit(n int64) error {
	switch {
	case in.wait != nil:
		return in.wait(n)
	case !in.bytes.take(n):
		return in.bytes.exhausted()
	}
	return nil
}

// A unaryCall receives the message of one unary call. It is reused, so that the
// guard allocates nothing for it.
type unaryCall struct {
	incoming
	decode  func(any) error // gRPC's
	receive func(any) error // receiveMessage of this call
}

var unaryCalls = sync.Pool{New: func() any {
	c := &unaryCall{}
	c.receive = c.receiveMessage
	return c
}}

func newUnaryCall(bytes *requestBytes, most int, decode func(any) error) *unaryCall {
	c := unaryCalls.Get().(*unaryCall)
	c.bytes, c.most, c.decode = bytes, most, decode
	return c
}

func (c *unaryCall) receiveMessage(into any) error {
	c.into = into
	err := c.decode(&c.incoming)
	if c.refused != nil {
		return c.refused
	}
	return err
}

// end gives the message's bytes back. Nobody uses c any more.
func (c *unaryCall) end() {
	c.bytes.give(c.held)
	c.incoming, c.decode = incoming{}, nil
	unaryCalls.Put(c)
}

// A countedStream is a stream whose messages are weighed. Each message counts
// until one is sent for it, so that neither a client that does not wait for its
// answers nor one that does not read them piles up what it has sent. While there
// are no bytes it receives nothing, and flow control stops the client.
type countedStream struct {
	grpc.ServerStream
	ctx      context.Context
	bytes    *requestBytes
	in       incoming // of RecvMsg, which one goroutine at a time calls
	received atomic.Int64
	answered atomic.Int64 // never more than received

	holding atomic.Int32 // length of large
	mu      sync.Mutex
	large   []largeMessage // guarded by mu; received and not answered, in their order
	ended   bool           // guarded by mu
}

type largeMessage struct {
	number int64 // from 1
	bytes  int64
}

// newCountedStream returns stream with context ctx. patience bounds the wait for
// bytes.
func newCountedStream(stream grpc.ServerStream, ctx context.Context, bytes *requestBytes, patience time.Duration) *countedStream {
	s := &countedStream{ServerStream: stream, ctx: ctx, bytes: bytes}
	s.in = incoming{bytes: bytes, wait: func(n int64) error { return bytes.await(ctx, n, patience) }}
	return s
}

func (s *countedStream) Context() context.Context { return s.ctx }

func (s *countedStream) RecvMsg(m any) error {
	s.in.into, s.in.held, s.in.refused = m, 0, nil
	err := s.ServerStream.RecvMsg(&s.in)
	s.in.into = nil
	number := s.received.Add(1)
	if s.in.held > 0 {
		s.hold(largeMessage{number, s.in.held})
	}
	if s.in.refused != nil {
		return s.in.refused
	}
	return err
}

func (s *countedStream) hold(m largeMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended { // whoever receives has been left behind
		s.bytes.give(m.bytes)
		return
	}
	s.large = append(s.large, m)
	s.holding.Store(int32(len(s.large)))
}

func (s *countedStream) SendMsg(m any) error {
	err := s.ServerStream.SendMsg(m)
	if n := s.answered.Load(); n < s.received.Load() {
		s.answered.CompareAndSwap(n, n+1)
	}
	if s.holding.Load() > 0 {
		s.settle(s.answered.Load())
	}
	return err
}

// settle gives the bytes of messages up to a number back.
func (s *countedStream) settle(upto int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.large) && s.large[n].number <= upto {
		s.bytes.give(s.large[n].bytes)
		n++
	}
	s.large = s.large[n:]
	s.holding.Store(int32(len(s.large)))
}

// end gives all bytes back: the handler has returned.
func (s *countedStream) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.settle(1<<63 - 1)
}
