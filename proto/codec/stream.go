package codec

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Kind says which of its questions or answers a message of a stream has.
type Kind uint8

// The kinds. A message of a later version has none of them.
const (
	NoKind Kind = iota
	IsCheck
	IsBatch
	IsFrame
	IsError // an answer only
)

// A StreamQuestion is a pb.StreamCheckRequest. The question that Kind names is
// set, the others have what they had before.
type StreamQuestion struct {
	ID    uint64
	Kind  Kind
	Check Check
	Batch Batch
	Frame *pb.CheckFrame // another one each time
}

func (q *StreamQuestion) decode(text string) bool {
	q.ID, q.Kind = 0, NoKind
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		if f > 1 && q.Kind != NoKind {
			return false
		}
		switch f {
		case 1:
			q.ID = r.oneVarint(f, kind)
		case 2:
			q.Kind = IsCheck
			r.bad = !q.Check.decode(r.oneMessage(f, kind)) || r.bad
		case 3:
			q.Kind = IsBatch
			r.bad = !q.Batch.decode(r.oneMessage(f, kind)) || r.bad
		case 4:
			q.Kind, q.Frame = IsFrame, new(pb.CheckFrame)
			r.bad = !decodeFrame(r.oneMessage(f, kind), q.Frame) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}

func (q *StreamQuestion) encode(e *encoder) {
	e.varint(1, q.ID)
	var start int
	switch q.Kind {
	case IsCheck:
		start = e.open(2)
		q.Check.encode(e)
	case IsBatch:
		start = e.open(3)
		q.Batch.encode(e)
	case IsFrame:
		start = e.open(4)
		e.frame(q.Frame)
	default:
		return
	}
	e.close(start)
}

func (q *StreamQuestion) library() proto.Message {
	m := &pb.StreamCheckRequest{Id: q.ID}
	switch q.Kind {
	case IsCheck:
		m.Question = &pb.StreamCheckRequest_Check{Check: q.Check.request()}
	case IsBatch:
		m.Question = &pb.StreamCheckRequest_Batch{Batch: q.Batch.request()}
	case IsFrame:
		m.Question = &pb.StreamCheckRequest_Frame{Frame: q.Frame}
	}
	return m
}

func (*StreamQuestion) empty() proto.Message { return new(pb.StreamCheckRequest) }

func (q *StreamQuestion) take(m proto.Message) {
	r := m.(*pb.StreamCheckRequest)
	q.ID, q.Kind = r.GetId(), NoKind
	switch of := r.GetQuestion().(type) {
	case *pb.StreamCheckRequest_Check:
		q.Kind = IsCheck
		q.Check.From(of.Check)
	case *pb.StreamCheckRequest_Batch:
		q.Kind = IsBatch
		q.Batch.From(of.Batch)
	case *pb.StreamCheckRequest_Frame:
		q.Kind, q.Frame = IsFrame, of.Frame
	}
}

// A StreamAnswer is a pb.StreamCheckResponse. The answer that Kind names is set,
// the others have what they had before.
type StreamAnswer struct {
	ID    uint64
	Kind  Kind
	Check Answer
	Batch BatchAnswer
	Frame *pb.CheckFrameAnswer // another one each time
	Error *pb.Error            // the same
}

func (a *StreamAnswer) decode(text string) bool {
	a.ID, a.Kind = 0, NoKind
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		if f > 1 && a.Kind != NoKind {
			return false
		}
		switch f {
		case 1:
			a.ID = r.oneVarint(f, kind)
		case 2:
			a.Kind = IsCheck
			r.bad = !a.Check.decode(r.oneMessage(f, kind)) || r.bad
		case 3:
			a.Kind = IsBatch
			r.bad = !a.Batch.decode(r.oneMessage(f, kind)) || r.bad
		case 4:
			a.Kind, a.Error = IsError, new(pb.Error)
			r.bad = !decodeError(r.oneMessage(f, kind), a.Error) || r.bad
		case 5:
			of := new(frameAnswer)
			a.Kind, a.Frame = IsFrame, &of.answer
			r.bad = !decodeFrameAnswer(r.oneMessage(f, kind), of) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}

func (a *StreamAnswer) encode(e *encoder) {
	e.varint(1, a.ID)
	var start int
	switch a.Kind {
	case IsCheck:
		start = e.open(2)
		a.Check.encode(e)
	case IsBatch:
		start = e.open(3)
		a.Batch.encode(e)
	case IsError:
		e.failure(4, a.Error)
		return
	case IsFrame:
		start = e.open(5)
		e.frameAnswer(a.Frame)
	default:
		return
	}
	e.close(start)
}

func (a *StreamAnswer) library() proto.Message {
	m := &pb.StreamCheckResponse{Id: a.ID}
	switch a.Kind {
	case IsCheck:
		m.Answer = &pb.StreamCheckResponse_Check{Check: a.Check.Response()}
	case IsBatch:
		m.Answer = &pb.StreamCheckResponse_Batch{Batch: a.Batch.Response()}
	case IsError:
		m.Answer = &pb.StreamCheckResponse_Error{Error: a.Error}
	case IsFrame:
		m.Answer = &pb.StreamCheckResponse_Frame{Frame: a.Frame}
	}
	return m
}

func (*StreamAnswer) empty() proto.Message { return new(pb.StreamCheckResponse) }

func (a *StreamAnswer) take(m proto.Message) {
	r := m.(*pb.StreamCheckResponse)
	a.ID, a.Kind = r.GetId(), NoKind
	switch of := r.GetAnswer().(type) {
	case *pb.StreamCheckResponse_Check:
		a.Kind = IsCheck
		a.Check.From(of.Check)
	case *pb.StreamCheckResponse_Batch:
		a.Kind = IsBatch
		a.Batch.From(of.Batch)
	case *pb.StreamCheckResponse_Error:
		a.Kind, a.Error = IsError, of.Error
	case *pb.StreamCheckResponse_Frame:
		a.Kind, a.Frame = IsFrame, of.Frame
	}
}
