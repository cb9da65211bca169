// Package catalogue holds what an IAM knows before anybody has stored a fact:
// kinds of resources, permissions, roles and what each role grants. It is data
// (the files in data, or an operator's text of the same form), and a compiler
// from that data to a schema that the engine evaluates.
package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
)

// A Catalogue is immutable and safe for concurrent use; so is what its methods
// return, which callers must not change.
type Catalogue struct {
	digest      string
	roles       []*Role // by id
	roleOf      map[string]*Role
	kinds       []*Kind // by id
	kindOf      map[string]*Kind
	permissions []string // sorted
	indexOf     map[string]int
	ownersOnly  []string
	base        *base // the part of the schema that no custom role changes
}

// A Role is a named set of permissions that is assigned as a whole.
type Role struct {
	ID          string
	Description string
	Includes    []string // ids of the roles that it includes directly, in the order of the text
	Kinds       []string // kinds of resources that it may be assigned on, sorted; nil = any
	Permissions []string // all that it grants, with inclusions, sorted
	Owner       bool     // granted and revoked only by who has the same role there
	Known       bool     // false: its content is not known; it can be assigned and grants nothing

	holders bits // the roles that have it: itself and all that include it
}

// A Kind is a kind of resource, SERVICE.RESOURCE in the singular.
type Kind struct {
	ID          string
	Permissions string   // prefix of its permissions: SERVICE.RESOURCES
	Parents     []string // kinds that it may stand in, in the order of the text; nil = none
}

// A CustomRole is an operator's or organization's own role.
type CustomRole struct {
	ID          string
	Permissions []string // in any order; those that the catalogue does not have grant nothing
}

// Shipped returns the catalogue that the program carries.
func Shipped() *Catalogue { return shipped() }

var shipped = sync.OnceValue(func() *Catalogue {
	c, err := Parse(ShippedSource())
	if err != nil {
		panic("the shipped " + err.Error()) // a test parses it
	}
	return c
})

// Digest returns the SHA-256 of the source, in hex.
func (c *Catalogue) Digest() string { return c.digest }

func digestOf(source []byte) string {
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:])
}

// Role returns a role by its id.
func (c *Catalogue) Role(id string) (*Role, bool) {
	r, ok := c.roleOf[id]
	return r, ok
}

// Roles returns all roles, sorted by id.
func (c *Catalogue) Roles() []*Role { return c.roles }

// HasPermission reports whether the catalogue has a permission.
func (c *Catalogue) HasPermission(p string) bool {
	_, ok := c.indexOf[p]
	return ok
}

// Permissions returns all permissions, sorted.
func (c *Catalogue) Permissions() []string { return c.permissions }

// Kind returns a kind by its id.
func (c *Catalogue) Kind(id string) (*Kind, bool) {
	k, ok := c.kindOf[id]
	return k, ok
}

// Kinds returns all kinds, sorted by id.
func (c *Catalogue) Kinds() []*Kind { return c.kinds }

// Has reports whether r grants p.
func (r *Role) Has(p string) bool {
	_, ok := slices.BinarySearch(r.Permissions, p)
	return ok
}

// AllowedOn reports whether r may be assigned on a resource of this kind.
func (r *Role) AllowedOn(kind string) bool {
	if r.Kinds == nil {
		return true
	}
	_, ok := slices.BinarySearch(r.Kinds, kind)
	return ok
}

// OwnersOnly returns the permissions that roles of owners have and no others, sorted.
func (c *Catalogue) OwnersOnly() []string { return c.ownersOnly }

// findOwnersOnly fills in what OwnersOnly returns.
func (c *Catalogue) findOwnersOnly() {
	for i, holders := range c.holdersOf() {
		only := holders != nil
		for r := range holders.all() {
			only = only && c.roles[r].Owner
		}
		if only {
			c.ownersOnly = append(c.ownersOnly, c.permissions[i])
		}
	}
}
