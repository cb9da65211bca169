package tuple

import (
	"strings"
	"time"
)

// ParseObject reads "type:id". The text is split at the first ":".
func ParseObject(s string) (Object, error) {
	typ, id, ok := strings.Cut(s, ":")
	if !ok {
		return Object{}, &FieldError{"object", s, "an object is written type:id, as doc:readme"}
	}
	o := Object{typ, id}
	return o, o.Validate("object")
}

// ParseSubject reads "type:id", "type:id#relation", "type:id#..." or "type:*".
func ParseSubject(s string) (Subject, error) {
	typ, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Subject{}, &FieldError{"subject", s, "a subject is written type:id or type:id#relation, as user:ann or group:eng#member"}
	}
	id, rel, hasRel := strings.Cut(rest, "#")
	sub := Subject{typ, id, rel}
	if hasRel && rel == "" {
		return sub, &FieldError{"subject.relation", rel, "a relation follows '#', as group:eng#member"}
	}
	if rel == Plain && id != Wildcard {
		sub.Relation = ""
	}
	return sub, sub.Validate("subject")
}

// ParseTuple reads the text form of a tuple:
// object#relation@subject[caveat:{context}][expiration:RFC 3339].
func ParseTuple(s string) (Tuple, error) {
	var t Tuple
	bad := func() (Tuple, error) {
		return Tuple{}, &FieldError{"tuple", s, "a tuple is written object#relation@subject, as doc:readme#viewer@user:ann"}
	}
	obj, rest, ok := strings.Cut(s, "#")
	if !ok {
		return bad()
	}
	rel, sub, ok := strings.Cut(rest, "@")
	if !ok {
		return bad()
	}
	var err error
	if t.Object, err = ParseObject(obj); err != nil {
		return Tuple{}, err
	}
	t.Relation = rel
	if err := t.parseSubjectAndTraits(sub); err != nil {
		return Tuple{}, err
	}
	return t, t.Validate()
}

// parseSubjectAndTraits reads subject[caveat][expiration]. An id may contain
// "[", so the traits are looked for behind a "#relation" first, and behind the
// first "[" only when there is none.
func (t *Tuple) parseSubjectAndTraits(s string) error {
	if hash := strings.IndexByte(s, '#'); hash >= 0 {
		end := hash + 1
		for end < len(s) && s[end] != '[' {
			end++
		}
		rel := s[hash+1 : end]
		if rel == Plain || ValidName(rel) {
			sub, err := ParseSubject(s[:end])
			if err == nil && t.parseTraits(s[end:]) == nil {
				t.Subject = sub
				return nil
			}
		}
	}
	end := strings.IndexByte(s, '[')
	if end < 0 {
		end = len(s)
	}
	sub, err := ParseSubject(s[:end])
	if err != nil {
		return err
	}
	t.Subject = sub
	return t.parseTraits(s[end:])
}

const traitFix = "after the subject come [caveat], [caveat:{json}] and [expiration:2030-01-02T15:04:05Z], each at most once and in this order"

// parseTraits reads "", "[caveat:{json}]", "[expiration:time]" or both.
func (t *Tuple) parseTraits(s string) error {
	t.Caveat, t.Context, t.Expires = "", "", 0
	bad := &FieldError{"tuple", s, traitFix}
	body := s
	if i := strings.LastIndex(s, "[expiration:"); i >= 0 && strings.HasSuffix(s, "]") {
		at, err := time.Parse(time.RFC3339Nano, s[i+len("[expiration:"):len(s)-1])
		if err == nil {
			if at.Year() < 1970 || at.Year() > 2261 || at.UnixNano() <= 0 {
				return &FieldError{"expiration", s, "an expiry lies between 1970 and 2261"}
			}
			t.Expires, body = at.UnixNano(), s[:i]
		}
	}
	if body == "" {
		return nil
	}
	if len(body) < 3 || body[0] != '[' || body[len(body)-1] != ']' {
		return bad
	}
	name, ctx, hasCtx := strings.Cut(body[1:len(body)-1], ":")
	if !ValidType(name) || name == "expiration" {
		return bad
	}
	t.Caveat = name
	if hasCtx {
		c, err := CanonicalContext([]byte(ctx))
		if err != nil {
			return err
		}
		if c == "" && ctx == "" {
			return bad
		}
		t.Context = c
	}
	return nil
}
