// Package tuple is the vocabulary of pemba: objects, subjects, relations and
// tuples, their limits and their text form. It knows no store and no schema.
package tuple

import (
	"strings"
)

// Limits on names and values. Lengths are in bytes.
const (
	MaxIDLen      = 1024 // object and subject ids
	MaxNameLen    = 64   // type, relation and caveat names
	MaxContextLen = 8192 // canonical JSON of a caveat context stored with a tuple
)

// Wildcard is the subject id that stands for every subject of its type.
const Wildcard = "*"

// Plain is written in place of a subject relation to say "no relation": in text
// it may follow any plain subject ("user:ann#..."), in a filter it selects
// subjects that are not usersets.
const Plain = "..."

// Object is a thing that access is asked for: "type:id".
type Object struct {
	Type, ID string
}

// Subject is who a tuple or a question is about: a single subject ("user:ann"),
// a userset ("group:eng#member", Relation set) or, in stored tuples only, every
// subject of a type ("user:*", ID == Wildcard and no Relation).
type Subject struct {
	Type, ID string
	Relation string // "" = the subject itself
}

// IsWildcard reports whether s stands for every subject of its type.
func (s Subject) IsWildcard() bool { return s.ID == Wildcard }

// Object returns the object that s, or its userset, is built on.
func (s Subject) Object() Object { return Object{s.Type, s.ID} }

// Key identifies a tuple: at most one tuple with a given key is live in a
// tenant at a revision. Caveat and expiry are not part of it.
type Key struct {
	Object   Object
	Relation string
	Subject  Subject
}

// Tuple is one stored fact: Subject has Relation on Object, perhaps only while
// Caveat holds, perhaps only until Expires. Tuples are comparable values.
type Tuple struct {
	Object   Object
	Relation string
	Subject  Subject
	Caveat   string // name of the caveat, "" = unconditional
	Context  string // canonical JSON object (see CanonicalContext), "" = none
	Expires  int64  // Unix nanoseconds from which the tuple is gone, 0 = never
}

// Key returns the part of t that identifies it.
func (t Tuple) Key() Key { return Key{t.Object, t.Relation, t.Subject} }

// String returns "type:id".
func (o Object) String() string { return o.Type + ":" + o.ID }

// String returns "type:id" or "type:id#relation". A plain subject whose id
// contains "[" is written with "#..." so that the text parses back.
func (s Subject) String() string {
	switch {
	case s.Relation != "":
		return s.Type + ":" + s.ID + "#" + s.Relation
	case strings.Contains(s.ID, "["):
		return s.Type + ":" + s.ID + "#" + Plain
	}
	return s.Type + ":" + s.ID
}

// String returns "object#relation@subject".
func (k Key) String() string {
	return k.Object.String() + "#" + k.Relation + "@" + k.Subject.String()
}

// String returns the text form of t, which ParseTuple reads back:
// object#relation@subject[caveat:{context}][expiration:RFC 3339].
func (t Tuple) String() string {
	s := t.Key().String()
	if t.Caveat != "" {
		s += "[" + t.Caveat
		if t.Context != "" {
			s += ":" + t.Context
		}
		s += "]"
	}
	if t.Expires != 0 {
		s += "[expiration:" + FormatTime(t.Expires) + "]"
	}
	return s
}
