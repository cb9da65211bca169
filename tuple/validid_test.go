package tuple

import (
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestValidID_IsWhatItsCharactersAllow compares the quick way through an id with the
// rule, for every byte and every pair of bytes, alone and behind others.
func TestValidID_IsWhatItsCharactersAllow(t *testing.T) {
	allowed := func(s string) bool {
		for _, r := range s {
			if r == '#' || unicode.IsSpace(r) || unicode.IsControl(r) {
				return false
			}
		}
		return utf8.ValidString(s) && s != "" && s != Wildcard
	}
	for _, begin := range []string{"", "a", "é", "~}"} {
		for a := range 256 {
			for b := range 257 {
				s := begin + string([]byte{byte(a)})
				if b < 256 {
					s += string([]byte{byte(b)})
				}
				if got, want := ValidID(s), allowed(s); got != want {
					t.Fatalf("%q: %v, want %v", s, got, want)
				}
			}
		}
	}
}
