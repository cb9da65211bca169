// Package codec encodes and decodes the messages of pemba.v1 for gRPC: those of
// checks and what lists answer by code written for them, all others by the
// protobuf library. The bytes are the same. It is for servers and clients alike:
//
//	grpc.NewServer(grpc.ForceServerCodecV2(codec.Codec{}))
//	grpc.NewClient(addr, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec.Codec{})))
//
// Plain messages are for those who make or read very many checks.
//
// What it decodes shares one copy of the bytes on the wire: a string kept from a
// message keeps all of the message's text.
package codec

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A Codec is gRPC's codec "proto". It is safe for concurrent use.
type Codec struct{}

var _ encoding.CodecV2 = Codec{}

// Name returns the content subtype, "proto".
func (Codec) Name() string { return "proto" }

// Marshal returns the message v in protobuf's binary format. A string that is
// not valid UTF-8 is an error.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.b, e.no = e.b[:0], false
	switch m := v.(type) {
	case Plain:
		if m.encode(e); e.no {
			return marshal(m.library())
		}
	case proto.Message:
		if !e.message(m) {
			return marshal(m)
		}
	default:
		return nil, fmt.Errorf("encode: %T is not a protobuf message", v)
	}
	b, pooled := buffer(len(e.b))
	b = append(b, e.b...)
	if cap(e.b) > mostKept {
		e.b = nil
	}
	return finished(b, pooled), nil
}

// encoders have room for a message whose length is not known yet.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

// mostKept bounds what an encoder keeps between messages.
const mostKept = 64 << 10

// buffer returns room for size bytes, and its owner if it is from a pool.
func buffer(size int) (b []byte, pooled *[]byte) {
	if mem.IsBelowBufferPoolingThreshold(size) {
		return make([]byte, 0, size), nil
	}
	pooled = mem.DefaultBufferPool().Get(size)
	return (*pooled)[:0], pooled
}

// finished hands b, which buffer made room for, to gRPC.
func finished(b []byte, pooled *[]byte) mem.BufferSlice {
	if pooled == nil {
		return mem.BufferSlice{mem.SliceBuffer(b)}
	}
	*pooled = b
	return mem.BufferSlice{mem.NewBuffer(pooled, mem.DefaultBufferPool())}
}

func marshal(m proto.Message) (mem.BufferSlice, error) {
	b, pooled := buffer(proto.Size(m))
	b, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, m)
	if err != nil {
		return nil, err
	}
	return finished(b, pooled), nil
}

// Unmarshal makes the message v what data says.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case Plain:
		if m.decode(text(data)) {
			return nil
		}
		made := m.empty()
		err := unmarshal(data, made)
		m.take(made)
		return err
	case proto.Message:
		if decode(data, m) {
			return nil
		}
		return unmarshal(data, m)
	}
	return fmt.Errorf("decode: %T is not a protobuf message", v)
}

func unmarshal(data mem.BufferSlice, m proto.Message) error {
	b := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer b.Free()
	return proto.Unmarshal(b.ReadOnlyData(), m)
}

// decode reports whether data could be understood by the code of this package;
// if not, the library decides.
func decode(data mem.BufferSlice, m proto.Message) bool {
	switch m := m.(type) {
	case *pb.CheckRequest:
		m.Reset()
		return decodeCheckRequest(text(data), m)
	case *pb.CheckResponse:
		m.Reset()
		return decodeCheckResponse(text(data), m)
	case *pb.BatchCheckRequest:
		m.Reset()
		return decodeBatchCheckRequest(text(data), m)
	case *pb.BatchCheckResponse:
		m.Reset()
		return decodeBatchCheckResponse(text(data), m)
	case *pb.StreamCheckRequest:
		m.Reset()
		return decodeStreamRequest(text(data), m)
	case *pb.StreamCheckResponse:
		m.Reset()
		return decodeStreamResponse(text(data), m)
	case *pb.ListObjectsResponse:
		m.Reset()
		return decodeListObjectsResponse(text(data), m)
	case *pb.ListSubjectsResponse:
		m.Reset()
		return decodeListSubjectsResponse(text(data), m)
	}
	return false
}

// text copies data, once.
func text(data mem.BufferSlice) string {
	if len(data) == 1 {
		return string(data[0].ReadOnlyData())
	}
	return unsafeString(data.Materialize())
}
