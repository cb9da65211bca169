package catalogue

import (
	"slices"
	"strings"
)

const (
	// MaxName bounds permissions and kinds, in bytes: names in a schema have at most 64.
	MaxName = 64
	// MaxRoleID bounds role ids, in bytes: a role's relation is named "r." and its id.
	MaxRoleID = MaxName - len(rolePrefix)

	rolePrefix   = "r." // relations: access bindings of a role
	classPrefix  = "c." // permissions that several names share
	customPrefix = "k." // the same with custom roles
)

// taken are words that are nobody's role: relations of the resource, and what
// is or may become a keyword of the schema language.
var taken = []string{
	"parent", "user", "account",
	"all", "and", "any", "caveat", "definition", "expiration", "import", "nil", "not", "or",
	"partial", "permission", "relation", "self", "this", "use", "with",
}

// ValidRoleID reports whether id can be a role's: words with dots between, each
// of letters, digits and '-', beginning with a lower-case letter and ending in a
// letter or digit; a single word has no capitals. What the schema uses itself is refused.
func ValidRoleID(id string) bool {
	if len(id) > MaxRoleID || !validWords(id) {
		return false
	}
	if !strings.Contains(id, ".") && strings.ToLower(id) != id {
		return false
	}
	return !slices.Contains(taken, id) && !isReserved(id)
}

// validPermission: SERVICE.RESOURCES.ACTION, three words.
func validPermission(p string) bool {
	return len(p) <= MaxName && strings.Count(p, ".") == 2 && validWords(p) && !isReserved(p)
}

// validKind: SERVICE.RESOURCE, two words; so is the prefix of permissions.
func validKind(k string) bool {
	return len(k) <= MaxName && strings.Count(k, ".") == 1 && validWords(k) && !isReserved(k)
}

func isReserved(name string) bool {
	return strings.HasPrefix(name, rolePrefix) || strings.HasPrefix(name, classPrefix) || strings.HasPrefix(name, customPrefix)
}

func validWords(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if !validWord(word) {
			return false
		}
	}
	return true
}

func validWord(w string) bool {
	if w == "" || w[0] < 'a' || w[0] > 'z' || w[len(w)-1] == '-' {
		return false
	}
	for i := range len(w) {
		c := w[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// NameOf returns the name of a role or permission in the schema: '-' is no
// letter there and becomes '_', which ids do not have, so no two meet.
func NameOf(roleOrPermission string) string {
	return strings.ReplaceAll(roleOrPermission, "-", "_")
}

// RelationOf returns the relation that holds the access bindings of a role.
func RelationOf(role string) string { return rolePrefix + NameOf(role) }
