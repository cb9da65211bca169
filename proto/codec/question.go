package codec

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A Plain is a message of pemba.v1 for those who make and read very many: a value
// without the objects and pointers of the protobuf library, to be used again and
// again. Codec writes the same bytes for it as for the message. What is read into
// a Plain replaces all that it had; its texts share one copy of the message's and
// are never changed, so they may be kept.
type Plain interface {
	encode(e *encoder)
	decode(text string) bool // false = the library decides

	library() proto.Message // the same as one of the library's
	empty() proto.Message   // an empty one of the library's
	take(m proto.Message)   // what the library has read
}

// A Question is what a CheckRequest, or an item of a batch, asks.
type Question struct {
	HasObject, HasSubject                   bool // the message has them, if only empty ones
	ObjectType, ObjectID, Permission        string
	SubjectType, SubjectID, SubjectRelation string
	ContextJSON                             string
}

// decodeObject reads the fields of a pb.Object.
func (q *Question) decodeObject(text string) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			q.ObjectType = r.oneString(f, kind)
		case 2:
			q.ObjectID = r.oneString(f, kind)
		default:
			return false
		}
	}
	q.HasObject = true
	return !r.bad
}

// decodeSubject reads the fields of a pb.Subject.
func (q *Question) decodeSubject(text string) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			q.SubjectType = r.oneString(f, kind)
		case 2:
			q.SubjectID = r.oneString(f, kind)
		case 3:
			q.SubjectRelation = r.oneString(f, kind)
		default:
			return false
		}
	}
	q.HasSubject = true
	return !r.bad
}

// decodePlain reads a pb.BatchCheckItem as nearly all are: short ASCII texts, in
// the order of the fields, without context. For all others it says no.
func (q *Question) decodePlain(text string) bool {
	object, rest := field(text, 1)
	permission, rest := field(rest, 2)
	subject, rest := field(rest, 3)
	if rest != "" || len(text) < 8 || !isASCII(text) {
		return false
	}
	var more, last string
	q.HasObject, q.HasSubject, q.Permission = true, true, permission
	q.ObjectType, more = field(object, 1)
	q.ObjectID, last = field(more, 2)
	q.SubjectType, more = field(subject, 1)
	q.SubjectID, rest = field(more, 2)
	if rest != "" {
		q.SubjectRelation, rest = field(rest, 3)
	}
	return last == "" && rest == "" && q.ObjectID != "" && q.SubjectID != "" && permission != ""
}

// field returns a text of less than 128 bytes with which a message begins, and
// what comes after it; "" and the message if it begins with something else.
func field(text string, number byte) (value, rest string) {
	if len(text) < 2 || text[0] != number<<3|bytesType {
		return "", text
	}
	end := 2 + int(text[1])
	if text[1] >= 0x80 || end > len(text) {
		return "", text
	}
	return text[2:end], text[end:]
}

// decodeItem reads the fields of a pb.BatchCheckItem.
func (q *Question) decodeItem(text string) bool {
	if q.decodePlain(text) {
		return true
	}
	*q = Question{}
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			r.bad = !q.decodeObject(r.oneMessage(f, kind)) || r.bad
		case 2:
			q.Permission = r.oneString(f, kind)
		case 3:
			r.bad = !q.decodeSubject(r.oneMessage(f, kind)) || r.bad
		case 4:
			q.ContextJSON = r.oneString(f, kind)
		default:
			return false
		}
	}
	return !r.bad
}

func (q *Question) encodeObject(e *encoder, field byte) {
	if !q.HasObject {
		return
	}
	start := e.open(field)
	e.string(1, q.ObjectType)
	e.string(2, q.ObjectID)
	e.close(start)
}

func (q *Question) encodeSubject(e *encoder, field byte) {
	if !q.HasSubject {
		return
	}
	start := e.open(field)
	e.string(1, q.SubjectType)
	e.string(2, q.SubjectID)
	e.string(3, q.SubjectRelation)
	e.close(start)
}

func (q *Question) object() *pb.Object {
	if !q.HasObject {
		return nil
	}
	return &pb.Object{Type: q.ObjectType, Id: q.ObjectID}
}

func (q *Question) subject() *pb.Subject {
	if !q.HasSubject {
		return nil
	}
	return &pb.Subject{Type: q.SubjectType, Id: q.SubjectID, Relation: q.SubjectRelation}
}

// questionOf is a question of the library's messages.
func questionOf(o *pb.Object, permission string, s *pb.Subject, contextJSON string) Question {
	return Question{
		HasObject: o != nil, HasSubject: s != nil, ObjectType: o.GetType(), ObjectID: o.GetId(), Permission: permission,
		SubjectType: s.GetType(), SubjectID: s.GetId(), SubjectRelation: s.GetRelation(), ContextJSON: contextJSON,
	}
}

