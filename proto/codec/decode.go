package codec

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// The decoders understand what encoders write: each singular field at most once,
// and none that the message does not have. For everything else they say no.

// unsafeString is b without a copy; nobody else may write to it.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Wire types.
const (
	varintType = 0
	bytesType  = 2
)

// A reader steps through the fields of a message.
type reader struct {
	text string // what is left
	bad  bool   // it is not what this package understands
	seen uint32 // the singular fields so far, by number
}

// next returns the number and type of the next field, 0 at the end.
func (r *reader) next() (field, kind uint64) {
	if r.text == "" || r.bad {
		return 0, 0
	}
	tag := r.varint()
	r.bad = r.bad || tag>>3 == 0
	return tag >> 3, tag & 7
}

// once notes a singular field.
func (r *reader) once(field uint64) {
	r.bad = r.bad || r.seen>>field&1 != 0
	r.seen |= 1 << field
}

func (r *reader) varint() uint64 {
	if t := r.text; t != "" && t[0] < 0x80 { // as nearly all are
		r.text = t[1:]
		return uint64(t[0])
	}
	return r.longVarint()
}

//go:noinline
func (r *reader) longVarint() uint64 {
	var v uint64
	for i := 0; i < len(r.text) && i < 10; i++ {
		c := r.text[i]
		if c < 0x80 {
			if i == 9 && c > 1 {
				break // more than 64 bits
			}
			r.text = r.text[i+1:]
			return v | uint64(c)<<(7*i)
		}
		v |= uint64(c&0x7f) << (7 * i)
	}
	r.bad = true
	return 0
}

func (r *reader) bytes() string {
	n := r.varint()
	if n > uint64(len(r.text)) {
		r.bad = true
		return ""
	}
	s := r.text[:n]
	r.text = r.text[n:]
	return s
}

func (r *reader) string() string {
	s := r.bytes()
	r.bad = r.bad || !isText(s)
	return s
}

// isText reports whether s is valid UTF-8. Most is ASCII, eight bytes of which
// are looked at together.
func isText(s string) bool {
	return len(s) >= 8 && isASCII(s) || utf8.ValidString(s)
}

// isASCII reports whether s, of eight bytes at least, is ASCII.
func isASCII(s string) bool {
	const high = 0x8080808080808080
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	set := binary.LittleEndian.Uint64(b[len(b)-8:])
	for len(b) > 8 {
		set |= binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	return set&high == 0
}

// oneString reads a singular field that is a string.
func (r *reader) oneString(field, kind uint64) string {
	r.once(field)
	r.bad = r.bad || kind != bytesType
	return r.string()
}

// oneMessage reads a singular field that is a message.
func (r *reader) oneMessage(field, kind uint64) string {
	r.once(field)
	r.bad = r.bad || kind != bytesType
	return r.bytes()
}

// oneVarint reads a singular field that is a number.
func (r *reader) oneVarint(field, kind uint64) uint64 {
	r.once(field)
	r.bad = r.bad || kind != varintType
	return r.varint()
}

// repeated reads one element of a field of strings or messages.
func (r *reader) repeated(kind uint64) string {
	r.bad = r.bad || kind != bytesType
	return r.bytes()
}

// count returns how often a field of bytes occurs in a message whose other
// fields are bytes and numbers too; too small for anything else.
func count(text string, field uint64) int {
	n := 0
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch kind {
		case varintType:
			r.varint()
		case bytesType:
			r.bytes()
		default:
			return 0
		}
		if f == field && !r.bad {
			n++
		}
	}
	return n
}

func decodeObject(text string, o *pb.Object) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			o.Type = r.oneString(f, kind)
		case 2:
			o.Id = r.oneString(f, kind)
		default:
			return false
		}
	}
	return !r.bad
}

func decodeSubject(text string, s *pb.Subject) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			s.Type = r.oneString(f, kind)
		case 2:
			s.Id = r.oneString(f, kind)
		case 3:
			s.Relation = r.oneString(f, kind)
		default:
			return false
		}
	}
	return !r.bad
}

func decodeConsistency(text string, c *pb.Consistency) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		if c.Level != nil {
			return false
		}
		switch f {
		case 1:
			r.bad = r.oneMessage(f, kind) != "" || r.bad
			c.Level = &pb.Consistency_Any{Any: &pb.Consistency_AnyLevel{}}
		case 2:
			c.Level = &pb.Consistency_AtLeast{AtLeast: r.oneString(f, kind)}
		case 3:
			c.Level = &pb.Consistency_Exactly{Exactly: r.oneString(f, kind)}
		case 4:
			r.bad = r.oneMessage(f, kind) != "" || r.bad
			c.Level = &pb.Consistency_Latest{Latest: &pb.Consistency_LatestLevel{}}
		default:
			return false
		}
	}
	return !r.bad
}

func decodeWork(text string, w *pb.Work) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			w.Steps = int32(r.oneVarint(f, kind))
		case 2:
			w.Reads = int32(r.oneVarint(f, kind))
		default:
			return false
		}
	}
	return !r.bad
}

func decodeTime(text string, t *timestamppb.Timestamp) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			t.Seconds = int64(r.oneVarint(f, kind))
		case 2:
			t.Nanos = int32(r.oneVarint(f, kind))
		default:
			return false
		}
	}
	return !r.bad
}

// askedParts are what a question refers to, in one allocation.
type askedParts struct {
	object  pb.Object
	subject pb.Subject
}

func decodeCheckRequest(text string, m *pb.CheckRequest) bool {
	parts := new(askedParts)
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			m.Tenant = r.oneString(f, kind)
		case 2:
			m.Object = &parts.object
			r.bad = !decodeObject(r.oneMessage(f, kind), m.Object) || r.bad
		case 3:
			m.Permission = r.oneString(f, kind)
		case 4:
			m.Subject = &parts.subject
			r.bad = !decodeSubject(r.oneMessage(f, kind), m.Subject) || r.bad
		case 5:
			m.ContextJson = r.oneString(f, kind)
		case 7:
			m.Consistency = new(pb.Consistency)
			r.bad = !decodeConsistency(r.oneMessage(f, kind), m.Consistency) || r.bad
		default: // contextual tuples among them
			return false
		}
	}
	return !r.bad
}

// answerParts are what an answer refers to, in one allocation.
type answerParts struct {
	work pb.Work
	time timestamppb.Timestamp
}

func made(p *answerParts) *answerParts {
	if p == nil {
		p = new(answerParts)
	}
	return p
}

func decodeCheckResponse(text string, m *pb.CheckResponse) bool {
	var parts *answerParts
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			m.Decision = pb.Decision(r.oneVarint(f, kind))
		case 2:
			r.bad = r.bad || kind != bytesType
			m.MissingContext = append(m.MissingContext, r.string())
		case 3:
			parts = made(parts)
			m.Work = &parts.work
			r.bad = !decodeWork(r.oneMessage(f, kind), m.Work) || r.bad
		case 4:
			m.Token = r.oneString(f, kind)
		case 5:
			parts = made(parts)
			m.DecisionTime = &parts.time
			r.bad = !decodeTime(r.oneMessage(f, kind), m.DecisionTime) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}
