package codec

import (
	"encoding/binary"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// An encoder writes messages, their fields in the order of their numbers. It
// says no to what is the library's to decide: fields that this package does not
// know, contextual tuples, text that is not UTF-8.
type encoder struct {
	b  []byte
	no bool
}

func (e *encoder) varint(field byte, v uint64) {
	if v != 0 {
		e.b = binary.AppendUvarint(append(e.b, field<<3|varintType), v)
	}
}

// number writes a signed number, which takes ten bytes below 0.
func (e *encoder) number(field byte, v int64) { e.varint(field, uint64(v)) }

func (e *encoder) string(field byte, s string) {
	if s != "" {
		e.element(field, s)
	}
}

// element writes a string that may be empty.
func (e *encoder) element(field byte, s string) {
	e.no = e.no || !isText(s)
	e.b = binary.AppendUvarint(append(e.b, field<<3|bytesType), uint64(len(s)))
	e.b = append(e.b, s...)
}

// open begins a field that holds a message; close ends it.
func (e *encoder) open(field byte) (start int) {
	e.b = append(e.b, field<<3|bytesType, 0)
	return len(e.b)
}

// close puts the length before the message that begins at start. One byte has
// been left for it, which is enough for most.
func (e *encoder) close(start int) {
	n := uint64(len(e.b) - start)
	if n < 0x80 {
		e.b[start-1] = byte(n)
		return
	}
	var length [binary.MaxVarintLen64]byte
	more := binary.PutUvarint(length[:], n) - 1
	e.b = append(e.b, length[:more]...)
	copy(e.b[start+more:], e.b[start:])
	copy(e.b[start-1:], length[:more+1])
}

// known says no to a message with fields that are newer than this package.
func (e *encoder) known(m proto.Message) { e.no = e.no || len(m.ProtoReflect().GetUnknown()) > 0 }

// message writes m, and reports whether it is one that it knows.
func (e *encoder) message(m proto.Message) bool {
	switch m := m.(type) {
	case *pb.CheckRequest:
		e.checkRequest(m)
	case *pb.CheckResponse:
		e.checkResponse(m)
	case *pb.BatchCheckRequest:
		e.batchRequest(m)
	case *pb.BatchCheckResponse:
		e.batchResponse(m)
	case *pb.StreamCheckRequest:
		e.streamRequest(m)
	case *pb.StreamCheckResponse:
		e.streamResponse(m)
	case *pb.ListObjectsResponse:
		e.listObjectsResponse(m)
	case *pb.ListSubjectsResponse:
		e.listSubjectsResponse(m)
	default:
		return false
	}
	return !e.no
}

func (e *encoder) object(field byte, o *pb.Object) {
	if o == nil {
		return
	}
	e.known(o)
	start := e.open(field)
	e.string(1, o.Type)
	e.string(2, o.Id)
	e.close(start)
}

func (e *encoder) subject(field byte, s *pb.Subject) {
	if s == nil {
		return
	}
	e.known(s)
	start := e.open(field)
	e.string(1, s.Type)
	e.string(2, s.Id)
	e.string(3, s.Relation)
	e.close(start)
}

func (e *encoder) consistency(field byte, c *pb.Consistency) {
	if c == nil {
		return
	}
	e.known(c)
	start := e.open(field)
	switch level := c.Level.(type) {
	case nil:
	case *pb.Consistency_AtLeast:
		e.element(2, level.AtLeast)
	case *pb.Consistency_Exactly:
		e.element(3, level.Exactly)
	case *pb.Consistency_Any:
		e.setting(1, level.Any)
	case *pb.Consistency_Latest:
		e.setting(4, level.Latest)
	default:
		e.no = true
	}
	e.close(start)
}

// setting writes a message that has no fields yet.
func (e *encoder) setting(field byte, m proto.Message) {
	e.no = e.no || !m.ProtoReflect().IsValid()
	e.known(m)
	e.close(e.open(field))
}

func (e *encoder) work(field byte, w *pb.Work) {
	if w == nil {
		return
	}
	e.known(w)
	start := e.open(field)
	e.number(1, int64(w.Steps))
	e.number(2, int64(w.Reads))
	e.close(start)
}

func (e *encoder) time(field byte, t *timestamppb.Timestamp) {
	if t == nil {
		return
	}
	e.known(t)
	start := e.open(field)
	e.number(1, t.Seconds)
	e.number(2, int64(t.Nanos))
	e.close(start)
}

// failure writes an error, which is rare, by the library.
func (e *encoder) failure(field byte, m *pb.Error) {
	if m == nil {
		return
	}
	start := e.open(field)
	b, err := proto.MarshalOptions{}.MarshalAppend(e.b, m)
	e.b, e.no = b, e.no || err != nil
	e.close(start)
}

func (e *encoder) checkRequest(m *pb.CheckRequest) {
	e.known(m)
	e.no = e.no || len(m.ContextualTuples) > 0
	e.string(1, m.Tenant)
	e.object(2, m.Object)
	e.string(3, m.Permission)
	e.subject(4, m.Subject)
	e.string(5, m.ContextJson)
	e.consistency(7, m.Consistency)
}

func (e *encoder) checkResponse(m *pb.CheckResponse) {
	e.known(m)
	e.number(1, int64(m.Decision))
	for _, name := range m.MissingContext {
		e.element(2, name)
	}
	e.work(3, m.Work)
	e.string(4, m.Token)
	e.time(5, m.DecisionTime)
}

func (e *encoder) batchRequest(m *pb.BatchCheckRequest) {
	e.known(m)
	e.no = e.no || len(m.ContextualTuples) > 0
	e.string(1, m.Tenant)
	for _, item := range m.Items {
		start := e.open(2)
		if item != nil {
			e.known(item)
			e.object(1, item.Object)
			e.string(2, item.Permission)
			e.subject(3, item.Subject)
			e.string(4, item.ContextJson)
		}
		e.close(start)
	}
	e.consistency(4, m.Consistency)
}

func (e *encoder) batchResponse(m *pb.BatchCheckResponse) {
	e.known(m)
	for _, r := range m.Results {
		start := e.open(1)
		if r != nil {
			e.known(r)
			e.number(1, int64(r.Decision))
			for _, name := range r.MissingContext {
				e.element(2, name)
			}
			e.work(3, r.Work)
			e.failure(4, r.Error)
		}
		e.close(start)
	}
	e.string(2, m.Token)
	e.time(3, m.DecisionTime)
}

func (e *encoder) streamRequest(m *pb.StreamCheckRequest) {
	e.known(m)
	e.varint(1, m.Id)
	switch q := m.Question.(type) {
	case nil:
	case *pb.StreamCheckRequest_Check:
		e.no = e.no || q.Check == nil
		start := e.open(2)
		if !e.no {
			e.checkRequest(q.Check)
		}
		e.close(start)
	case *pb.StreamCheckRequest_Batch:
		e.no = e.no || q.Batch == nil
		start := e.open(3)
		if !e.no {
			e.batchRequest(q.Batch)
		}
		e.close(start)
	case *pb.StreamCheckRequest_Frame:
		e.no = e.no || q.Frame == nil
		start := e.open(4)
		if !e.no {
			e.frame(q.Frame)
		}
		e.close(start)
	default:
		e.no = true
	}
}

func (e *encoder) streamResponse(m *pb.StreamCheckResponse) {
	e.known(m)
	e.varint(1, m.Id)
	switch a := m.Answer.(type) {
	case nil:
	case *pb.StreamCheckResponse_Check:
		e.no = e.no || a.Check == nil
		start := e.open(2)
		if !e.no {
			e.checkResponse(a.Check)
		}
		e.close(start)
	case *pb.StreamCheckResponse_Batch:
		e.no = e.no || a.Batch == nil
		start := e.open(3)
		if !e.no {
			e.batchResponse(a.Batch)
		}
		e.close(start)
	case *pb.StreamCheckResponse_Error:
		e.no = e.no || a.Error == nil
		e.failure(4, a.Error)
	case *pb.StreamCheckResponse_Frame:
		e.no = e.no || a.Frame == nil
		start := e.open(5)
		if !e.no {
			e.frameAnswer(a.Frame)
		}
		e.close(start)
	default:
		e.no = true
	}
}
