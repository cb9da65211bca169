package codec

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// batchItem is a question of a batch with what it refers to.
type batchItem struct {
	item pb.BatchCheckItem
	askedParts
}

func decodeBatchCheckRequest(text string, m *pb.BatchCheckRequest) bool {
	items := make([]batchItem, count(text, 2))
	m.Items = make([]*pb.BatchCheckItem, 0, len(items))
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			m.Tenant = r.oneString(f, kind)
		case 2:
			if len(items) == 0 {
				return false
			}
			r.bad = !decodeItem(r.repeated(kind), &items[0]) || r.bad
			m.Items, items = append(m.Items, &items[0].item), items[1:]
		case 4:
			m.Consistency = new(pb.Consistency)
			r.bad = !decodeConsistency(r.oneMessage(f, kind), m.Consistency) || r.bad
		default: // contextual tuples among them
			return false
		}
	}
	if len(m.Items) == 0 {
		m.Items = nil
	}
	return !r.bad
}

func decodeItem(text string, b *batchItem) bool {
	m := &b.item
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			m.Object = &b.object
			r.bad = !decodeObject(r.oneMessage(f, kind), m.Object) || r.bad
		case 2:
			m.Permission = r.oneString(f, kind)
		case 3:
			m.Subject = &b.subject
			r.bad = !decodeSubject(r.oneMessage(f, kind), m.Subject) || r.bad
		case 4:
			m.ContextJson = r.oneString(f, kind)
		default:
			return false
		}
	}
	return !r.bad
}

// batchResult is an answer of a batch with what it refers to.
type batchResult struct {
	result pb.BatchCheckResult
	work   pb.Work
}

func decodeBatchCheckResponse(text string, m *pb.BatchCheckResponse) bool {
	results := make([]batchResult, count(text, 1))
	m.Results = make([]*pb.BatchCheckResult, 0, len(results))
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			if len(results) == 0 {
				return false
			}
			r.bad = !decodeResult(r.repeated(kind), &results[0]) || r.bad
			m.Results, results = append(m.Results, &results[0].result), results[1:]
		case 2:
			m.Token = r.oneString(f, kind)
		case 3:
			m.DecisionTime = new(timestamppb.Timestamp)
			r.bad = !decodeTime(r.oneMessage(f, kind), m.DecisionTime) || r.bad
		default:
			return false
		}
	}
	if len(m.Results) == 0 {
		m.Results = nil
	}
	return !r.bad
}

func decodeResult(text string, b *batchResult) bool {
	m := &b.result
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			m.Decision = pb.Decision(r.oneVarint(f, kind))
		case 2:
			r.bad = r.bad || kind != bytesType
			m.MissingContext = append(m.MissingContext, r.string())
		case 3:
			m.Work = &b.work
			r.bad = !decodeWork(r.oneMessage(f, kind), m.Work) || r.bad
		case 4:
			m.Error = new(pb.Error)
			r.bad = !decodeError(r.oneMessage(f, kind), m.Error) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}

// decodeError leaves errors to the library: they are rare.
func decodeError(text string, e *pb.Error) bool { return proto.Unmarshal([]byte(text), e) == nil }

// streamQuestion is a message of a stream with its question.
type streamQuestion struct {
	check pb.CheckRequest
	is    pb.StreamCheckRequest_Check
}

func decodeStreamRequest(text string, m *pb.StreamCheckRequest) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		if f > 1 && m.Question != nil {
			return false
		}
		switch f {
		case 1:
			m.Id = r.oneVarint(f, kind)
		case 2:
			q := new(streamQuestion)
			q.is.Check, m.Question = &q.check, &q.is
			r.bad = !decodeCheckRequest(r.oneMessage(f, kind), &q.check) || r.bad
		case 3:
			b := new(pb.BatchCheckRequest)
			m.Question = &pb.StreamCheckRequest_Batch{Batch: b}
			r.bad = !decodeBatchCheckRequest(r.oneMessage(f, kind), b) || r.bad
		case 4:
			q := new(frameRequest)
			q.is.Frame, m.Question = &q.frame, &q.is
			r.bad = !decodeFrame(r.oneMessage(f, kind), &q.frame) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}

// streamAnswer is a message of a stream with its answer.
type streamAnswer struct {
	check pb.CheckResponse
	is    pb.StreamCheckResponse_Check
}

func decodeStreamResponse(text string, m *pb.StreamCheckResponse) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		if f > 1 && m.Answer != nil {
			return false
		}
		switch f {
		case 1:
			m.Id = r.oneVarint(f, kind)
		case 2:
			a := new(streamAnswer)
			a.is.Check, m.Answer = &a.check, &a.is
			r.bad = !decodeCheckResponse(r.oneMessage(f, kind), &a.check) || r.bad
		case 3:
			b := new(pb.BatchCheckResponse)
			m.Answer = &pb.StreamCheckResponse_Batch{Batch: b}
			r.bad = !decodeBatchCheckResponse(r.oneMessage(f, kind), b) || r.bad
		case 4:
			e := new(pb.Error)
			m.Answer = &pb.StreamCheckResponse_Error{Error: e}
			r.bad = !decodeError(r.oneMessage(f, kind), e) || r.bad
		case 5:
			a := new(frameAnswer)
			a.is.Frame, m.Answer = &a.answer, &a.is
			r.bad = !decodeFrameAnswer(r.oneMessage(f, kind), a) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}