// A Check is a pb.CheckRequest.
type Check struct {
	Tenant string
	Question
	Contextual  []*pb.Tuple
	Consistency *pb.Consistency
}

func (c *Check) decode(text string) bool {
	*c = Check{}
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			c.Tenant = r.oneString(f, kind)
		case 2:
			r.bad = !c.decodeObject(r.oneMessage(f, kind)) || r.bad
		case 3:
			c.Permission = r.oneString(f, kind)
		case 4:
			r.bad = !c.decodeSubject(r.oneMessage(f, kind)) || r.bad
		case 5:
			c.ContextJSON = r.oneString(f, kind)
		case 7:
			c.Consistency = new(pb.Consistency)
			r.bad = !decodeConsistency(r.oneMessage(f, kind), c.Consistency) || r.bad
		default: // contextual tuples among them
			return false
		}
	}
	return !r.bad
}

func (c *Check) encode(e *encoder) {
	e.no = e.no || len(c.Contextual) > 0
	e.string(1, c.Tenant)
	c.encodeObject(e, 2)
	e.string(3, c.Permission)
	c.encodeSubject(e, 4)
	e.string(5, c.ContextJSON)
	e.consistency(7, c.Consistency)
}

func (c *Check) request() *pb.CheckRequest {
	return &pb.CheckRequest{
		Tenant: c.Tenant, Object: c.object(), Permission: c.Permission, Subject: c.subject(), ContextJson: c.ContextJSON,
		ContextualTuples: c.Contextual, Consistency: c.Consistency,
	}
}

// From makes c what m is.
func (c *Check) From(m *pb.CheckRequest) {
	*c = Check{
		Tenant: m.GetTenant(), Question: questionOf(m.GetObject(), m.GetPermission(), m.GetSubject(), m.GetContextJson()),
		Contextual: m.GetContextualTuples(), Consistency: m.GetConsistency(),
	}
}

func (c *Check) library() proto.Message { return c.request() }
func (*Check) empty() proto.Message     { return new(pb.CheckRequest) }
func (c *Check) take(m proto.Message)   { c.From(m.(*pb.CheckRequest)) }

// A Batch is a pb.BatchCheckRequest.
type Batch struct {
	Tenant      string
	Items       []Question
	Contextual  []*pb.Tuple
	Consistency *pb.Consistency
}

// Clear makes b as new, but for its memory.
func (b *Batch) Clear() {
	clear(b.Items)
	*b = Batch{Items: b.Items[:0]}
}

func (b *Batch) decode(text string) bool {
	b.Clear()
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			b.Tenant = r.oneString(f, kind)
		case 2:
			b.Items = append(b.Items, Question{})
			r.bad = !b.Items[len(b.Items)-1].decodeItem(r.repeated(kind)) || r.bad
		case 4:
			b.Consistency = new(pb.Consistency)
			r.bad = !decodeConsistency(r.oneMessage(f, kind), b.Consistency) || r.bad
		default: // contextual tuples among them
			return false
		}
	}
	return !r.bad
}

func (b *Batch) encode(e *encoder) {
	e.no = e.no || len(b.Contextual) > 0
	e.string(1, b.Tenant)
	for i := range b.Items {
		q := &b.Items[i]
		start := e.open(2)
		q.encodeObject(e, 1)
		e.string(2, q.Permission)
		q.encodeSubject(e, 3)
		e.string(4, q.ContextJSON)
		e.close(start)
	}
	e.consistency(4, b.Consistency)
}

func (b *Batch) request() *pb.BatchCheckRequest {
	m := &pb.BatchCheckRequest{Tenant: b.Tenant, ContextualTuples: b.Contextual, Consistency: b.Consistency}
	for i := range b.Items {
		q := &b.Items[i]
		m.Items = append(m.Items, &pb.BatchCheckItem{Object: q.object(), Permission: q.Permission, Subject: q.subject(), ContextJson: q.ContextJSON})
	}
	return m
}

// From makes b what m is.
func (b *Batch) From(m *pb.BatchCheckRequest) {
	b.Clear()
	b.Tenant, b.Contextual, b.Consistency = m.GetTenant(), m.GetContextualTuples(), m.GetConsistency()
	for _, item := range m.GetItems() {
		b.Items = append(b.Items, questionOf(item.GetObject(), item.GetPermission(), item.GetSubject(), item.GetContextJson()))
	}
}

func (b *Batch) library() proto.Message { return b.request() }
func (*Batch) empty() proto.Message     { return new(pb.BatchCheckRequest) }
func (b *Batch) take(m proto.Message)   { b.From(m.(*pb.BatchCheckRequest)) }
