package codec

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func decodeListObjectsResponse(text string, m *pb.ListObjectsResponse) bool {
	results := make([]pb.ListedObject, count(text, 1))
	m.Objects = make([]*pb.ListedObject, 0, len(results))
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			if len(results) == 0 {
				return false
			}
			l, ok := decodeListed(r.repeated(kind))
			r.bad = r.bad || !ok
			o := &results[0]
			o.Id, o.Decision, o.MissingContext, o.Error = l.id, l.decision, l.missing, l.failure
			m.Objects, results = append(m.Objects, o), results[1:]
		case 2:
			m.Cursor = r.oneString(f, kind)
		case 3:
			m.Count = int64(r.oneVarint(f, kind))
		case 4:
			m.Token = r.oneString(f, kind)
		case 5:
			m.DecisionTime = new(timestamppb.Timestamp)
			r.bad = !decodeTime(r.oneMessage(f, kind), m.DecisionTime) || r.bad
		case 6:
			m.ConditionalCount = int64(r.oneVarint(f, kind))
		case 7:
			m.UndecidedCount = int64(r.oneVarint(f, kind))
		default:
			return false
		}
	}
	if len(m.Objects) == 0 {
		m.Objects = nil
	}
	return !r.bad
}

func decodeListSubjectsResponse(text string, m *pb.ListSubjectsResponse) bool {
	results := make([]pb.ListedSubject, count(text, 1))
	m.Subjects = make([]*pb.ListedSubject, 0, len(results))
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			if len(results) == 0 {
				return false
			}
			l, ok := decodeListed(r.repeated(kind))
			r.bad = r.bad || !ok
			s := &results[0]
			s.Id, s.Decision, s.MissingContext, s.Error = l.id, l.decision, l.missing, l.failure
			m.Subjects, results = append(m.Subjects, s), results[1:]
		case 2:
			m.Cursor = r.oneString(f, kind)
		case 3:
			m.Count = int64(r.oneVarint(f, kind))
		case 4:
			m.Token = r.oneString(f, kind)
		case 5:
			m.DecisionTime = new(timestamppb.Timestamp)
			r.bad = !decodeTime(r.oneMessage(f, kind), m.DecisionTime) || r.bad
		case 6:
			m.ConditionalCount = int64(r.oneVarint(f, kind))
		case 7:
			m.UndecidedCount = int64(r.oneVarint(f, kind))
		case 8:
			m.ExceptedCount = int64(r.oneVarint(f, kind))
		default:
			return false
		}
	}
	if len(m.Subjects) == 0 {
		m.Subjects = nil
	}
	return !r.bad
}

// listed is what a result of either list holds.
type listed struct {
	id       string
	decision pb.Decision
	missing  []string
	failure  *pb.Error
}

func decodeListed(text string) (l listed, ok bool) {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			l.id = r.oneString(f, kind)
		case 2:
			l.decision = pb.Decision(r.oneVarint(f, kind))
		case 3:
			r.bad = r.bad || kind != bytesType
			l.missing = append(l.missing, r.string())
		case 4:
			l.failure = new(pb.Error)
			r.once(f)
			r.bad = r.bad || kind != bytesType || !decodeError(r.bytes(), l.failure)
		default:
			return l, false
		}
	}
	return l, !r.bad
}
