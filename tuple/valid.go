package tuple

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// A FieldError says which part of a value is wrong, what it was and what to do.
type FieldError struct {
	Field string // "object.type", "subject.id", ...
	Value string // the offending text, as given
	Fix   string // what a right value looks like
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Field, quote(e.Value), e.Fix)
}

// quote shortens long values so that an error stays one readable line.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToGraphic(s[:most]) + fmt.Sprintf("... (%d bytes)", len(s))
	}
	return strconv.QuoteToGraphic(s)
}

const (
	nameFix = "a name is 1 to 64 bytes: a letter, then letters, digits, '_' and '.', ending in a letter or digit; a type may have a prefix, as in \"acme/doc\""
	idFix   = "an id is 1 to 1,024 bytes of UTF-8 without '#', blanks and control characters"
)

// ValidName reports whether s can name a relation, permission or caveat.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > MaxNameLen || !isLetter(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isLetter(s[i]) && !isDigit(s[i]) && s[i] != '_' && s[i] != '.' {
			return false
		}
	}
	last := s[len(s)-1]
	return isLetter(last) || isDigit(last)
}

// ValidType reports whether s can name a type: a name, or names joined by "/".
func ValidType(s string) bool {
	if len(s) > MaxNameLen {
		return false
	}
	for start, i := 0, 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '/' {
			if !ValidName(s[start:i]) {
				return false
			}
			start = i + 1
		}
	}
	return true
}

// ValidID reports whether s can identify an object. The wildcard is not an
// object id; only a stored subject may carry it.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > MaxIDLen || s == Wildcard {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c-'$' >= 0x7f-'$' && c != '!' && c != '"' { // not in $ to ~: most are
			if c >= utf8.RuneSelf {
				return validRunes(s[i:])
			}
			return false
		}
	}
	return true
}

func validRunes(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == '#' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return false
		}
	}
	return true
}

// Validate checks names, ids and lengths of o; field prefixes the error's field.
func (o Object) Validate(field string) error {
	if !ValidType(o.Type) {
		return &FieldError{field + ".type", o.Type, nameFix}
	}
	if !ValidID(o.ID) {
		return &FieldError{field + ".id", o.ID, idFix}
	}
	return nil
}

// Validate checks s as the subject of a stored tuple: the wildcard is allowed,
// a userset of a wildcard is not.
func (s Subject) Validate(field string) error {
	if !ValidType(s.Type) {
		return &FieldError{field + ".type", s.Type, nameFix}
	}
	if s.IsWildcard() {
		if s.Relation != "" {
			return &FieldError{field + ".relation", s.Relation, "a wildcard subject has no relation"}
		}
		return nil
	}
	if !ValidID(s.ID) {
		return &FieldError{field + ".id", s.ID, idFix}
	}
	if s.Relation != "" && !ValidName(s.Relation) {
		return &FieldError{field + ".relation", s.Relation, nameFix}
	}
	return nil
}

// Validate checks k's parts and their lengths, not a schema.
func (k Key) Validate() error {
	if err := k.Object.Validate("object"); err != nil {
		return err
	}
	if !ValidName(k.Relation) {
		return &FieldError{"relation", k.Relation, nameFix}
	}
	return k.Subject.Validate("subject")
}

// Validate checks t's names, ids, lengths and context, not a schema.
// A non-empty Context must already be canonical.
func (t Tuple) Validate() error {
	if err := t.Key().Validate(); err != nil {
		return err
	}
	if t.Caveat != "" && (!ValidType(t.Caveat) || t.Caveat == "expiration") {
		return &FieldError{"caveat", t.Caveat, nameFix + "; \"expiration\" is reserved"}
	}
	if t.Context != "" {
		if t.Caveat == "" {
			return &FieldError{"caveat.context", t.Context, "a context needs a caveat"}
		}
		c, err := CanonicalContext([]byte(t.Context))
		if err != nil {
			return err
		}
		if c != t.Context {
			return &FieldError{"caveat.context", t.Context, "not in canonical form: " + c}
		}
	}
	if t.Expires < 0 {
		return &FieldError{"expires", FormatTime(t.Expires), "an expiry lies after 1970"}
	}
	return nil
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
