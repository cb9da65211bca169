package native

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// Limits that the .proto files promise.
const (
	maxContextBytes  = 64 << 10  // caveat context of a question
	maxItems         = 1000      // questions of a batch
	maxContextual    = 100       // contextual tuples of a request
	maxUpdates       = 10_000    // updates of a write
	maxPreconditions = 100       // preconditions of a write
	maxSchemaBytes   = 512 << 10 // text of a schema
	maxTokenBytes    = 256       // a consistency token
)

// Absent messages translate to zero values, whose names are not valid, so the
// check of names also finds what is missing.

func objectOf(o *pembav1.Object) tuple.Object {
	return tuple.Object{Type: o.GetType(), ID: o.GetId()}
}

func subjectOf(s *pembav1.Subject) tuple.Subject {
	return plainSubject(s.GetType(), s.GetId(), s.GetRelation())
}

// plainSubject makes a subject; "..." in place of a relation says "none".
func plainSubject(typ, id, relation string) tuple.Subject {
	sub := tuple.Subject{Type: typ, ID: id, Relation: relation}
	if sub.Relation == tuple.Plain {
		sub.Relation = ""
	}
	return sub
}

// tupleOf translates and checks a tuple; field is its path in the request.
func tupleOf(field string, p *pembav1.Tuple) (tuple.Tuple, error) {
	t := tuple.Tuple{
		Object:   objectOf(p.GetObject()),
		Relation: p.GetRelation(),
		Subject:  subjectOf(p.GetSubject()),
	}
	if err := t.Key().Validate(); err != nil {
		return tuple.Tuple{}, below(field, err)
	}
	if c := p.GetCaveat(); c != nil {
		context, err := tuple.CanonicalContext([]byte(c.GetContextJson()))
		if err != nil {
			return tuple.Tuple{}, below(field, err)
		}
		if t.Caveat = c.GetName(); !tuple.ValidType(t.Caveat) {
			return tuple.Tuple{}, invalid(field+".caveat.name", t.Caveat, "a caveat that the schema declares, or no caveat at all")
		}
		t.Context = context
	}
	expires, err := expiryOf(field, p.GetExpires())
	if err != nil {
		return tuple.Tuple{}, err
	}
	t.Expires = expires
	return t, nil
}

// expiryOf translates an expiry to Unix nanoseconds, 0 = none.
func expiryOf(field string, p *timestamppb.Timestamp) (int64, error) {
	if p == nil {
		return 0, nil
	}
	at := p.AsTime()
	if p.CheckValid() != nil || at.Year() > 2261 || !at.After(time.Unix(0, 0)) {
		return 0, invalid(field+".expires", at.Format(time.RFC3339Nano), "an expiry lies between 1970 and 2261")
	}
	return at.UnixNano(), nil
}

// tuplesOf translates contextual tuples.
func tuplesOf(field string, ps []*pembav1.Tuple) ([]tuple.Tuple, error) {
	if len(ps) == 0 {
		return nil, nil
	}
	if len(ps) > maxContextual {
		return nil, tooMany(field, len(ps), maxContextual)
	}
	ts := make([]tuple.Tuple, len(ps))
	for i, p := range ps {
		t, err := tupleOf(at(field, i), p)
		if err != nil {
			return nil, err
		}
		ts[i] = t
	}
	return ts, nil
}

// contextOf decodes the caveat context of a question; "" is none.
func contextOf(field, text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxContextBytes {
		return nil, tooLong(field, len(text), maxContextBytes)
	}
	m, err := tuple.DecodeContext([]byte(text))
	if err != nil {
		return nil, invalid(field, text, err.Error())
	}
	return m, nil
}

// filterOf translates and checks a filter; field is its path.
func filterOf(field string, p *pembav1.TupleFilter) (tuple.Filter, error) {
	f := tuple.Filter{
		Type:            p.GetType(),
		ID:              p.GetId(),
		Relation:        p.GetRelation(),
		SubjectType:     p.GetSubject().GetType(),
		SubjectID:       p.GetSubject().GetId(),
		SubjectRelation: p.GetSubject().GetRelation(),
	}
	if p.GetSubject() != nil && f.SubjectType == "" {
		return f, missing(field+".subject.type", "a subject filter names the type of the subject")
	}
	if err := f.Validate(); err != nil {
		return f, below(field, err)
	}
	return f, nil
}

// protoTuple translates a stored tuple.
func protoTuple(t tuple.Tuple) *pembav1.Tuple {
	p := &pembav1.Tuple{
		Object:   &pembav1.Object{Type: t.Object.Type, Id: t.Object.ID},
		Relation: t.Relation,
		Subject:  &pembav1.Subject{Type: t.Subject.Type, Id: t.Subject.ID, Relation: t.Subject.Relation},
	}
	if t.Caveat != "" {
		p.Caveat = &pembav1.Caveat{Name: t.Caveat, ContextJson: t.Context}
	}
	if t.Expires != 0 {
		p.Expires = timestamppb.New(time.Unix(0, t.Expires))
	}
	return p
}

// at names one element of a repeated field.
func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// validRow checks the names of a row (object, relation).
func validRow(field string, o tuple.Object, relation string) error {
	if err := o.Validate("object"); err != nil {
		return below(field, err)
	}
	if !tuple.ValidName(relation) {
		return invalid(field+".relation", relation, "the name of a relation of the schema")
	}
	return nil
}
