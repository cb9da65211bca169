package codec

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// packed reads the numbers of a field that encoders write as one. A field that
// comes again is the library's to decide.
func packed[T any](r *reader, field, kind uint64, of func(uint64) T) []T {
	body := reader{text: r.oneMessage(field, kind)}
	n := 0
	for i := range len(body.text) {
		if body.text[i] < 0x80 {
			n++
		}
	}
	if n == 0 {
		r.bad = r.bad || body.text != ""
		return nil
	}
	numbers := make([]T, 0, n)
	for body.text != "" && !body.bad {
		numbers = append(numbers, of(body.varint()))
	}
	r.bad = r.bad || body.bad
	return numbers
}

func unsigned(v uint64) uint32 { return uint32(v) }
func signed(v uint64) int32    { return int32(v) }

func decision(v uint64) pb.Decision { return pb.Decision(v) }

// frameRequest is a message of a stream with its frame.
type frameRequest struct {
	frame pb.CheckFrame
	is    pb.StreamCheckRequest_Frame
}

func decodeFrame(text string, m *pb.CheckFrame) bool {
	m.Texts = make([]string, 0, count(text, 3))
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			m.Tenant = r.oneString(f, kind)
		case 2:
			m.Consistency = new(pb.Consistency)
			r.bad = !decodeConsistency(r.oneMessage(f, kind), m.Consistency) || r.bad
		case 3:
			r.bad = r.bad || kind != bytesType
			m.Texts = append(m.Texts, r.string())
		case 4:
			m.Questions = packed(&r, f, kind, unsigned)
		case 5:
			c := new(pb.CheckFrame_FrameContext)
			r.bad = !decodeFrameContext(r.repeated(kind), c) || r.bad
			m.Contexts = append(m.Contexts, c)
		case 6:
			m.TimeoutMs = uint32(r.oneVarint(f, kind))
		default:
			return false
		}
	}
	if len(m.Texts) == 0 {
		m.Texts = nil
	}
	return !r.bad
}

func decodeFrameContext(text string, m *pb.CheckFrame_FrameContext) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			m.Question = uint32(r.oneVarint(f, kind))
		case 2:
			m.ContextJson = r.oneString(f, kind)
		default:
			return false
		}
	}
	return !r.bad
}

// frameAnswer is a message of a stream with the answers to a frame.
type frameAnswer struct {
	answer pb.CheckFrameAnswer
	is     pb.StreamCheckResponse_Frame
	time   timestamppb.Timestamp
}

// decodeFrameAnswer leaves answers with errors or missing context to the library.
func decodeFrameAnswer(text string, a *frameAnswer) bool {
	m := &a.answer
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			m.Questions = packed(&r, f, kind, unsigned)
		case 2:
			m.Decisions = packed(&r, f, kind, decision)
		case 3:
			m.Steps = packed(&r, f, kind, signed)
		case 4:
			m.Reads = packed(&r, f, kind, signed)
		case 7:
			m.Token = r.oneString(f, kind)
		case 8:
			m.DecisionTime = &a.time
			r.bad = !decodeTime(r.oneMessage(f, kind), m.DecisionTime) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}
